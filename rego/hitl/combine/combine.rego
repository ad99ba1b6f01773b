# METADATA
# title: Combining
# description: Deny beats ask beats allow; the risk is the highest left.
package hitl.combine

import data.hitl.autonomy
import data.hitl.confidence
import data.hitl.gather
import data.hitl.lib
import data.hitl.modes

# --- what is said before anybody asks whether there is somebody to ask

stated contains r if some r in gather.kept

stated contains r if {
	some r in autonomy.reasons
	not gather.liftable(r)
}

stated contains r if some r in modes.reasons

stated contains r if some r in confidence.reasons

stated contains r if some r in faults

waived contains id if some id in gather.waived

waived contains id if {
	some r in autonomy.reasons
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
	input.version != "1"
	r := fault("main.input-version", "The input document is not of the version that this policy judges.", "Use the policy bundle and the adapter of the same release.")
}

# METADATA
# title: A rule contributed something that is no reason
# custom:
#   id: main.malformed-reason
#   risk: critical
#   remedy: A reason is {rule, verdict, risk, message}, with remedy, floor and waives where wanted.
faults contains r if {
	count(gather.malformed) > 0
	r := fault("main.malformed-reason", "A policy rule contributed something that is no reason.", "A reason is {rule, verdict, risk, message}, with remedy, floor and waives where wanted.")
}

# METADATA
# title: A rule contributed something that is no obligation
# custom:
#   id: main.malformed-obligation
#   risk: critical
#   remedy: An obligation is {id, type, properties}.
faults contains r if {
	gather.obligation_malformed
	r := fault("main.malformed-obligation", "A policy rule contributed something that is no obligation.", "An obligation is {id, type, properties}.")
}

# METADATA
# title: Two rules rewrite the call differently
# custom:
#   id: main.rewrite-conflict
#   risk: critical
#   remedy: Let one rule rewrite a call.
faults contains r if {
	gather.rewrite_conflict
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

# --- deny beats ask beats allow

denies if {
	some r in stated
	r.verdict == "deny"
}

asks if {
	some r in stated
	r.verdict == "ask"
	autonomy.holds(r)
}

# METADATA
# title: Nobody is there to ask
# custom:
#   id: modes.unattended
#   risk: low
#   remedy: Configure an approval store, or run the agent with a reviewer.
nobody contains r if {
	asks
	modes.alone
	not input.context.durable
	r := {
		"rule": "modes.unattended",
		"pack": "modes",
		"verdict": "deny",
		"risk": gather.risk,
		"message": "This call needs a human, and nobody is there to ask.",
		"remedy": "Configure an approval store, or run the agent with a reviewer.",
		"floor": false,
		"waives": [],
	}
}

verdict := "deny" if denies

verdict := "deny" if count(nobody) > 0

verdict := "ask" if {
	asks
	not denies
	count(nobody) == 0
}

verdict := "allow" if {
	not asks
	not denies
	count(gather.kept) > 0
}

risk := lib.risk_names[max({lib.risk_rank[r.risk] | some r in stated})]

# An ask that does not hold at level 4 is shown as what it is there: allowed, and watched.
shown contains r if {
	some r in stated
	not relaxed(r)
}

shown contains r if {
	some s in stated
	relaxed(s)
	r := object.union(s, {"verdict": "allow", "message": sprintf("%s (level 4 runs it, watched)", [s.message])})
}

shown contains r if some r in nobody

relaxed(r) if {
	r.verdict == "ask"
	not autonomy.holds(r)
}

# Strictest first, then riskiest, then the most specific.
generality := {"effects": 1, "tier": 2, "modes": 3, "autonomy": 4}

ordered := [entry[4] |
	some entry in sort({[
		0 - lib.verdict_rank[r.verdict],
		0 - lib.risk_rank[r.risk],
		object.get(generality, r.pack, 0),
		r.rule,
		r,
	] |
		some r in shown
	})
]
