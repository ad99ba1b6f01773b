# METADATA
# title: Gathering
# description: >-
#   Gathers what every pack says, takes away what is waived, and names the risk that is left. Packs
#   are reached through static references, each guarded by the facts that it reads.
package hitl.gather

import data.hitl.lib

said contains r if {
	some x in data.hitl.tier.reasons
	r := named(x, "tier")
}

said contains r if {
	some x in data.hitl.packs.effects.reasons
	r := named(x, "effects")
}

said contains r if {
	some x in data.hitl.packs.files.reasons
	r := named(x, "files")
}

said contains r if {
	some x in data.hitl.packs.network.reasons
	r := named(x, "network")
}

said contains r if {
	some x in data.hitl.packs.remotes.reasons
	r := named(x, "remotes")
}

said contains r if {
	some x in data.hitl.packs.secrets.reasons
	r := named(x, "secrets")
}

said contains r if {
	some x in data.hitl.packs.self.reasons
	r := named(x, "self")
}

said contains r if {
	input.call.kind == "shell"
	some x in data.hitl.packs.shell.reasons
	r := named(x, "shell")
}

said contains r if {
	count(input.facts.sql) > 0
	some x in data.hitl.packs.sql.reasons
	r := named(x, "sql")
}

said contains r if {
	input.call.kind in ["mcp", "function"]
	some x in data.hitl.packs.mcp.reasons
	r := named(x, "mcp")
}

said contains r if {
	some x in data.hitl.custom.reasons
	r := named(x, "custom")
}

# METADATA
# description: A reason with its pack and the fields that a rule may leave out.
named(x, pack) := object.union({"pack": pack, "remedy": "", "floor": false, "waives": []}, x) if is_object(x)

# Not an object: kept, so that it is seen as malformed instead of vanishing.
named(x, _) := x if not is_reason(x)

is_reason(x) if is_object(x)

# METADATA
# description: What was said in the right form.
stated contains r if {
	some r in said
	well_formed(r)
}

# METADATA
# description: What was said in no form that can be combined; it denies, it never vanishes.
malformed contains r if {
	some r in said
	not well_formed(r)
}

well_formed(r) if {
	is_object(r)
	is_string(r.rule)
	is_string(r.pack)
	is_string(r.message)
	is_string(r.remedy)
	is_boolean(r.floor)
	is_array(r.waives)
	lib.verdict_rank[r.verdict] >= 0
	lib.risk_rank[r.risk] >= 0
}

waivers contains id if {
	some r in stated
	some id in r.waives
}

# METADATA
# description: An ask that some reason waives; floors, critical asks and denies are never waived.
liftable(r) if {
	r.verdict == "ask"
	r.floor == false
	r.risk != "critical"
	r.rule in waivers
}

# METADATA
# description: The reasons left after waivers.
kept contains r if {
	some r in stated
	not liftable(r)
}

# METADATA
# description: The rules whose asks were waived.
waived contains id if {
	some r in stated
	liftable(r)
	id := r.rule
}

# METADATA
# description: The highest risk left.
risk := lib.risk_names[max({lib.risk_rank[r.risk] | some r in kept})]

# METADATA
# description: Obligations that rules ask for.
obliged contains o if {
	some o in data.hitl.custom.obligations
}

# METADATA
# description: True where two rules rewrite the call differently.
default rewrite_conflict := false

rewrite_conflict if {
	rewrites := {o.properties |
		some o in obliged
		o.type == "rewrite"
	}
	count(rewrites) > 1
}

# METADATA
# description: True where something was contributed that is no obligation.
default obligation_malformed := false

obligation_malformed if {
	some o in obliged
	not shaped(o)
}

shaped(o) if {
	is_object(o)
	is_string(o.id)
	is_string(o.type)
	is_object(o.properties)
}
