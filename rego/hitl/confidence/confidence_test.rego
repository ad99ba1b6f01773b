package hitl.confidence_test

import data.hitl.confidence
import data.hitl.fixtures

sure(value) := fixtures.agent(fixtures.reading, fixtures.sure(value))

test_bands if {
	every value, band in {"1": "execute", "0.9": "execute", "0.89": "monitor", "0.7": "monitor", "0.69": "clarify", "0.5": "clarify", "0.49": "escalate", "0": "escalate"} {
		confidence.band == band with input as sure(to_number(value))
	}
}

test_unknown if {
	confidence.band == "execute" with input as fixtures.reading
	confidence.reasons == set() with input as fixtures.reading
}

test_nonsense_is_no_confidence if {
	every value in [1.5, -1, "high", {}] {
		confidence.band == "escalate" with input as sure(value)
	}
	every value in [7, -1] {
		messages := {r.message | some r in confidence.reasons} with input as sure(value)
		messages == {"The agent states a confidence that is none, no number from 0 to 1: a human decides."}
	}
}

test_broken_thresholds_escalate if {
	confidence.band == "escalate" with input as sure(0.95) with data.hitl.settings.confidence as {"execute": "much", "monitor": "some", "clarify": "little"}
}

test_a_missing_threshold_is_never_met if {
	confidence.band == "monitor" with input as sure(0.95) with data.hitl.settings.confidence.execute as "much"
}

test_sure_says_nothing if {
	confidence.reasons == set() with input as sure(0.9)
	confidence.reasons == set() with input as sure(0.7)
}

test_clarify if {
	expected := {{
		"rule": "confidence.clarify",
		"pack": "confidence",
		"verdict": "ask",
		"risk": "low",
		"message": "The agent is only 0.6 sure of this call and should ask what is meant.",
		"remedy": "Answer the question; the answer reaches the agent.",
		"floor": true,
		"waives": [],
	}}
	confidence.reasons == expected with input as sure(0.6)
}

test_escalate if {
	expected := {{
		"rule": "confidence.escalate",
		"pack": "confidence",
		"verdict": "ask",
		"risk": "low",
		"message": "The agent is only 0.2 sure of this call: a human decides.",
		"remedy": "Look at the full context and decide.",
		"floor": true,
		"waives": [],
	}}
	confidence.reasons == expected with input as sure(0.2)
}
