# METADATA
# title: Obligations
# description: >-
#   What the enforcement point must do, one of each type, merged strictest: highest quorum, every
#   group, earliest expiry. Two different rewrites cannot both hold: the call is denied.
package hitl.obligations

import data.hitl.demands

# METADATA
# description: What the enforcement point must do, one of each type.
merged := array.concat([log], sort(special))

# --- log: every decision is; one that does not run is worth a warning

log := {"id": "hitl.log", "type": "log", "properties": {"level": "warning"}} if {
	warned
} else := {"id": "hitl.log", "type": "log", "properties": {"level": "info"}}

warned if data.hitl.combine.verdict != "allow"

warned if {
	data.hitl.demands.made
	some p in demands.of("log")
	p.level == "warning"
}

# --- what an ask needs, in a package of its own, so that an allow does not pay for it

special contains o if {
	data.hitl.combine.verdict == "ask"
	some o in data.hitl.asking.obligations
}

# --- monitor: runs, and is watched

special contains o if {
	data.hitl.combine.verdict != "deny"
	count(watched) > 0
	o := {"id": "hitl.monitor", "type": "monitor", "properties": {"why": sort(watched)}}
}

watched contains "confidence" if {
	input.agent.confidence.known
	data.hitl.confidence.band == "monitor"
}

watched contains "autonomy level 4" if {
	data.hitl.autonomy.level == 4
	data.hitl.combine.risk in ["high", "critical"]
}

watched contains why if {
	data.hitl.demands.made
	some p in demands.of("monitor")
	why := object.get(p, "why", "rule")
}

# --- what comes from rules alone

special contains o if {
	data.hitl.demands.made
	some o in data.hitl.demands.passed
}
