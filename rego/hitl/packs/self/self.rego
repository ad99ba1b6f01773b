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

changed(e) if {
	not e.verb in ["read", "query"]
	not reached(e)
}

# A program that opens the record as a database and does more than ask it changes the record.
changed(e) if {
	e.verb == "read"
	some d in input.facts.effects
	d.target.type == "database"
	d.verb != "query"
	d.via == e.via
}

# METADATA
# title: What guards the agent is reached
# custom:
#   id: self.reach
#   risk: high
#   remedy: A person looks at approvals and decides on them.
reasons contains r if {
	found := {e |
		some e in input.facts.effects
		e.target.place == "guard"
		reached(e)
	}
	count(found) > 0
	r := {
		"rule": "self.reach",
		"verdict": "ask",
		"risk": "high",
		"message": sprintf("This reaches where the agent's calls are decided or kept: %s.", [lib.names(found)]),
		"remedy": "A person looks at approvals and decides on them.",
		"floor": true,
	}
}

# METADATA
# description: True for its server or database, where the call does no more than ask it, or may only name it.
reached(e) if {
	e.target.type in ["host", "database"]
	e.verb in ["receive", "query"]
}

reached(e) if {
	e.target.type in ["host", "database"]
	not e.certain
}
