# METADATA
# title: Permission tiers of tools
# description: >-
#   The tool's tier always contributes a reason. It is looked up by the tool's full name, then, for
#   tools of others, by the name without its server. A tool that nobody listed takes its kind's tier
#   where everything it does is known, else the tier `unknown`.
package hitl.tier

import data.hitl.lib
import data.hitl.tiers

# METADATA
# description: True for a tool of others; a server's tool is not the built-in tool that it is named after.
foreign if input.call.kind in ["mcp", "function"]

# METADATA
# description: The tool's name without its server.
short := input.call.mcp.tool if input.call.mcp.server != ""

short := input.call.tool if input.call.mcp.server == ""

# A function of the user's is known by name alone, a built-in tool and a server's by its full name too.
full if not foreign

full if input.call.mcp.server != ""

# METADATA
# description: Where the tier comes from, the first that there is.
source := found.source

# METADATA
# description: The tier in force.
cell := found.cell

found := {"source": "tool", "cell": listed} if {
	full
	listed := tiers.tools[input.call.tool]
	lib.proper(listed)
} else := {"source": "name", "cell": listed} if {
	foreign
	listed := tiers.names[short]
	lib.proper(listed)
} else := {"source": "kind", "cell": listed} if {
	count(input.facts.effects) > 0
	count(input.facts.opaque) == 0
	listed := tiers.kinds[input.call.kind]
	lib.proper(listed)
} else := {"source": "unknown", "cell": tiers.unknown}

said := {
	"auto": "runs without asking",
	"confirm": "needs a yes",
	"approve": "needs a named approver",
}

# METADATA
# title: The tool's tier
# custom:
#   id: tier.tool
#   risk: low
#   remedy: Give the tool another tier in your data, under tiers.
reasons contains r if {
	source != "unknown"
	r := {
		"rule": "tier.tool",
		"verdict": data.hitl.lib.permissions[cell.permission],
		"risk": cell.risk,
		"message": sprintf("%s %s (tier %s).", [input.call.tool, said[cell.permission], cell.permission]),
	}
}

# METADATA
# title: A tool that nobody listed and nobody understands
# custom:
#   id: tier.unknown
#   risk: medium
#   remedy: Give the tool a tier in your data, under tiers.
reasons contains r if {
	source == "unknown"
	r := {
		"rule": "tier.unknown",
		"verdict": data.hitl.lib.permissions[cell.permission],
		"risk": cell.risk,
		"message": sprintf("%s is in no tier, and what it does is not known.", [input.call.tool]),
		"remedy": "Give the tool a tier in your data, under tiers.",
	}
}

# METADATA
# title: A tool with a name that says much
# custom:
#   id: tier.pattern
#   risk: high
#   remedy: Give the tool a tier of its own in your data, under tiers.
reasons contains r if {
	foreign
	source in ["kind", "unknown"]
	some pattern, stated in tiers.patterns
	glob.match(pattern, null, lower(short))
	tier := usable(stated)
	r := {
		"rule": "tier.pattern",
		"verdict": data.hitl.lib.permissions[tier.permission],
		"risk": tier.risk,
		"message": sprintf("%s %s, as every %s (tier %s).", [input.call.tool, said[tier.permission], pattern, tier.permission]),
		"remedy": "Give the tool a tier of its own in your data, under tiers.",
	}
}

usable(tier) := tier if lib.proper(tier)

# A tier that is misspelled still asks.
usable(tier) := {"permission": "confirm", "risk": "high"} if not lib.proper(tier)

# METADATA
# title: The caller says how risky the call is
# custom:
#   id: tier.claimed
#   risk: high
#   remedy: Approve the call.
reasons contains r if {
	input.call.claimed_risk in ["high", "critical"]
	r := {
		"rule": "tier.claimed",
		"verdict": "ask",
		"risk": input.call.claimed_risk,
		"message": sprintf("%s is of %s risk, says its caller.", [input.call.tool, input.call.claimed_risk]),
		"remedy": "Approve the call.",
	}
}

# A claim of low or medium risk only adds to what policy finds.
reasons contains r if {
	input.call.claimed_risk in ["low", "medium"]
	r := {
		"rule": "tier.claimed",
		"verdict": "allow",
		"risk": input.call.claimed_risk,
		"message": sprintf("%s is of %s risk, says its caller.", [input.call.tool, input.call.claimed_risk]),
	}
}
