# METADATA
# title: Obligations
# description: >-
#   What the enforcement point must do, one of each type, merged strictest: highest quorum, every
#   group, earliest expiry. Two different rewrites cannot both hold: the call is denied.
package hitl.obligations

import data.hitl.autonomy
import data.hitl.combine
import data.hitl.confidence
import data.hitl.demands
import data.hitl.lib
import data.hitl.modes

# METADATA
# description: What the enforcement point must do, one of each type.
merged := array.concat([log], sort(special))

# --- log: every decision is; one that does not run is worth a warning

log := {"id": "hitl.log", "type": "log", "properties": {"level": "info"}} if not warned

log := {"id": "hitl.log", "type": "log", "properties": {"level": "warning"}} if warned

warned if combine.verdict != "allow"

warned if {
	some p in demands.of("log")
	p.level == "warning"
}

# --- approval: how an ask is answered

special contains o if {
	combine.verdict == "ask"
	o := {"id": "hitl.approval", "type": "approval", "properties": {
		"permission": permission,
		"quorum": max({p.quorum | some p in asked} | {count(each)}),
		"approvers": sort({g | some groups in each; some g in groups}),
		"each": sort(each),
		"expires_in": min({p.expires_in | some p in asked}),
		"execution_expires_in": min({p.execution_expires_in | some p in asked}),
		"on_timeout": on_timeout,
		"escalation": [step | some p in sort(asked); some step in p.escalation],
		"durable": durable,
	}}
}

base := object.union({"approvers": [], "escalation": []}, object.get(data.hitl.tiers.approval, combine.risk, {}))

# A rule's approval obligation states only what it tightens.
asked contains b if b := base

asked contains p if {
	some stated in demands.of("approval")
	p := object.union(base, stated)
}

default permission := "confirm"

permission := "approve" if approve

approve if {
	some p in asked
	p.permission == "approve"
}

approve if data.hitl.tier.cell.permission == "approve"

approve if {
	some type, by_verb in lib.at
	some verb, by_place in by_verb
	some place, _ in by_place
	object.get(data.hitl.tiers.effects, [type, verb, place, "permission"], "") == "approve"
}

# One approver of each of these lists: two rules that name different groups both mean it.
each contains groups if {
	some p in asked
	count(p.approvers) > 0
	groups := sort(p.approvers)
}

# Whoever the settings name may approve what needs a named approver.
each contains groups if {
	permission == "approve"
	count(data.hitl.settings.approvers) > 0
	groups := sort(data.hitl.settings.approvers)
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

# Nobody is there now: the approval outlives this process, and the call waits for it elsewhere.
default durable := false

durable if {
	modes.alone
	input.context.durable
}

# --- monitor: runs, and is watched

special contains o if {
	combine.verdict != "deny"
	count(watched) > 0
	o := {"id": "hitl.monitor", "type": "monitor", "properties": {"why": sort(watched)}}
}

watched contains "confidence" if confidence.band == "monitor"

watched contains "autonomy level 4" if {
	autonomy.level == 4
	combine.risk in ["high", "critical"]
}

watched contains why if {
	some p in demands.of("monitor")
	why := object.get(p, "why", "rule")
}

# --- clarify: questions for the reviewer in AskUserQuestion's shape, written by policy and not by the model

special contains o if {
	combine.verdict == "ask"
	count(questions) > 0
	o := {"id": "hitl.clarify", "type": "clarify", "properties": {"questions": sort(questions)}}
}

questions contains q if {
	confidence.band == "clarify"
	q := {
		"question": sprintf("The agent is not sure about this %s call. What should it do?", [input.call.tool]),
		"header": "Clarify",
		"multiSelect": false,
		"options": [
			{"label": "Run it", "description": "The call is what I want; run it as it is."},
			{"label": "Do not run it", "description": "The call is not what I want."},
		],
	}
}

questions contains q if {
	some p in demands.of("clarify")
	some stated in p.questions
	q := object.union({"header": "Clarify", "multiSelect": false, "options": []}, stated)
}

# --- context: show everything there is

special contains o if {
	combine.verdict == "ask"
	full
	o := {"id": "hitl.context", "type": "context", "properties": {"full": true}}
}

full if confidence.band == "escalate"

full if count(demands.of("context")) > 0

# --- rewrite and redact come from rules alone

special contains o if {
	not demands.rewrite_conflict
	some p in demands.of("rewrite")
	o := {"id": "hitl.rewrite", "type": "rewrite", "properties": p}
}

special contains o if {
	pointers := {x | some p in demands.of("redact"); some x in p.pointers}
	count(pointers) > 0
	o := {"id": "hitl.redact", "type": "redact", "properties": {"pointers": sort(pointers)}}
}

# Types that are not ours pass as they are: an enforcement point that does not know one denies.
special contains o if {
	some o in demands.obliged
	not demands.ours(o.type)
}
