# METADATA
# title: The input document
# description: >-
#   Whether the input document has the shape that the policy was written for. Policy is also asked
#   over HTTP, by callers that no schema has checked: what is missing there would be a rule that
#   silently does not fire.
package hitl.document

# METADATA
# description: True where every field that policy reads is there and of its type.
sound if {
	input.agent.mode in ["default", "acceptEdits", "plan", "bypassPermissions", "dontAsk", "auto"]
	input.call.claimed_risk in ["", "low", "medium", "high", "critical"]
	is_object(input.call.input)
	every text in [input.call.tool, input.call.kind, input.call.mcp.server, input.call.mcp.tool, input.context.workspace] {
		is_string(text)
	}
	every list in [input.facts.effects, input.facts.opaque, input.facts.commands, input.facts.sql, input.facts.secrets] {
		is_array(list)
	}
	every number in [input.agent.level, input.agent.confidence.value] {
		is_number(number)
	}
	every flag in [input.agent.unattended, input.agent.confidence.known, input.context.durable, input.context.taint.untrusted, input.context.taint.secrets] {
		is_boolean(flag)
	}
	is_boolean(object.get(input.agent, "frozen", false))
	is_number(object.get(input.context, "draw", 0))
	earned := object.get(input.agent, "earned", [])
	is_array(earned)
	every e in earned {
		is_string(e.risk)
		is_number(e.level)
	}
	counters := input.context.counters
	every number in [counters.calls, counters.denied, counters.asked, counters.consecutive_denied, counters.repeats] {
		is_number(number)
	}
	claims := input.call.mcp.claims
	every claim in [claims.read_only, claims.destructive] {
		is_boolean(claim.known)
		is_boolean(claim.value)
	}
	every e in input.facts.effects {
		is_array(e.traits)
		every text in [e.verb, e.target.type, e.target.place, e.target.value, e.target.real] {
			is_string(text)
		}
	}
	every o in input.facts.opaque {
		is_string(o.kind)
	}
	every s in input.facts.secrets {
		is_string(s.kind)
		is_string(s.pointer)
	}
	every s in input.facts.sql {
		is_string(s.verb)
		is_boolean(s.where)
	}
}
