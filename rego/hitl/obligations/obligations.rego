# METADATA
# title: Obligations
# description: >-
#   What the enforcement point must do, one of each type, merged strictest: highest quorum, every
#   group, earliest expiry. Two different rewrites cannot both hold: the call is denied.
package hitl.obligations

import data.hitl.autonomy
import data.hitl.combine
import data.hitl.confidence
import data.hitl.gather
import data.hitl.lib

of(type) := sort([o.properties |
	some o in gather.obliged
	o.type == type
])

# METADATA
# description: What the enforcement point must do, one of each type.
merged := array.concat(
	[o | some o in [log, approval, monitor, clarify, context]; o.type != ""],
	array.concat(rewrite, array.concat(redact, others)),
)

none := {"id": "", "type": "", "properties": {}}

log := {"id": "hitl.log", "type": "log", "properties": {"level": log_level}}

log_level := "warning" if combine.verdict != "allow"

log_level := "info" if combine.verdict == "allow"

# --- approval: how an ask is answered

default approval := {"id": "", "type": "", "properties": {}}

approval := {"id": "hitl.approval", "type": "approval", "properties": properties} if {
	combine.verdict == "ask"
	properties := {
		"permission": permission,
		"quorum": max({p.quorum | some p in asked}),
		"approvers": sort({g | some p in asked; some g in p.approvers}),
		"expires_in": min({p.expires_in | some p in asked}),
		"execution_expires_in": min({p.execution_expires_in | some p in asked}),
		"on_timeout": on_timeout,
		"escalation": [step | some p in asked; some step in p.escalation],
	}
}

base := object.union(
	{"approvers": approvers, "escalation": []},
	data.hitl.tiers.approval[combine.risk],
)

approvers := data.hitl.settings.approvers if permission == "approve"

approvers := [] if permission != "approve"

# A rule's approval obligation states only what it tightens.
asked := array.concat([base], [object.union(base, p) | some p in of("approval")])

default permission := "confirm"

permission := "approve" if data.hitl.tiers.approval[combine.risk].permission == "approve"

permission := "approve" if data.hitl.tier.cell.permission == "approve"

permission := "approve" if {
	some e in input.facts.effects
	data.hitl.tiers.effects[e.verb][e.target.place].permission == "approve"
}

default on_timeout := "deny"

on_timeout := "escalate" if {
	every p in asked {
		p.on_timeout == "escalate"
	}
}

on_timeout := "park" if {
	every p in asked {
		p.on_timeout == "park"
	}
}

# --- monitor: runs, and is watched

default monitor := {"id": "", "type": "", "properties": {}}

monitor := {"id": "hitl.monitor", "type": "monitor", "properties": {"why": sort(watched)}} if {
	combine.verdict != "deny"
	count(watched) > 0
}

watched contains "confidence" if confidence.band == "monitor"

watched contains "autonomy level 4" if {
	autonomy.level == 4
	lib.risk_rank[combine.risk] >= lib.risk_rank.high
}

watched contains why if {
	some p in of("monitor")
	why := object.get(p, "why", "rule")
}

# --- clarify: a question for the reviewer in AskUserQuestion's shape, written here and not by the model

default clarify := {"id": "", "type": "", "properties": {}}

clarify := {"id": "hitl.clarify", "type": "clarify", "properties": {"questions": [question]}} if {
	confidence.band == "clarify"
	combine.verdict == "ask"
}

question := {
	"question": sprintf("The agent is not sure about this %s call. What should it do?", [input.call.tool]),
	"header": "Clarify",
	"multiSelect": false,
	"options": [
		{"label": "Run it", "description": "The call is what I want; run it as it is."},
		{"label": "Do not run it", "description": "The call is not what I want."},
	],
}

# --- context: show everything there is

default context := {"id": "", "type": "", "properties": {}}

context := {"id": "hitl.context", "type": "context", "properties": {"full": true}} if {
	confidence.band == "escalate"
	combine.verdict == "ask"
}

# --- rewrite and redact come from rules alone

rewrite := sort([{"id": "hitl.rewrite", "type": "rewrite", "properties": p} |
	not gather.rewrite_conflict
	some p in {x | some x in of("rewrite")}
])

redact := [{"id": "hitl.redact", "type": "redact", "properties": {"pointers": pointers}} |
	pointers := sort({x | some p in of("redact"); some x in p.pointers})
	count(pointers) > 0
]

# Types that are not ours pass as they are: an enforcement point that does not know one denies.
others := sort([o |
	some o in gather.obliged
	not ours(o.type)
])

ours(type) if type in ["log", "approval", "monitor", "clarify", "context", "rewrite", "redact"]
