# METADATA
# title: Demands
# description: >-
#   The obligations that rules ask for (data.hitl.custom.obligations), before they are merged. One
#   that cannot be merged denies the call: it never vanishes.
package hitl.demands

custom := data.hitl.custom.obligations

# METADATA
# description: True where rules demand anything; without it nothing else of this package need be asked.
made if custom == custom

obliged contains o if {
	listed(custom)
	some o in custom
}

# METADATA
# description: The properties of what rules demand of this type.
of(type) := {o.properties |
	some o in obliged
	o.type == type
}

# METADATA
# description: The demands that only a human can meet; they ask, whatever else allows the call.
human contains o if {
	some o in obliged
	o.type in ["approval", "clarify", "context"]
}

# METADATA
# description: True where two rules rewrite the call differently.
rewrite_conflict if count(of("rewrite")) > 1

# METADATA
# description: The obligations that are not merged with what policy itself demands.
passed contains o if {
	not rewrite_conflict
	some p in of("rewrite")
	o := {"id": "hitl.rewrite", "type": "rewrite", "properties": p}
}

passed contains o if {
	pointers := {x | some p in of("redact"); is_array(p.pointers); some x in p.pointers}
	count(pointers) > 0
	o := {"id": "hitl.redact", "type": "redact", "properties": {"pointers": sort(pointers)}}
}

# Types that are not ours pass as they are: an enforcement point that does not know one denies.
passed contains o if {
	some o in obliged
	not ours(o.type)
}

# METADATA
# description: True where something was contributed that is no obligation.
malformed if {
	some o in obliged
	not shaped(o)
}

malformed if {
	some obligations in [custom] # nothing where there are none
	not listed(obligations)
}

listed(x) if is_set(x)

listed(x) if is_array(x)

listed(x) if is_object(x)

shaped(o) if {
	is_object(o)
	is_string(o.id)
	is_string(o.type)
	is_object(o.properties)
	sound(o.type, o.properties)
}

sound("rewrite", p) if is_object(p.input)

sound("redact", p) if strings(p.pointers)

sound("monitor", p) if is_string(object.get(p, "why", ""))

sound("log", p) if object.get(p, "level", "info") in ["info", "warning"]

sound("context", p) if is_object(p)

sound("clarify", p) if {
	is_array(p.questions)
	count(p.questions) > 0
	every q in p.questions {
		is_string(q.question)
		is_array(object.get(q, "options", []))
	}
}

sound("approval", p) if {
	object.get(p, "permission", "confirm") in ["confirm", "approve"]
	is_number(object.get(p, "quorum", 1))
	object.get(p, "quorum", 1) >= 1
	seconds(object.get(p, "expires_in", 1))
	seconds(object.get(p, "execution_expires_in", 1))
	seconds(object.get(p, "lease", 1))
	object.get(p, "on_timeout", "deny") in ["deny", "escalate", "park", "allow"]
	strings(object.get(p, "approvers", []))
	strings(object.get(p, "channels", []))
	is_array(object.get(p, "escalation", []))
	every step in object.get(p, "escalation", []) {
		seconds(step.after)
		strings(step.to)
		count(step.to) > 0
		is_string(object.get(step, "channel", ""))
	}
}

# Types that are not ours pass as they are: an enforcement point that does not know one denies.
sound(type, _) if not ours(type)

ours(type) if type in ["log", "approval", "monitor", "clarify", "context", "rewrite", "redact"]

seconds(x) if {
	is_number(x)
	x > 0
}

strings(x) if {
	is_array(x)
	every item in x {
		is_string(item)
	}
}
