# METADATA
# title: Permission tiers of tools
# description: >-
#   The tool's tier always contributes a reason. A tool that nobody listed takes its kind's tier
#   where everything it does is known, else the tier `unknown`.
package hitl.tier

# METADATA
# description: The name that tiers are looked up by; an MCP tool's own, without its server.
name := input.call.mcp.tool if input.call.mcp.server != ""

name := input.call.tool if input.call.mcp.server == ""

listed if data.hitl.tiers.tools[name]

understood if {
	data.hitl.tiers.kinds[input.call.kind]
	count(input.facts.effects) > 0
	count(input.facts.opaque) == 0
}

# METADATA
# description: The tier in force.
cell := data.hitl.tiers.tools[name] if listed

cell := data.hitl.tiers.kinds[input.call.kind] if {
	not listed
	understood
}

cell := data.hitl.tiers.unknown if {
	not listed
	not understood
}

said := {
	"auto": "runs without asking",
	"confirm": "needs a yes",
	"approve": "needs a named approver",
}

verdicts := {"auto": "allow", "confirm": "ask", "approve": "ask"}

# METADATA
# title: The tool's tier
# custom:
#   id: tier.tool
#   risk: low
#   remedy: List the tool in hitl/tiers/data.yaml, or in your own data, with the tier it should have.
reasons contains r if {
	r := {
		"rule": "tier.tool",
		"verdict": verdicts[cell.permission],
		"risk": cell.risk,
		"message": sprintf("%s %s (tier %s).", [input.call.tool, said[cell.permission], cell.permission]),
		"remedy": "",
	}
}

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
		"remedy": "",
	}
}
