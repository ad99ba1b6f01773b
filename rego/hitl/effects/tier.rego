# METADATA
# title: Effects
# description: >-
#   What a call does, by type, verb and place of the target, looked up in hitl/tiers/data.yaml. Like
#   the tool's tier this is asked of every call, and is no pack.
package hitl.effects

import data.hitl.lib
import data.hitl.tiers

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

# METADATA
# description: The effects, a group for each type, verb and place, with the tier that the group has.
groups contains group if {
	some kind in data.hitl.lib.kinds
	found := {e | some e in input.facts.effects; [e.target.type, e.verb, e.target.place] == kind}
	cell := object.get(tiers.effects, kind, {})
	message := sprintf("%s (%s): %s.", [object.get(verbs, kind[1], kind[1]), where(kind[0], kind[2]), lib.names(found)])
	group := {"cell": cell, "message": message}
}

# METADATA
# title: An effect's tier
# custom:
#   id: effects.tier
#   risk: medium
#   remedy: Keep the effect inside the workspace, or approve it.
reasons contains r if {
	permissions := data.hitl.lib.permissions
	some group in groups
	lib.proper(group.cell)
	r := {
		"rule": "effects.tier",
		"verdict": permissions[group.cell.permission],
		"risk": group.cell.risk,
		"message": group.message,
	}
}

# METADATA
# title: An effect that no tier lists
# custom:
#   id: effects.unlisted
#   risk: medium
#   remedy: Give the type, verb and place a tier in your data, under tiers.effects, or approve the call.
reasons contains r if {
	some group in groups
	cell := group.cell
	not lib.proper(cell)
	r := {
		"rule": "effects.unlisted",
		"verdict": "ask",
		"risk": "medium",
		"message": group.message,
		"remedy": "Give the type, verb and place a tier in your data, under tiers.effects, or approve the call.",
	}
}

where(type, place) := place if {
	type == "path"
} else := type if {
	place == ""
} else := text if {
	text := concat(" ", [place, type])
}
