package hitl.packs.mcp

import data.hitl.settings
import data.hitl.tiers

arguments(kind) := {value |
	some field, value in input.call.input
	lower(field) in tiers.arguments[kind]
}

# METADATA
# title: More money than the limit
# custom:
#   id: mcp.amount
#   risk: critical
#   remedy: Split nothing; let a person who may spend it approve.
reasons contains r if {
	not data.hitl.lib.read_only
	amounts := {value | some value in arguments("amount"); is_number(value); value >= settings.limits.amount}
	count(amounts) > 0
	r := {
		"rule": "mcp.amount",
		"verdict": "ask",
		"risk": "critical",
		"message": sprintf("%s moves %v; up to %v needs no such approval.", [input.call.tool, max(amounts), settings.limits.amount]),
		"remedy": "Split nothing; let a person who may spend it approve.",
	}
}

# METADATA
# title: The arguments name production
# custom:
#   id: mcp.production
#   risk: critical
#   remedy: Deploy through the pipeline, after review.
reasons contains r if {
	not data.hitl.lib.read_only
	named := {value | some value in arguments("environment"); is_string(value); lower(value) in tiers.production}
	count(named) > 0
	r := {
		"rule": "mcp.production",
		"verdict": "ask",
		"risk": "critical",
		"message": sprintf("%s changes %s.", [input.call.tool, concat(", ", sort(named))]),
		"remedy": "Deploy through the pipeline, after review.",
	}
}

# METADATA
# title: The recipient is outside the organisation
# custom:
#   id: mcp.recipient
#   risk: high
#   remedy: Add the domain to settings.domains if messages belong there.
reasons contains r if {
	count(settings.domains) > 0
	not data.hitl.lib.read_only
	outside := {value | some value in recipients; contains(value, "@"); not known(value)}
	count(outside) > 0
	r := {
		"rule": "mcp.recipient",
		"verdict": "ask",
		"risk": "high",
		"message": sprintf("%s reaches people outside: %s.", [input.call.tool, concat(", ", sort(outside))]),
		"remedy": "Add the domain to settings.domains if messages belong there.",
	}
}

recipients contains value if {
	some value in arguments("recipient")
	is_string(value)
}

recipients contains value if {
	some listed in arguments("recipient")
	is_array(listed)
	some value in listed
	is_string(value)
}

known(address) if {
	some domain in settings.domains
	endswith(lower(address), concat("", ["@", lower(domain)]))
}
