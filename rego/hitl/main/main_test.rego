package hitl.main_test

import data.hitl.fixtures
import data.hitl.main

test_decision if {
	expected := {
		"verdict": "allow",
		"risk": "low",
		"reason": "Reads (workspace): /home/dev/project/a.py.",
		"reasons": [
			{"rule": "effects.tier", "pack": "effects", "verdict": "allow", "risk": "low", "message": "Reads (workspace): /home/dev/project/a.py.", "remedy": "", "floor": false, "waives": []},
			{"rule": "tier.tool", "pack": "tier", "verdict": "allow", "risk": "low", "message": "Read runs without asking (tier auto).", "remedy": "", "floor": false, "waives": []},
		],
		"waived": [],
		"obligations": [{"id": "hitl.log", "type": "log", "properties": {"level": "info"}}],
	}
	main.decision == expected with input as fixtures.reading
}

test_junk_is_denied if {
	expected := {
		"verdict": "deny",
		"risk": "critical",
		"reason": "The input document is incomplete or has fields of the wrong type.",
		"reasons": [{
			"rule": "main.malformed-input",
			"pack": "main",
			"verdict": "deny",
			"risk": "critical",
			"message": "The input document is incomplete or has fields of the wrong type.",
			"remedy": "Send every field of the input document, each of its type.",
			"floor": false,
			"waives": [],
		}],
		"waived": [],
		"obligations": [],
	}
	every junk in [{}, [], "x", 7, {"version": "1"}, fixtures.but(fixtures.reading, {"facts": {"effects": "none"}})] {
		main.decision == expected with input as junk
	}
}

test_what_cannot_be_judged_is_denied if {
	decision := main.decision with input as fixtures.reading with data.hitl.tier.reasons as set()
	decision.verdict == "deny"
	decision.risk == "critical"
	decision.reason == "The policy could not judge this call."
	decision.reasons == [{
		"rule": "main.undefined",
		"pack": "main",
		"verdict": "deny",
		"risk": "critical",
		"message": "The policy could not judge this call.",
		"remedy": "Run hitl-opa policy test: a rule or its data is broken.",
		"floor": false,
		"waives": [],
	}]
}

# At every level and in every mode.
test_root_is_always_denied if {
	every level in [1, 2, 3, 4] {
		every mode in ["default", "acceptEdits", "plan", "bypassPermissions", "dontAsk", "auto"] {
			destroying := fixtures.agent(fixtures.shell([fixtures.effect("delete", "path", "/", "root")]), {"level": level, "mode": mode})
			main.decision.verdict == "deny" with input as destroying with data.hitl.settings.allow_bypass as true
		}
	}
}
