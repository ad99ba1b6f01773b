# METADATA
# title: Shell
# description: What a command does besides its effects on files and hosts, whichever tool runs it.
package hitl.packs.shell

import data.hitl.lib

# METADATA
# title: A command that multiplies itself without end
# custom:
#   id: shell.fork-bomb
#   risk: critical
#   remedy: Nothing an agent does needs this.
reasons contains r if {
	"fork-bomb" in data.hitl.lib.traits
	r := {
		"rule": "shell.fork-bomb",
		"verdict": "deny",
		"risk": "critical",
		"message": "This multiplies itself until the machine stops.",
		"remedy": "Nothing an agent does needs this.",
	}
}

# METADATA
# title: A command runs with more privilege
# custom:
#   id: shell.elevated
#   risk: high
#   remedy: Run it without sudo, or ask for the privilege by name.
reasons contains r if {
	"elevated" in data.hitl.lib.traits
	found := lib.marked("elevated")
	r := {
		"rule": "shell.elevated",
		"verdict": "ask",
		"risk": "high",
		"message": sprintf("This runs with elevated privilege: %s.", [lib.names(found)]),
		"remedy": "Run it without sudo, or ask for the privilege by name.",
	}
}

# METADATA
# title: Logs or histories are erased
# custom:
#   id: shell.tamper
#   risk: critical
#   remedy: Leave the record as it is.
reasons contains r if {
	"tamper" in data.hitl.lib.traits
	found := lib.marked("tamper")
	r := {
		"rule": "shell.tamper",
		"verdict": "ask",
		"risk": "critical",
		"message": sprintf("This erases a record of what happened: %s.", [lib.names(found)]),
		"remedy": "Leave the record as it is.",
	}
}

# METADATA
# title: A protection of the machine is switched off
# custom:
#   id: shell.disable-security
#   risk: critical
#   remedy: Leave protections on.
reasons contains r if {
	"disable-security" in data.hitl.lib.traits
	found := lib.marked("disable-security")
	r := {
		"rule": "shell.disable-security",
		"verdict": "ask",
		"risk": "critical",
		"message": sprintf("This switches a protection off: %s.", [lib.names(found)]),
		"remedy": "Leave protections on.",
	}
}

# METADATA
# title: A command sets something up to run later by itself
# custom:
#   id: shell.persistence
#   risk: critical
#   remedy: Run it once, now.
reasons contains r if {
	"persistence" in data.hitl.lib.traits
	found := lib.marked("persistence")
	r := {
		"rule": "shell.persistence",
		"verdict": "ask",
		"risk": "critical",
		"message": sprintf("This sets something up to run later by itself: %s.", [lib.names(found)]),
		"remedy": "Run it once, now.",
	}
}
