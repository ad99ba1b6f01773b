# METADATA
# title: Network
# description: Where data goes and where code comes from.
package hitl.packs.network

import data.hitl.lib

# METADATA
# title: The cloud metadata endpoint is called
# custom:
#   id: network.metadata
#   risk: critical
#   remedy: Use the credentials that the task was given.
reasons contains r if {
	"metadata" in data.hitl.lib.hosts
	found := {e |
		some e in input.facts.effects
		e.target.type == "host"
		e.target.place == "metadata"
	}
	r := {
		"rule": "network.metadata",
		"verdict": "deny",
		"risk": "critical",
		"message": sprintf("This asks the cloud metadata endpoint for credentials: %s.", [lib.names(found)]),
		"remedy": "Use the credentials that the task was given.",
	}
}

# METADATA
# title: A shell is handed to another machine
# custom:
#   id: network.reverse-shell
#   risk: critical
#   remedy: Nothing an agent does needs this.
reasons contains r if {
	"reverse-shell" in data.hitl.lib.traits
	found := lib.marked("reverse-shell")
	r := {
		"rule": "network.reverse-shell",
		"verdict": "deny",
		"risk": "critical",
		"message": sprintf("This hands a shell on this machine to %s.", [lib.names(found)]),
		"remedy": "Nothing an agent does needs this.",
	}
}

# METADATA
# title: Code from the network is run unseen
# custom:
#   id: network.remote-code
#   risk: critical
#   remedy: Download it, read it, then run the file.
reasons contains r if {
	"execute" in data.hitl.lib.verbs
	found := lib.on("code", ["execute"], ["remote"])
	count(found) > 0
	r := {
		"rule": "network.remote-code",
		"verdict": "ask",
		"risk": "critical",
		"message": sprintf("This runs code from the network unseen: %s.", [lib.names(found)]),
		"remedy": "Download it, read it, then run the file.",
		"floor": true,
	}
}

# METADATA
# title: Files leave for another machine
# custom:
#   id: network.upload
#   risk: high
#   remedy: Name a pinned host in hitl.yaml if this is where data belongs.
reasons contains r if {
	"upload" in data.hitl.lib.traits
	found := lib.among(lib.on("host", ["send"], ["public", "private", "unknown"]), ["upload"])
	count(found) > 0
	r := {
		"rule": "network.upload",
		"verdict": "ask",
		"risk": "high",
		"message": sprintf("This sends files to %s.", [lib.names(found)]),
		"remedy": "Name a pinned host in hitl.yaml if this is where data belongs.",
	}
}

# METADATA
# title: Files from outside the workspace are sent
# custom:
#   id: network.foreign-files
#   risk: high
#   remedy: Send files of the workspace only.
reasons contains r if {
	"upload" in data.hitl.lib.traits
	count(lib.on("host", ["send"], ["loopback", "public", "private", "unknown"])) > 0
	found := {e |
		some e in input.facts.effects
		e.target.type == "path"
		e.verb in ["read", "send"]
		not own(e.target.place)
	}
	count(found) > 0
	r := {
		"rule": "network.foreign-files",
		"verdict": "ask",
		"risk": "high",
		"message": sprintf("This sends files from outside the workspace: %s.", [lib.names(found)]),
		"remedy": "Send files of the workspace only.",
	}
}

own(place) if place in ["workspace", "temp", "null", "git-internals", "ci", "git-hooks", "package-config"]

# METADATA
# title: A port is opened to other machines
# custom:
#   id: network.listen
#   risk: high
#   remedy: Bind to 127.0.0.1.
reasons contains r if {
	"listen" in data.hitl.lib.traits
	found := {e | some e in lib.marked("listen"); e.target.place != "loopback"}
	count(found) > 0
	r := {
		"rule": "network.listen",
		"verdict": "ask",
		"risk": "high",
		"message": sprintf("This opens a port to other machines: %s.", [lib.names(found)]),
		"remedy": "Bind to 127.0.0.1.",
	}
}
