# METADATA
# title: Helpers for rules
# description: Questions that many rules ask of the facts. Rules match effects, never program names.
package hitl.lib

# METADATA
# description: Orders of the words that combine; a word that is in no order is malformed.
verdict_rank := {"allow": 0, "ask": 1, "deny": 2}

risk_rank := {"low": 0, "medium": 1, "high": 2, "critical": 3}

risk_names := ["low", "medium", "high", "critical"]

# METADATA
# description: The effects with one of these verbs on one of these places.
effects(verbs, places) := [e |
	some e in input.facts.effects
	e.verb in verbs
	e.target.place in places
]

# METADATA
# description: The effects that carry this trait.
marked(trait) := [e |
	some e in input.facts.effects
	trait in e.traits
]

# METADATA
# description: The targets of these effects for a message, three at most, and how many more there are.
names(found) := text if {
	values := sort({shown(e.target) | some e in found})
	count(values) <= 3
	text := concat(", ", values)
}

names(found) := text if {
	values := sort({shown(e.target) | some e in found})
	count(values) > 3
	text := sprintf("%s and %d more", [concat(", ", array.slice(values, 0, 3)), count(values) - 3])
}

shown(target) := target.value if target.value != ""

shown(target) := target.real if {
	target.value == ""
	target.real != ""
}

shown(target) := concat(" ", ["a", target.type]) if {
	target.value == ""
	target.real == ""
}

# METADATA
# description: True where no effect changes anything and nothing is opaque.
read_only if {
	every e in input.facts.effects {
		e.verb in data.hitl.tiers.read_only
	}
	count(input.facts.opaque) == 0
	count(input.facts.effects) > 0
}

# METADATA
# description: True where the call does nothing but read and edit workspace files through a file tool.
edits_only if {
	input.call.kind == "file"
	count(input.facts.effects) > 0
	every e in input.facts.effects {
		edit(e)
	}
	count(input.facts.opaque) == 0
}

edit(e) if e.verb == "read"

edit(e) if {
	e.verb == "write"
	e.target.place == "workspace"
}
