# METADATA
# title: Secrets
# description: Credentials stay where they are.
package hitl.packs.secrets

import data.hitl.lib
import data.hitl.tiers

kept := ["credentials", "env-file", "system-auth"]

# METADATA
# title: Credentials are sent to another machine
# custom:
#   id: secrets.exfiltration
#   risk: critical
#   remedy: Nothing an agent does needs this.
reasons contains r if {
	out := lib.on("host", ["send", "publish"], ["public", "private", "unknown"]) | lib.on("person", ["send"], ["", "unknown"])
	count(out) > 0
	found := lib.on("path", ["read", "send"], kept)
	count(found) > 0
	r := {
		"rule": "secrets.exfiltration",
		"verdict": "deny",
		"risk": "critical",
		"message": sprintf("This sends %s to %s.", [lib.names(found), lib.names(out)]),
		"remedy": "Nothing an agent does needs this.",
	}
}

# METADATA
# title: Credentials are read
# custom:
#   id: secrets.read
#   risk: high
#   remedy: Let the program that needs the secret read it itself.
reasons contains r if {
	count(read) > 0
	r := {
		"rule": "secrets.read",
		"verdict": "ask",
		"risk": "high",
		"message": sprintf("This reads secrets: %s.", [lib.names(read)]),
		"remedy": "Let the program that needs the secret read it itself.",
	}
}

read contains e if some e in lib.on("path", ["read", "send"], ["credentials", "env-file"])

read contains e if some e in lib.on("secret", ["read", "query", "receive"], ["", "unknown"])

read contains e if some e in lib.marked("secret")

# Of the files that say who may log in, those that hold hashes and keys.
read contains e if {
	some e in lib.on("path", ["read", "send"], ["system-auth"])
	some beginning in tiers.hashes
	startswith(e.target.real, beginning)
}

# METADATA
# title: What reads secrets also sends or publishes
# custom:
#   id: secrets.leaving
#   risk: critical
#   remedy: Send what is not secret in a call of its own.
reasons contains r if {
	count(read) > 0
	count(data.hitl.lib.outward) > 0
	r := {
		"rule": "secrets.leaving",
		"verdict": "ask",
		"risk": "critical",
		"message": sprintf("This reads secrets and sends something to %s.", [lib.names(data.hitl.lib.outward)]),
		"remedy": "Send what is not secret in a call of its own.",
	}
}

# METADATA
# title: Credentials are changed
# custom:
#   id: secrets.write
#   risk: high
#   remedy: A person sets secrets.
reasons contains r if {
	found := lib.on("path", ["write", "delete", "configure"], ["credentials", "env-file"]) | lib.on("secret", ["write", "delete", "configure"], ["", "unknown"])
	count(found) > 0
	r := {
		"rule": "secrets.write",
		"verdict": "ask",
		"risk": "high",
		"message": sprintf("This changes secrets: %s.", [lib.names(found)]),
		"remedy": "A person sets secrets.",
	}
}

# METADATA
# title: A secret stands in the call and leaves the machine
# custom:
#   id: secrets.in-call
#   risk: high
#   remedy: Refer to the secret by name, from the environment or a secret store.
reasons contains r if {
	count(input.facts.secrets) > 0
	found := data.hitl.lib.outward | asked
	count(found) > 0
	r := {
		"rule": "secrets.in-call",
		"verdict": "ask",
		"risk": "high",
		"message": sprintf("A secret in this call is sent to %s.", [lib.names(found)]),
		"remedy": "Refer to the secret by name, from the environment or a secret store.",
	}
}

# What is asked for hears the question: a URL, a search, a name to look up.
asked := lib.on("host", ["receive", "query"], ["public", "private", "unknown"]) | lib.on("remote", ["query"], ["service"])
