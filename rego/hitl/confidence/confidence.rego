# METADATA
# title: Confidence routing
# description: >-
#   Where the agent's confidence is known it decides who looks: it only tightens. Thresholds are
#   data.hitl.settings.confidence; where they are broken a human decides.
package hitl.confidence

import data.hitl.settings

# METADATA
# description: The band that the confidence falls in; `execute` where it is unknown.
band := "execute" if {
	not input.agent.confidence.known
} else := "execute" if {
	at_least("execute")
} else := "monitor" if {
	at_least("monitor")
} else := "clarify" if {
	at_least("clarify")
} else := "escalate"

at_least(name) if {
	input.agent.confidence.known
	is_number(settings.confidence[name])
	input.agent.confidence.value >= settings.confidence[name]
	input.agent.confidence.value <= 1
}

stated := sprintf("The agent is only %v sure of this call", [input.agent.confidence.value]) if {
	input.agent.confidence.known
	input.agent.confidence.value >= 0
	input.agent.confidence.value <= 1
} else := "The agent states a confidence that is none, no number from 0 to 1"

# METADATA
# title: An unsure agent asks before it acts
# custom:
#   id: confidence.clarify
#   risk: low
#   remedy: Answer the question; the answer reaches the agent.
reasons contains r if {
	band == "clarify"
	r := {
		"rule": "confidence.clarify",
		"pack": "confidence",
		"verdict": "ask",
		"risk": data.hitl.gather.risk,
		"message": sprintf("%s and should ask what is meant.", [stated]),
		"remedy": "Answer the question; the answer reaches the agent.",
		"floor": true,
		"waives": [],
	}
}

# METADATA
# title: A human decides where the agent does not know
# custom:
#   id: confidence.escalate
#   risk: low
#   remedy: Look at the full context and decide.
reasons contains r if {
	band == "escalate"
	r := {
		"rule": "confidence.escalate",
		"pack": "confidence",
		"verdict": "ask",
		"risk": data.hitl.gather.risk,
		"message": sprintf("%s: a human decides.", [stated]),
		"remedy": "Look at the full context and decide.",
		"floor": true,
		"waives": [],
	}
}
