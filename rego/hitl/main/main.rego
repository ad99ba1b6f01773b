# METADATA
# title: The decision
# description: >-
#   The one entrypoint: data.hitl.main.decision. Nothing here ends undefined: what cannot be judged
#   is denied.
package hitl.main

# METADATA
# entrypoint: true
default decision := {
	"verdict": "deny",
	"risk": "critical",
	"reason": "The policy could not judge this call.",
	"reasons": [{
		"rule": "main.undefined",
		"pack": "main",
		"verdict": "deny",
		"risk": "critical",
		"message": "The policy could not judge this call.",
		"remedy": "Run hitl-opa policy test: a rule or its data is broken.",
		"floor": false,
		"waives": [],
	}],
	"waived": [],
	"obligations": [],
}

# METADATA
# title: The input document is incomplete
# custom:
#   id: main.malformed-input
#   risk: critical
#   remedy: Send every field of the input document, each of its type.
decision := refused("main.malformed-input", "The input document is incomplete or has fields of the wrong type.", "Send every field of the input document, each of its type.") if {
	not data.hitl.document.sound
}

decision := {
	"verdict": data.hitl.combine.verdict,
	"risk": data.hitl.combine.risk,
	"reason": data.hitl.combine.ordered[0].message,
	"reasons": data.hitl.combine.ordered,
	"waived": sort(data.hitl.combine.waived),
	"obligations": data.hitl.obligations.merged,
} if {
	data.hitl.document.sound
}

refused(id, message, remedy) := {
	"verdict": "deny",
	"risk": "critical",
	"reason": message,
	"reasons": [{
		"rule": id,
		"pack": "main",
		"verdict": "deny",
		"risk": "critical",
		"message": message,
		"remedy": remedy,
		"floor": false,
		"waives": [],
	}],
	"waived": [],
	"obligations": [],
}
