package hitl.packs.files

import data.hitl.lib

# METADATA
# title: The whole workspace, or what holds it, is deleted
# custom:
#   id: files.workspace-root
#   risk: critical
#   remedy: Delete the files that are meant, by name.
reasons contains r if {
	"delete" in data.hitl.lib.verbs
	input.context.workspace != ""
	found := {e |
		some e in input.facts.effects
		e.verb == "delete"
		whole(e)
	}
	count(found) > 0
	r := {
		"rule": "files.workspace-root",
		"verdict": "ask",
		"risk": "critical",
		"message": sprintf("This deletes the whole workspace: %s.", [lib.names(found)]),
		"remedy": "Delete the files that are meant, by name.",
	}
}

whole(e) if {
	"recursive" in e.traits
	holds_workspace(e.target.real)
}

whole(e) if {
	endswith(e.target.real, "/*")
	holds_workspace(trim_suffix(e.target.real, "/*"))
}

holds_workspace(path) if {
	path != ""
	startswith(concat("", [input.context.workspace, "/"]), concat("", [path, "/"]))
}

# METADATA
# title: Work is lost that nothing brings back
# custom:
#   id: files.irreversible
#   risk: high
#   remedy: Commit or stash first, or keep a copy.
reasons contains r if {
	"irreversible" in data.hitl.lib.traits
	found := lib.among(lib.on("path", changes, ["workspace", "temp", "home", "outside", "git-internals", "dotfile", "unknown"]), ["irreversible"])
	count(found) > 0
	r := {
		"rule": "files.irreversible",
		"verdict": "ask",
		"risk": "high",
		"message": sprintf("This loses work that nothing brings back: %s.", [lib.names(found)]),
		"remedy": "Commit or stash first, or keep a copy.",
	}
}

# METADATA
# title: Whatever is found is deleted
# custom:
#   id: files.unbounded
#   risk: high
#   remedy: List what would go, then name it.
reasons contains r if {
	"all" in data.hitl.lib.traits
	found := lib.among(lib.on("path", ["delete"], ["workspace", "temp", "home", "outside", "unknown"]), ["all"])
	count(found) > 0
	r := {
		"rule": "files.unbounded",
		"verdict": "ask",
		"risk": "high",
		"message": sprintf("This deletes whatever is found: %s.", [lib.names(found)]),
		"remedy": "List what would go, then name it.",
	}
}

# METADATA
# title: A program gets the rights of its owner
# custom:
#   id: files.setuid
#   risk: critical
#   remedy: Leave privileges as they are.
reasons contains r if {
	"setuid" in data.hitl.lib.traits
	found := lib.marked("setuid")
	r := {
		"rule": "files.setuid",
		"verdict": "ask",
		"risk": "critical",
		"message": sprintf("This lets anybody run %s with its owner's rights.", [lib.names(found)]),
		"remedy": "Leave privileges as they are.",
	}
}

# METADATA
# title: Files are opened to every user
# custom:
#   id: files.world-writable
#   risk: high
#   remedy: Give rights to the owner or a group.
reasons contains r if {
	"world-writable" in data.hitl.lib.traits
	found := lib.marked("world-writable")
	r := {
		"rule": "files.world-writable",
		"verdict": "ask",
		"risk": exposure(found),
		"message": sprintf("This lets every user change %s.", [lib.names(found)]),
		"remedy": "Give rights to the owner or a group.",
	}
}

exposure(found) := "critical" if {
	some e in found
	not own(e.target.place)
}

exposure(found) := "high" if {
	every e in found {
		own(e.target.place)
	}
}

own(place) if place in ["workspace", "temp", "null"]

# METADATA
# title: Something is set up to run later by itself
# custom:
#   id: files.persistence
#   risk: critical
#   remedy: Run it once, now.
reasons contains r if {
	count(data.hitl.lib.changed & {"autostart", "shell-startup", "git-hooks"}) > 0
	found := lib.on("path", changes, ["autostart", "shell-startup", "git-hooks"])
	r := {
		"rule": "files.persistence",
		"verdict": "ask",
		"risk": "critical",
		"message": sprintf("This changes what runs later by itself: %s.", [lib.names(found)]),
		"remedy": "Run it once, now.",
	}
}

# METADATA
# title: The checks that guard the repository are changed
# custom:
#   id: files.ci
#   risk: high
#   remedy: Open a pull request that says so, and let a person review it.
reasons contains r if {
	count(data.hitl.lib.changed & {"ci"}) > 0
	found := lib.on("path", changes, ["ci"])
	r := {
		"rule": "files.ci",
		"verdict": "ask",
		"risk": "high",
		"message": sprintf("This changes what checks and builds the project: %s.", [lib.names(found)]),
		"remedy": "Open a pull request that says so, and let a person review it.",
	}
}

# METADATA
# title: A log is emptied or deleted
# custom:
#   id: files.logs
#   risk: critical
#   remedy: Leave the record as it is.
reasons contains r if {
	"logs" in data.hitl.lib.changed
	found := lib.on("path", ["delete"], ["logs"]) | lib.among(lib.on("path", ["write"], ["logs"]), ["overwrite"])
	count(found) > 0
	r := {
		"rule": "files.logs",
		"verdict": "ask",
		"risk": "critical",
		"message": sprintf("This erases a record of what happened: %s.", [lib.names(found)]),
		"remedy": "Leave the record as it is.",
	}
}
