# METADATA
# title: Self-protection
# description: The agent does not change what guards it.
package hitl.packs.self

import data.hitl.lib

# METADATA
# title: The guard's own files are changed
# custom:
#   id: self.guard
#   risk: critical
#   remedy: A person changes policies, hooks, settings and records.
reasons contains r if {
	found := {e |
		some e in input.facts.effects
		e.target.place == "guard"
		changed(e)
	}
	count(found) > 0
	r := {
		"rule": "self.guard",
		"verdict": "deny",
		"risk": "critical",
		"message": sprintf("This changes what guards the agent: %s.", [lib.names(found)]),
		"remedy": "A person changes policies, hooks, settings and records.",
	}
}

changed(e) if e.verb != "read"

# A program that opens the record as a database and does more than ask it changes the record.
changed(e) if {
	e.verb == "read"
	some d in input.facts.effects
	d.target.type == "database"
	d.verb != "query"
	d.via == e.via
}
