# METADATA
# title: Shell
# description: What a command line does besides its effects on files and hosts.
package hitl.packs.shell

import data.hitl.lib

# METADATA
# title: Part of the command cannot be understood
# custom:
#   id: shell.opaque
#   risk: high
#   remedy: Write the command out plainly.
reasons contains r if {
	kinds := sort({o.kind | some o in input.facts.opaque})
	count(kinds) > 0
	r := {
		"rule": "shell.opaque",
		"verdict": "ask",
		"risk": "high",
		"message": sprintf("Part of this command cannot be understood: %s.", [concat(", ", kinds)]),
		"remedy": "Write the command out plainly.",
	}
}

# METADATA
# title: A command that multiplies itself without end
# custom:
#   id: shell.fork-bomb
#   risk: critical
#   remedy: Nothing an agent does needs this.
reasons contains r if {
	found := lib.marked("fork-bomb")
	count(found) > 0
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
	found := lib.marked("elevated")
	count(found) > 0
	r := {
		"rule": "shell.elevated",
		"verdict": "ask",
		"risk": "high",
		"message": sprintf("This runs with elevated privilege: %s.", [lib.names(found)]),
		"remedy": "Run it without sudo, or ask for the privilege by name.",
	}
}

# METADATA
# title: Something is set up to run later by itself
# custom:
#   id: shell.persistence
#   risk: critical
#   remedy: Run it once, now.
reasons contains r if {
	found := [e | some e in input.facts.effects; e.verb in ["write", "configure", "delete"]; e.target.place in ["autostart", "shell-startup", "git-hooks"]]
	count(found) > 0
	r := {
		"rule": "shell.persistence",
		"verdict": "ask",
		"risk": "critical",
		"message": sprintf("This sets something up to run later by itself: %s.", [lib.names(found)]),
		"remedy": "Run it once, now.",
	}
}

# METADATA
# title: Logs or histories are erased
# custom:
#   id: shell.tamper
#   risk: critical
#   remedy: Leave the record as it is.
reasons contains r if {
	found := lib.marked("tamper")
	count(found) > 0
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
	found := lib.marked("disable-security")
	count(found) > 0
	r := {
		"rule": "shell.disable-security",
		"verdict": "ask",
		"risk": "critical",
		"message": sprintf("This switches a protection off: %s.", [lib.names(found)]),
		"remedy": "Leave protections on.",
	}
}
