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
	count(lib.changed) > 0
	some x in data.hitl.packs.files.reasons
	r := named(x, "files")
}

said contains r if {
	"path" in lib.types
	some x in data.hitl.packs.self.reasons
	r := named(x, "self")
}

said contains r if {
	networked
	some x in data.hitl.packs.network.reasons
	r := named(x, "network")
}

networked if "host" in lib.types

networked if "code" in lib.types

networked if count(lib.traits & {"reverse-shell", "listen"}) > 0

said contains r if {
	remote
	some x in data.hitl.packs.remotes.reasons
	r := named(x, "remotes")
}

remote if "remote" in lib.types

remote if "database" in lib.types

said contains r if {
	sensitive
	some x in data.hitl.packs.secrets.reasons
	r := named(x, "secrets")
}

sensitive if count(input.facts.secrets) > 0

sensitive if "secret" in lib.types

sensitive if "secret" in lib.traits

sensitive if count((lib.taken | lib.changed) & {"credentials", "env-file", "system-auth"}) > 0

said contains r if {
	count(lib.traits) > 0
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
	some x in data.hitl.packs.sequences.reasons
	r := named(x, "sequences")
}

said contains r if {
	input.approval.grant.id != ""
	some x in data.hitl.packs.grants.reasons
	r := named(x, "grants")
}

said contains r if {
	listed(data.hitl.custom.reasons)
	some x in data.hitl.custom.reasons
	r := named(x, "custom")
}

# METADATA
# description: A reason with its pack and the fields that a rule may leave out.
named(x, pack) := object.union(object.union({"remedy": "", "floor": false, "waives": []}, x), {"pack": pack}) if is_object(x)

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
# description: True where something was said in no form that can be combined; it denies, it never vanishes.
malformed if count(said) != count(stated)

malformed if {
	reasons := data.hitl.custom.reasons
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

waivers contains id if {
	some r in stated
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
risk := lib.highest(kept)
