package hitl.combine

# METADATA
# title: A call would run because nobody decided
# custom:
#   id: main.timeout-allow
#   risk: critical
#   remedy: Say on_timeout allow only of calls of low risk that can be undone; else deny, escalate or park.
faults contains r if {
	runs_unanswered
	not harmless
	r := fault("main.timeout-allow", "Policy would let this call run because nobody decided on it, and it is not of low risk or cannot be undone.", "Say on_timeout allow only of calls of low risk that can be undone; else deny, escalate or park.")
}

runs_unanswered if {
	data.hitl.demands.made
	some p in data.hitl.demands.of("approval")
	p.on_timeout == "allow"
}

runs_unanswered if {
	data.hitl.gather.risk != "low"
	data.hitl.tiers.approval[data.hitl.gather.risk].on_timeout == "allow"
}

# METADATA
# description: True of a call of low risk that can be undone.
harmless if {
	data.hitl.gather.risk == "low"
	count(input.facts.opaque) == 0
	every e in input.facts.effects {
		e.verb in ["read", "query", "receive", "ask", "write"]
		count({"irreversible", "overwrite"} & {t | some t in e.traits}) == 0
	}
}
