# METADATA
# title: Limits
# description: What a session may do before a person looks, from data.hitl.settings.limits; a limit of 0 is none.
package hitl.limits

import data.hitl.settings

# METADATA
# description: >-
#   The counters that are at their limit. A limit that is no number is always reached: a broken one
#   must not switch itself off.
reached contains counter if {
	some counter, value in input.context.counters
	value > 0
	limit := object.get(settings.limits, counter, "missing")
	beyond(value, limit)
}

beyond(value, limit) if {
	limit > 0
	value >= limit
}

beyond(_, limit) if not numeric(limit)

numeric(limit) if is_number(limit)
