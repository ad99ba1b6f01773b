# METADATA
# title: Combining
# description: Deny beats ask beats allow; the risk is the highest left.
package hitl.combine

import data.hitl.autonomy
import data.hitl.gather
import data.hitl.lib

# --- what is said before anybody asks whether there is somebody to ask

stated contains r if some r in data.hitl.gather.kept

stated contains r if {
	some r in data.hitl.autonomy.reasons
	not gather.liftable(r)
}

stated contains r if {
	input.agent.mode == "plan"
	some r in data.hitl.modes.reasons
}

stated contains r if {
	input.agent.confidence.known
	some r in data.hitl.confidence.reasons
}

stated contains r if some r in faults

waived contains id if some id in data.hitl.gather.waived

waived contains id if {
	some r in data.hitl.autonomy.reasons
	gather.liftable(r)
	id := r.rule
}

# METADATA
# title: The input document is of another version
# custom:
#   id: main.input-version
#   risk: critical
#   remedy: Use the policy bundle and the adapter of the same release.
faults contains r if {
	not current
	r := fault("main.input-version", "The input document is not of the version that this policy judges.", "Use the policy bundle and the adapter of the same release.")
}

current if input.version == "1"

# METADATA
# title: A rule contributed something that is no reason
# custom:
#   id: main.malformed-reason
#   risk: critical
#   remedy: A reason is {rule, verdict, risk, message}, with remedy, floor and waives where wanted.
faults contains r if {
	data.hitl.gather.malformed
	r := fault("main.malformed-reason", "A policy rule contributed something that is no reason.", "A reason is {rule, verdict, risk, message}, with remedy, floor and waives where wanted.")
}

# METADATA
# title: A rule contributed something that is no obligation
# custom:
#   id: main.malformed-obligation
#   risk: critical
#   remedy: An obligation is {id, type, properties}; see the obligations that there are.
faults contains r if {
	data.hitl.demands.made
	data.hitl.demands.malformed
	r := fault("main.malformed-obligation", "A policy rule contributed something that is no obligation.", "An obligation is {id, type, properties}; see the obligations that there are.")
}

# METADATA
# title: Two rules rewrite the call differently
# custom:
#   id: main.rewrite-conflict
#   risk: critical
#   remedy: Let one rule rewrite a call.
faults contains r if {
	data.hitl.demands.made
	data.hitl.demands.rewrite_conflict
	r := fault("main.rewrite-conflict", "Two policy rules rewrite this call differently.", "Let one rule rewrite a call.")
}

fault(id, message, remedy) := {
	"rule": id,
	"pack": "main",
	"verdict": "deny",
	"risk": "critical",
	"message": message,
	"remedy": remedy,
	"floor": false,
	"waives": [],
}

# METADATA
# title: A rule demands an approval
# custom:
#   id: main.approval-demanded
#   risk: low
#   remedy: Approve the call.
stated contains r if {
	data.hitl.demands.made
	count(data.hitl.demands.human) > 0
	r := {
		"rule": "main.approval-demanded",
		"pack": "main",
		"verdict": "ask",
		"risk": data.hitl.gather.risk,
		"message": "A policy rule demands that a human answers this call.",
		"remedy": "Approve the call.",
		"floor": true,
		"waives": [],
	}
}

# --- deny beats ask beats allow

# Asks that do not hold at level 4 are shown as what they are there: allowed, and watched.
relaxed contains r if {
	data.hitl.autonomy.level == 4
	some r in stated
	r.verdict == "ask"
	not autonomy.holds(r)
}

held := stated - relaxed

verdicts contains v if {
	some r in held
	v := r.verdict
}

denied if "deny" in verdicts

# METADATA
# title: Nobody is there to ask
# custom:
#   id: modes.unattended
#   risk: low
#   remedy: Configure an approval store, or run the agent with a reviewer.
nobody contains r if {
	"ask" in verdicts
	not denied
	data.hitl.modes.alone
	not input.context.durable
	r := {
		"rule": "modes.unattended",
		"pack": "modes",
		"verdict": "deny",
		"risk": risk,
		"message": "This call needs a human, and nobody is there to ask.",
		"remedy": "Configure an approval store, or run the agent with a reviewer.",
		"floor": false,
		"waives": [],
	}
}

# METADATA
# description: >-
#   The strictest of what holds. Undefined, and so denied, where the tool's tier said nothing: it always does.
verdict := "deny" if {
	denied
} else := "deny" if {
	count(nobody) > 0
} else := "ask" if {
	tiered
	"ask" in verdicts
} else := "allow" if {
	tiered
}

tiered if {
	some r in data.hitl.gather.said
	r.pack == "tier"
}

risk := lib.highest(stated)

shown contains r if some r in held

shown contains r if some r in nobody

shown contains r if {
	some s in relaxed
	r := object.union(s, {"verdict": "allow", "message": sprintf("%s (level 4 runs it, watched)", [s.message])})
}

# Strictest first, then riskiest, then the most specific.
generality := {"effects": 1, "tier": 2, "modes": 3, "autonomy": 4}

ordered := [entry[5] |
	verdict_rank := data.hitl.lib.verdict_rank
	risk_rank := data.hitl.lib.risk_rank
	some entry in sort({[
		0 - object.get(verdict_rank, r.verdict, 2),
		0 - object.get(risk_rank, r.risk, 3),
		object.get(generality, r.pack, 0),
		r.rule,
		r.message,
		r,
	] |
		some r in shown
	})
]
