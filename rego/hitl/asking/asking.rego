# METADATA
# title: What an ask needs
# description: How an ask is answered, by whom and until when; the questions that come with it.
package hitl.asking

import data.hitl.demands
import data.hitl.settings
import data.hitl.tiers

# --- approval: how an ask is answered

obligations contains o if {
	o := {"id": "hitl.approval", "type": "approval", "properties": {
		"permission": permission,
		"quorum": max({p.quorum | some p in asked} | {count(each), least}),
		"approvers": sort({g | some groups in each; some g in groups}),
		"each": sort(each),
		"expires_in": min({p.expires_in | some p in asked}),
		"execution_expires_in": min({p.execution_expires_in | some p in asked}),
		"lease": min({object.get(p, "lease", 3600) | some p in asked}),
		"on_timeout": on_timeout,
		"escalation": sort({step | some p in asked; some step in p.escalation}),
		"channels": sort({channel | some p in asked; some channel in p.channels}),
		"durable": durable,
		"covers": covers,
	}}
}

base := object.union({"approvers": [], "escalation": [], "channels": []}, object.get(tiers.approval, data.hitl.combine.risk, {}))

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
	some kind in data.hitl.lib.kinds
	object.get(tiers.effects, array.concat(kind, ["permission"]), "") == "approve"
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
	count(settings.approvers) > 0
	groups := sort(settings.approvers)
}

# METADATA
# description: Where approvers are configured, what is critical takes two people.
default least := 1

least := 2 if {
	data.hitl.combine.risk == "critical"
	count(each) > 0
}

default on_timeout := "deny"

# What is of low risk and can be undone may run though nobody decided, where policy says so throughout.
on_timeout := "allow" if {
	data.hitl.combine.harmless
	every p in asked {
		p.on_timeout == "allow"
	}
}

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

# METADATA
# description: What an approved plan lets its session do without asking again; of other calls nothing.
default covers := {}

covers := data.hitl.settings.plan if input.call.kind == "plan"

# Nobody is there now: the approval outlives this process, and the call waits for it elsewhere.
default durable := false

durable if {
	data.hitl.modes.alone
	input.context.durable
}

# --- clarify: questions for the reviewer in AskUserQuestion's shape, written by policy and not by the model

obligations contains o if {
	count(questions) > 0
	o := {"id": "hitl.clarify", "type": "clarify", "properties": {"questions": sort(questions)}}
}

questions contains q if {
	data.hitl.confidence.band == "clarify"
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

obligations contains o if {
	full
	o := {"id": "hitl.context", "type": "context", "properties": {"full": true}}
}

full if data.hitl.confidence.band == "escalate"

full if count(demands.of("context")) > 0
