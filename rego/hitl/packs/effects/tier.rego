# METADATA
# title: Effects
# description: What a call does, by verb and place, looked up in hitl/tiers/data.yaml.
package hitl.packs.effects

import data.hitl.lib

groups := {[e.verb, e.target.place] | some e in input.facts.effects}

tiered(verb, place) if data.hitl.tiers.effects[verb][place]

verdicts := {"auto": "allow", "confirm": "ask", "approve": "ask"}

verbs := {
	"read": "Reads",
	"write": "Writes",
	"delete": "Deletes",
	"execute": "Runs code",
	"send": "Sends data",
	"receive": "Receives data",
	"query": "Queries",
	"configure": "Changes settings",
	"escalate": "Gains privilege",
	"publish": "Publishes",
	"spend": "Spends",
	"stop": "Stops",
	"ask": "Asks a person",
	"delegate": "Delegates",
}

# METADATA
# title: An effect's tier
# custom:
#   id: effects.tier
#   risk: medium
#   remedy: Keep the effect inside the workspace, or approve it.
reasons contains r if {
	some [verb, place] in groups
	cell := data.hitl.tiers.effects[verb][place]
	r := {
		"rule": "effects.tier",
		"verdict": verdicts[cell.permission],
		"risk": cell.risk,
		"message": sprintf("%s (%s): %s.", [verbs[verb], place, lib.names(lib.effects([verb], [place]))]),
	}
}

# METADATA
# title: An effect that no tier lists
# custom:
#   id: effects.unlisted
#   risk: medium
#   remedy: Give the verb and place a tier in hitl/tiers/data.yaml, or approve the call.
reasons contains r if {
	some [verb, place] in groups
	not tiered(verb, place)
	r := {
		"rule": "effects.unlisted",
		"verdict": "ask",
		"risk": "medium",
		"message": sprintf("%s (%s): %s.", [verbs[verb], place, lib.names(lib.effects([verb], [place]))]),
		"remedy": "Give the verb and place a tier in your data, or approve the call.",
	}
}
