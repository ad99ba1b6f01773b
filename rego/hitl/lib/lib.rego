# METADATA
# title: Helpers for rules
# description: >-
#   Questions that many rules ask of the facts. Rules match effects, never program names. Read rules by
#   their full name (data.hitl.lib.verbs): the embedded engine evaluates all of a package whose rule is
#   read through an import of the package. Functions may be called either way.
package hitl.lib

import data.hitl.tiers

# METADATA
# description: Orders of the words that combine; a word that is in no order is malformed.
verdict_rank := {"allow": 0, "ask": 1, "deny": 2}

risk_rank := {"low": 0, "medium": 1, "high": 2, "critical": 3}

risk_names := ["low", "medium", "high", "critical"]

# METADATA
# description: The highest risk of these reasons; undefined where there are none.
highest(reasons) := worst({r.risk | some r in reasons})

worst(risks) := "critical" if {
	count(risks - {"low", "medium", "high"}) > 0
} else := "high" if {
	"high" in risks
} else := "medium" if {
	"medium" in risks
} else := "low" if {
	"low" in risks
}

# METADATA
# description: What each permission of a tier says of a call.
permissions := {"auto": "allow", "confirm": "ask", "approve": "ask"}

# METADATA
# description: True for a tier that can be used; one that is misspelled counts as not listed.
proper(cell) if {
	cell.permission in ["auto", "confirm", "approve"]
	cell.risk in risk_names
}

# METADATA
# description: The kinds of effect that this call has, each [type, verb, place] as the tiers list them.
kinds contains kind if {
	some e in input.facts.effects
	kind := [e.target.type, e.verb, e.target.place]
}

# METADATA
# description: The verbs of this call's effects.
verbs contains verb if {
	some e in input.facts.effects
	verb := e.verb
}

# METADATA
# description: The target types of this call's effects.
types contains type if {
	some e in input.facts.effects
	type := e.target.type
}

# METADATA
# description: The places of this call's effects, of whatever type.
places contains place if {
	some e in input.facts.effects
	place := e.target.place
}

# METADATA
# description: The traits of this call's effects.
traits contains trait if {
	some e in input.facts.effects
	some trait in e.traits
}

# METADATA
# description: The places of the paths that this call changes.
changed contains place if {
	some e in input.facts.effects
	e.target.type == "path"
	e.verb in ["write", "delete", "configure"]
	place := e.target.place
}

# METADATA
# description: The places of the paths whose content this call takes in or passes on.
taken contains place if {
	some e in input.facts.effects
	e.target.type == "path"
	e.verb in ["read", "send"]
	place := e.target.place
}

# METADATA
# description: The places of the remote systems and databases on which this call does more than look.
shared contains place if {
	some e in input.facts.effects
	e.target.type in ["remote", "database"]
	not looks(e.verb)
	place := e.target.place
}

looks(verb) if verb in ["query", "read", "receive"]

# METADATA
# description: The places of the hosts that this call reaches.
hosts contains place if {
	some e in input.facts.effects
	e.target.type == "host"
	place := e.target.place
}

# METADATA
# description: The effects on targets of this type with one of these verbs on one of these places.
on(type, some_verbs, places) := {e |
	some e in input.facts.effects
	e.target.type == type
	e.verb in some_verbs
	e.target.place in places
}

# METADATA
# description: The effects that carry this trait.
marked(trait) := {e |
	some e in input.facts.effects
	trait in e.traits
}

# METADATA
# description: Those of these effects that carry one of these traits.
among(found, some_traits) := {e |
	some e in found
	some trait in e.traits
	trait in some_traits
}

# METADATA
# description: The effects by which something leaves this machine for others to have, the pinned hosts left out.
outward contains e if {
	some e in input.facts.effects
	e.verb in ["send", "publish", "spend"]
	e.target.type in ["host", "remote", "person", "account"]
	not kept(e)
}

kept(e) if {
	e.target.type == "host"
	e.target.place in ["loopback", "pinned"]
}

# METADATA
# description: The targets of these effects for a message, three at most, and how many more there are.
names(found) := text if {
	values := sort({shown(e.target) | some e in found})
	count(values) <= 3
	text := concat(", ", values)
} else := text if {
	values := sort({shown(e.target) | some e in found})
	text := sprintf("%s and %v more", [concat(", ", array.slice(values, 0, 3)), count(values) - 3])
}

shown(target) := text if {
	text := target.value
	trim(text, ".") != ""
} else := text if {
	text := target.real
	text != ""
} else := text if {
	text := target.value
	text != ""
} else := text if {
	text := concat(" ", ["some", target.type])
}

# METADATA
# description: True where all that is done is known, and nothing of it changes anything.
read_only if {
	count(input.facts.opaque) == 0
	acts
	every verb in verbs {
		verb in tiers.read_only
	}
}

acts if count(input.facts.effects) > 0

# A command whose programs are all known and that does nothing: `true`, `cd`, `echo`.
acts if {
	input.call.kind == "shell"
	count(input.facts.commands) > 0
}

# METADATA
# description: True where the call does nothing but read and edit workspace files through a file tool.
edits_only if {
	input.call.kind == "file"
	count(input.facts.effects) > 0
	count(input.facts.opaque) == 0
	every e in input.facts.effects {
		edit(e)
	}
}

edit(e) if e.verb in ["read", "query"]

edit(e) if {
	e.verb == "write"
	e.target.type == "path"
	e.target.place == "workspace"
}
