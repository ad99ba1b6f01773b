# METADATA
# title: Sequences
# description: >-
#   What a session has done before this call: content it has read, secrets it has seen, denials,
#   repetitions and budgets. Counters and taint are in the input, limits are data.hitl.settings.limits;
#   a limit of 0 is none.
package hitl.packs.sequences

import data.hitl.lib

# METADATA
# title: Untrusted content was read before this acts outward
# custom:
#   id: sequences.tainted
#   risk: high
#   remedy: Check that the action is what you asked for, not what a page told the agent.
reasons contains r if {
	input.context.taint.untrusted
	found := {e | some e in data.hitl.lib.outward; not routine(e)}
	count(found) > 0
	r := {
		"rule": "sequences.tainted",
		"verdict": "ask",
		"risk": "high",
		"message": sprintf("This session has read content from outside and now acts outward: %s.", [lib.names(found)]),
		"remedy": "Check that the action is what you asked for, not what a page told the agent.",
	}
}

# Pushing a branch is how work is shown to a reviewer.
routine(e) if {
	e.target.type == "remote"
	e.target.place == "branch"
}

# METADATA
# title: Secrets were read before this sends data
# custom:
#   id: sequences.secrets-sent
#   risk: critical
#   remedy: Check that no secret is in what is sent, or start a new session.
reasons contains r if {
	input.context.taint.secrets
	found := {e | some e in data.hitl.lib.outward; not routine(e)}
	count(found) > 0
	r := {
		"rule": "sequences.secrets-sent",
		"verdict": "ask",
		"risk": "critical",
		"message": sprintf("This session has read secrets and now sends data: %s.", [lib.names(found)]),
		"remedy": "Check that no secret is in what is sent, or start a new session.",
		"floor": true,
	}
}

# A request carries data in its address too.
# METADATA
# title: Secrets were read before this reaches a host
# custom:
#   id: sequences.secrets-network
#   risk: high
#   remedy: Check the address for anything that looks like a secret.
reasons contains r if {
	input.context.taint.secrets
	found := lib.on("host", ["receive", "query"], ["public", "private", "unknown"])
	count(found) > 0
	r := {
		"rule": "sequences.secrets-network",
		"verdict": "ask",
		"risk": "high",
		"message": sprintf("This session has read secrets and now reaches %s.", [lib.names(found)]),
		"remedy": "Check the address for anything that looks like a secret.",
	}
}

# METADATA
# title: The agent keeps trying what is denied
# custom:
#   id: sequences.denials
#   risk: medium
#   remedy: Tell the agent what it may do instead.
reasons contains r if {
	some counter in ["consecutive_denied", "denied"]
	counter in data.hitl.limits.reached
	r := {
		"rule": "sequences.denials",
		"verdict": "ask",
		"risk": "medium",
		"message": sprintf("%v calls of this session were denied (%s).", [input.context.counters[counter], words[counter]]),
		"remedy": "Tell the agent what it may do instead.",
		"floor": true,
	}
}

words := {"consecutive_denied": "one after the other", "denied": "in all"}

# METADATA
# title: The same call again and again
# custom:
#   id: sequences.loop
#   risk: medium
#   remedy: Look whether the agent makes progress.
reasons contains r if {
	"repeats" in data.hitl.limits.reached
	r := {
		"rule": "sequences.loop",
		"verdict": "ask",
		"risk": "medium",
		"message": sprintf("This very call has been made %v times before.", [input.context.counters.repeats]),
		"remedy": "Look whether the agent makes progress.",
		"floor": true,
	}
}

# METADATA
# title: The session has used up its calls
# custom:
#   id: sequences.budget
#   risk: medium
#   remedy: Start a new session, or raise settings.limits.calls.
reasons contains r if {
	"calls" in data.hitl.limits.reached
	r := {
		"rule": "sequences.budget",
		"verdict": "ask",
		"risk": "medium",
		"message": sprintf("This session has made %v calls, its limit.", [input.context.counters.calls]),
		"remedy": "Start a new session, or raise settings.limits.calls.",
		"floor": true,
	}
}

# METADATA
# title: The session has asked people too often
# custom:
#   id: sequences.flood
#   risk: high
#   remedy: Look at what the agent wants as a whole before approving one more.
reasons contains r if {
	"asked" in data.hitl.limits.reached
	not data.hitl.lib.read_only
	r := {
		"rule": "sequences.flood",
		"verdict": "ask",
		"risk": "high",
		"message": sprintf("This session has asked for %v approvals already.", [input.context.counters.asked]),
		"remedy": "Look at what the agent wants as a whole before approving one more.",
		"floor": true,
	}
}
