# METADATA
# title: MCP and business tools
# description: Tools of others, judged by their names, arguments and claims.
package hitl.packs.mcp

# METADATA
# title: The server says that the tool destroys
# custom:
#   id: mcp.claims-destructive
#   risk: high
#   remedy: Pin the server if its claims can be trusted.
reasons contains r if {
	input.call.mcp.claims.destructive.known
	input.call.mcp.claims.destructive.value
	not claims_read_only
	r := {
		"rule": "mcp.claims-destructive",
		"verdict": "ask",
		"risk": "high",
		"message": sprintf("The server says that %s may destroy something.", [input.call.tool]),
		"remedy": "Pin the server if its claims can be trusted.",
	}
}

# METADATA
# title: The tool or its arguments cannot be understood
# custom:
#   id: mcp.opaque
#   risk: medium
#   remedy: List the tool in hitl/tiers/data.yaml.
reasons contains r if {
	kinds := sort({o.kind | some o in input.facts.opaque})
	count(kinds) > 0
	r := {
		"rule": "mcp.opaque",
		"verdict": "ask",
		"risk": "medium",
		"message": sprintf("It is not known what %s does: %s.", [input.call.tool, concat(", ", kinds)]),
		"remedy": "List the tool in hitl/tiers/data.yaml.",
	}
}

claims_read_only if {
	input.call.mcp.claims.read_only.known
	input.call.mcp.claims.read_only.value
}
