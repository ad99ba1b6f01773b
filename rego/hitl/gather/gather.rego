# METADATA
# title: Gathering
# description: >-
#   Gathers what every pack says, takes away what is waived, and names the risk that is left. Packs
#   are reached through static references, each guarded by the facts that it reads.
package hitl.gather

import data.hitl.lib

said contains r if {
	some x in data.hitl.tier.reasons
	r := object.union({"pack": "tier", "remedy": "", "floor": false, "waives": []}, x)
}

said contains r if {
	some x in data.hitl.effects.reasons
	r := object.union({"pack": "effects", "remedy": "", "floor": false, "waives": []}, x)
}

said contains r if {
	count(data.hitl.lib.changed) > 0
	some x in data.hitl.packs.files.reasons
	r := object.union({"pack": "files", "remedy": "", "floor": false, "waives": []}, x)
}

said contains r if {
	"guard" in data.hitl.lib.places
	some x in data.hitl.packs.self.reasons
	r := object.union({"pack": "self", "remedy": "", "floor": false, "waives": []}, x)
}

said contains r if {
	networked
	some x in data.hitl.packs.network.reasons
	r := object.union({"pack": "network", "remedy": "", "floor": false, "waives": []}, x)
}

networked if {
	"host" in data.hitl.lib.types
} else if {
	"remote" in data.hitl.lib.places
} else if {
	count(data.hitl.lib.traits & {"reverse-shell", "listen"}) > 0
}

said contains r if {
	count(data.hitl.lib.shared) > 0
	some x in data.hitl.packs.remotes.reasons
	r := object.union({"pack": "remotes", "remedy": "", "floor": false, "waives": []}, x)
}

said contains r if {
	sensitive
	some x in data.hitl.packs.secrets.reasons
	r := object.union({"pack": "secrets", "remedy": "", "floor": false, "waives": []}, x)
}

sensitive if {
	count(input.facts.secrets) > 0
} else if {
	"secret" in data.hitl.lib.types
} else if {
	"secret" in data.hitl.lib.traits
} else if {
	count(data.hitl.lib.places & {"credentials", "env-file", "system-auth"}) > 0
}

said contains r if {
	count(data.hitl.lib.traits) > 0
	some x in data.hitl.packs.shell.reasons
	r := object.union({"pack": "shell", "remedy": "", "floor": false, "waives": []}, x)
}

said contains r if {
	count(input.facts.sql) > 0
	some x in data.hitl.packs.sql.reasons
	r := object.union({"pack": "sql", "remedy": "", "floor": false, "waives": []}, x)
}

said contains r if {
	input.call.kind in ["mcp", "function"]
	some x in data.hitl.packs.mcp.reasons
	r := object.union({"pack": "mcp", "remedy": "", "floor": false, "waives": []}, x)
}

said contains r if {
	eventful
	some x in data.hitl.packs.sequences.reasons
	r := object.union({"pack": "sequences", "remedy": "", "floor": false, "waives": []}, x)
}

eventful if {
	input.context.taint.untrusted
} else if {
	input.context.taint.secrets
} else if {
	count(data.hitl.limits.reached) > 0
}

# --- what may waive: plan mode for its own file, trusted servers, grants, and rules of the user's

foreign contains r if {
	input.agent.mode == "plan"
	some r in data.hitl.modes.plans
}

foreign contains x if {
	input.call.mcp.pinned == true
	some r in data.hitl.packs.mcp.reasons
	x := object.union({"pack": "mcp", "remedy": "", "floor": false, "waives": []}, r)
}

foreign contains x if {
	input.approval.grant.id != ""
	some r in data.hitl.packs.grants.reasons
	x := object.union({"pack": "grants", "remedy": "", "floor": false, "waives": []}, r)
}

foreign contains x if {
	listed(custom)
	some r in custom
	x := named(r)
}

# What the user's rules say; undefined where there are none.
custom := data.hitl.custom.reasons

# METADATA
# description: A user's reason with the fields that a rule may leave out; its pack is not its own choice.
named(r) := object.union(object.union({"remedy": "", "floor": false, "waives": []}, r), {"pack": "custom"}) if is_object(r)

# Not an object: kept, so that it is seen as malformed instead of vanishing.
named(r) := r if not is_reason(r)

is_reason(r) if is_object(r)

said contains r if {
	some r in foreign
	well_formed(r)
}

# METADATA
# description: True where something was said in no form that can be combined; it denies, it never vanishes.
malformed if {
	some r in foreign
	not well_formed(r)
}

malformed if {
	some reasons in [custom] # nothing where there are none
	not listed(reasons)
}

well_formed(r) if {
	is_object(r)
	is_string(r.rule)
	is_string(r.message)
	is_string(r.remedy)
	is_boolean(r.floor)
	is_array(r.waives)
	r.verdict in ["allow", "ask", "deny"]
	r.risk in ["low", "medium", "high", "critical"]
}

listed(x) if is_set(x)

listed(x) if is_array(x)

listed(x) if is_object(x)

# --- waivers

waivers contains id if {
	some r in foreign
	well_formed(r)
	some id in r.waives
}

# METADATA
# description: An ask that some reason waives; floors, critical asks and denies are never waived.
liftable(r) if {
	r.rule in waivers
	r.verdict == "ask"
	r.floor == false
	r.risk != "critical"
}

lifted contains r if {
	count(waivers) > 0
	some r in said
	liftable(r)
}

# METADATA
# description: The reasons left after waivers.
kept := said - lifted

# METADATA
# description: The rules whose asks were waived.
waived contains id if {
	some r in lifted
	id := r.rule
}

# METADATA
# description: The highest risk left.
risk := lib.highest(kept)
