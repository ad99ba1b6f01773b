# METADATA
# title: The decision
# description: >-
#   The one entrypoint: data.hitl.main.decision. Nothing here ends undefined: what cannot be judged
#   is denied.
package hitl.main

import data.hitl.combine
import data.hitl.obligations

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

decision := {
	"verdict": combine.verdict,
	"risk": combine.risk,
	"reason": combine.ordered[0].message,
	"reasons": combine.ordered,
	"waived": sort(combine.waived),
	"obligations": obligations.merged,
}
