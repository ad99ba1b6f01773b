# METADATA
# title: Autonomy levels
# description: >-
#   The level is the risk that a call may have and still run alone: 1 none, 2 low and read-only,
#   3 medium, 4 high. At level 4 only floors and critical asks remain.
package hitl.autonomy

import data.hitl.settings

# METADATA
# description: The level in force; bypassPermissions is level 4 only where data allows it, and a level that does not exist is 1.
level := 4 if {
	input.agent.mode == "bypassPermissions"
	settings.allow_bypass == true
} else := input.agent.level if {
	input.agent.level in {1, 2, 3, 4}
} else := 1

# METADATA
# title: Nothing runs alone at level 1
# custom:
#   id: autonomy.suggest-only
#   risk: low
#   remedy: Approve the call, or give the agent a higher autonomy level.
reasons contains r if {
	level == 1
	r := {
		"rule": "autonomy.suggest-only",
		"pack": "autonomy",
		"verdict": "ask",
		"risk": data.hitl.gather.risk,
		"message": "At autonomy level 1 a human decides every call.",
		"remedy": "Approve the call, or give the agent a higher autonomy level.",
		"floor": true,
		"waives": [],
	}
}

# METADATA
# title: More risk than the autonomy level runs alone
# custom:
#   id: autonomy.level
#   risk: medium
#   remedy: Approve the call, or give the agent a higher autonomy level.
reasons contains r if {
	level > 1
	not alone
	not accepted_edit
	r := {
		"rule": "autonomy.level",
		"pack": "autonomy",
		"verdict": "ask",
		"risk": data.hitl.gather.risk,
		"message": sprintf("Risk %s is more than autonomy level %d runs alone.", [data.hitl.gather.risk, level]),
		"remedy": "Approve the call, or give the agent a higher autonomy level.",
		"floor": false,
		"waives": [],
	}
}

# A level without a usable risk in the settings runs nothing alone.
within if {
	limit := object.get(settings.levels, names[level], "none")
	object.get(data.hitl.lib.risk_rank, data.hitl.gather.risk, 3) <= object.get(data.hitl.lib.risk_rank, limit, -1)
}

names := {2: "2", 3: "3", 4: "4"}

alone if {
	level > 2
	within
}

alone if {
	level == 2
	within
	data.hitl.lib.read_only
}

# acceptEdits: the edits that the mode's name means run from level 2.
accepted_edit if {
	input.agent.mode == "acceptEdits"
	level == 2
	data.hitl.gather.risk in ["low", "medium"]
	data.hitl.lib.edits_only
}

# METADATA
# description: Asks that hold at this level; at level 4 only floors and critical ones do.
holds(_) if level < 4

holds(r) if r.floor

holds(r) if r.risk == "critical"
