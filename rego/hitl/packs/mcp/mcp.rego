# METADATA
# title: MCP and business tools
# description: Tools of others, judged by their names, arguments and claims. A claim raises the risk; it never lowers it here.
package hitl.packs.mcp

import data.hitl.lib

# METADATA
# title: The server says that the tool destroys
# custom:
#   id: mcp.claims-destructive
#   risk: high
#   remedy: Look at what the call names, and approve it.
reasons contains r if {
	claims("destructive")
	not claims("read_only")
	r := {
		"rule": "mcp.claims-destructive",
		"verdict": "ask",
		"risk": "high",
		"message": sprintf("The server says that %s may destroy something.", [input.call.tool]),
		"remedy": "Look at what the call names, and approve it.",
	}
}

# METADATA
# title: The server says that the tool writes, though its name does not
# custom:
#   id: mcp.claims-write
#   risk: medium
#   remedy: Give the tool a tier in your data, under tiers.
reasons contains r if {
	input.call.mcp.claims.read_only.known
	not claims("read_only")
	lib.read_only
	r := {
		"rule": "mcp.claims-write",
		"verdict": "allow",
		"risk": "medium",
		"message": sprintf("The server does not say that %s is read-only.", [input.call.tool]),
	}
}

claims(what) if {
	input.call.mcp.claims[what].known
	input.call.mcp.claims[what].value
}
