# METADATA
# title: Confidence routing
# description: >-
#   Where the agent's confidence is known it decides who looks: it only tightens. Thresholds are
#   data.hitl.settings.confidence.
package hitl.confidence

import data.hitl.gather

# METADATA
# description: The band that the confidence falls in; `execute` where it is unknown.
default band := "execute"

band := "monitor" if {
	input.agent.confidence.known
	input.agent.confidence.value < data.hitl.settings.confidence.execute
	input.agent.confidence.value >= data.hitl.settings.confidence.monitor
}

band := "clarify" if {
	input.agent.confidence.known
	input.agent.confidence.value < data.hitl.settings.confidence.monitor
	input.agent.confidence.value >= data.hitl.settings.confidence.clarify
}

band := "escalate" if {
	input.agent.confidence.known
	input.agent.confidence.value < data.hitl.settings.confidence.clarify
}

# METADATA
# title: An unsure agent asks before it acts
# custom:
#   id: confidence.clarify
#   risk: low
#   remedy: Answer the question; the answer reaches the agent.
reasons contains r if {
	band == "clarify"
	r := {
		"rule": "confidence.clarify",
		"pack": "confidence",
		"verdict": "ask",
		"risk": gather.risk,
		"message": sprintf("The agent is only %v sure of this call and should ask what is meant.", [input.agent.confidence.value]),
		"remedy": "Answer the question; the answer reaches the agent.",
		"floor": true,
		"waives": [],
	}
}

# METADATA
# title: A human decides where the agent does not know
# custom:
#   id: confidence.escalate
#   risk: low
#   remedy: Look at the full context and decide.
reasons contains r if {
	band == "escalate"
	r := {
		"rule": "confidence.escalate",
		"pack": "confidence",
		"verdict": "ask",
		"risk": gather.risk,
		"message": sprintf("The agent is only %v sure of this call: a human decides.", [input.agent.confidence.value]),
		"remedy": "Look at the full context and decide.",
		"floor": true,
		"waives": [],
	}
}
