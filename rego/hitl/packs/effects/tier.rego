# METADATA
# title: Effects
# description: What a call does, by type, verb and place of the target, looked up in hitl/tiers/data.yaml.
package hitl.packs.effects

import data.hitl.lib

verbs := {
	"read": "Reads",
	"write": "Writes",
	"delete": "Deletes",
	"execute": "Runs",
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

tiered(type, verb, place) if lib.proper(object.get(data.hitl.tiers.effects, [type, verb, place], {}))

# METADATA
# title: An effect's tier
# custom:
#   id: effects.tier
#   risk: medium
#   remedy: Keep the effect inside the workspace, or approve it.
reasons contains r if {
	some type, by_verb in lib.at
	some verb, by_place in by_verb
	some place, found in by_place
	cell := object.get(data.hitl.tiers.effects, [type, verb, place], {})
	lib.proper(cell)
	r := {
		"rule": "effects.tier",
		"verdict": object.get(lib.permissions, cell.permission, "ask"),
		"risk": cell.risk,
		"message": sprintf("%s (%s): %s.", [object.get(verbs, verb, verb), where(type, place), lib.names(found)]),
	}
}

# METADATA
# title: An effect that no tier lists
# custom:
#   id: effects.unlisted
#   risk: medium
#   remedy: Give the type, verb and place a tier in your data, under tiers.effects, or approve the call.
reasons contains r if {
	some type, by_verb in lib.at
	some verb, by_place in by_verb
	some place, found in by_place
	not tiered(type, verb, place)
	r := {
		"rule": "effects.unlisted",
		"verdict": "ask",
		"risk": "medium",
		"message": sprintf("%s (%s): %s.", [object.get(verbs, verb, verb), where(type, place), lib.names(found)]),
		"remedy": "Give the type, verb and place a tier in your data, under tiers.effects, or approve the call.",
	}
}

where("path", place) := place

where(type, place) := concat(" ", [place, type]) if {
	type != "path"
	place != ""
}

where(type, "") := type if type != "path"
