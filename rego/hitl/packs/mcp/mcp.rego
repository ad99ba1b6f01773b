# METADATA
# title: MCP and business tools
# description: Tools of others, judged by their names, arguments and claims. A claim raises the risk; it never lowers it here.
package hitl.packs.mcp

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
	data.hitl.lib.read_only
	r := {
		"rule": "mcp.claims-write",
		"verdict": "allow",
		"risk": "medium",
		"message": sprintf("The server does not say that %s is read-only.", [input.call.tool]),
	}
}

# METADATA
# title: A trusted server says that a tool nobody knows only reads
# custom:
#   id: mcp.trusted-reader
#   risk: low
#   remedy: Take the server out of trusted_servers to be asked.
reasons contains r if {
	input.call.mcp.pinned == true
	claims("read_only")
	not claims("destructive")
	puzzling
	r := {
		"rule": "mcp.trusted-reader",
		"verdict": "allow",
		"risk": "low",
		"message": sprintf("%s is trusted, and says that %s only reads.", [input.call.mcp.server, input.call.tool]),
		"waives": ["tier.unknown", "effects.opaque", "effects.tier"],
	}
}

# All there is to this call is a name that nobody knows: no path, host, statement or command in its arguments.
puzzling if {
	count(input.facts.effects) > 0
	every o in input.facts.opaque {
		o.kind == "unknown-program"
	}
	every e in input.facts.effects {
		e.target.type == "remote"
		e.target.place == "unknown"
		e.verb == "execute"
	}
}

claims(what) if {
	input.call.mcp.claims[what].known
	input.call.mcp.claims[what].value
}
