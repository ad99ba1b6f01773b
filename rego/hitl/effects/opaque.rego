package hitl.effects

import data.hitl.tiers

# METADATA
# title: Part of the call cannot be understood
# custom:
#   id: effects.opaque
#   risk: high
#   remedy: Write the call out plainly.
reasons contains r if {
	count(input.facts.opaque) > 0
	kinds := sort({o.kind | some o in input.facts.opaque})
	r := {
		"rule": "effects.opaque",
		"verdict": "ask",
		"risk": "high",
		"message": sprintf("Part of this call cannot be understood: %s.", [concat(", ", kinds)]),
		"remedy": "Write the call out plainly.",
	}
}

# METADATA
# title: A call that is larger than can be looked through
# description: Padding a call until it is not read to its end must not be a way past policy, at no level.
# custom:
#   id: effects.too-large
#   risk: high
#   remedy: Split the call, or put what it does into a file of the workspace.
reasons contains r if {
	"too-large" in {o.kind | some o in input.facts.opaque}
	r := {
		"rule": "effects.too-large",
		"verdict": "ask",
		"risk": "high",
		"message": "This call is larger than can be looked through to its end.",
		"remedy": "Split the call, or put what it does into a file of the workspace.",
		"floor": true,
	}
}

# METADATA
# title: A call whose effects are not known
# custom:
#   id: effects.none
#   risk: medium
#   remedy: Name the file, the host or the pattern that is meant.
reasons contains r if {
	count(input.facts.effects) == 0
	count(input.facts.opaque) == 0
	not idle
	r := {
		"rule": "effects.none",
		"verdict": "ask",
		"risk": "medium",
		"message": sprintf("It is not known what this %s call does.", [input.call.tool]),
		"remedy": "Name the file, the host or the pattern that is meant.",
	}
}

idle if input.call.kind in tiers.idle
