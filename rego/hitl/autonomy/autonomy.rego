# METADATA
# title: Autonomy levels
# description: >-
#   The level is the risk that a call may have and still run alone: 1 none, 2 low and read-only,
#   3 medium, 4 high. At level 4 only floors and critical asks remain.
package hitl.autonomy

import data.hitl.settings

# METADATA
# description: >-
#   The level in force: 1 where all autonomy is frozen; else that of the agent or what the tool has earned, whichever
#   is more. bypassPermissions is level 4 only where data allows it, and a level that does not exist is 1.
level := 1 if {
	frozen
} else := 4 if {
	input.agent.mode == "bypassPermissions"
	settings.allow_bypass == true
} else := most if {
	count(earned) > 0
	most := max(earned | {own})
} else := own

frozen if object.get(input.agent, "frozen", false) == true

own := input.agent.level if {
	input.agent.level in {1, 2, 3, 4}
} else := 1

# METADATA
# description: >-
#   The levels that this tool has earned for calls of this risk, capped. A sample of the calls counts as if
#   nothing was earned, so that people go on seeing some; what cannot be undone has a cap of its own.
earned contains found if {
	some e in object.get(input.agent, "earned", [])
	e.risk == data.hitl.gather.risk
	object.get(input.context, "draw", 0) >= settings.earned.sample
	found := min([e.level, object.get(settings.earned.caps, e.risk, 1), cap])
}

cap := settings.earned.irreversible if {
	"irreversible" in data.hitl.lib.traits
} else := 4

# METADATA
# title: The tool has earned to run alone
# custom:
#   id: autonomy.earned
#   risk: low
#   remedy: hitl-opa autonomy set, or freeze.
reasons contains r if {
	not frozen
	count(earned) > 0
	level > own
	r := {
		"rule": "autonomy.earned",
		"pack": "autonomy",
		"verdict": "allow",
		"risk": data.hitl.gather.risk,
		"message": sprintf("%s has earned autonomy level %v for calls of %s risk.", [input.call.tool, level, data.hitl.gather.risk]),
		"remedy": "hitl-opa autonomy set, or freeze.",
		"floor": false,
		"waives": [],
	}
}

# METADATA
# title: All autonomy is frozen
# custom:
#   id: autonomy.frozen
#   risk: low
#   remedy: hitl-opa autonomy unfreeze, once it is known what happened.
reasons contains r if {
	frozen
	r := {
		"rule": "autonomy.frozen",
		"pack": "autonomy",
		"verdict": "ask",
		"risk": data.hitl.gather.risk,
		"message": "All autonomy is frozen: a human decides every call.",
		"remedy": "hitl-opa autonomy unfreeze, once it is known what happened.",
		"floor": true,
		"waives": [],
	}
}

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
		"message": sprintf("Risk %s is more than autonomy level %v runs alone.", [data.hitl.gather.risk, level]),
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
