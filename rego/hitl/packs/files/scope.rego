package hitl.packs.files

import data.hitl.lib

# METADATA
# title: The whole workspace is deleted
# custom:
#   id: files.workspace-root
#   risk: high
#   remedy: Delete the files that are meant, by name.
reasons contains r if {
	found := [e |
		some e in input.facts.effects
		e.verb == "delete"
		e.target.real == input.context.workspace
	]
	count(found) > 0
	r := {
		"rule": "files.workspace-root",
		"verdict": "ask",
		"risk": "high",
		"message": sprintf("This deletes the whole workspace: %s.", [lib.names(found)]),
		"remedy": "Delete the files that are meant, by name.",
	}
}

# METADATA
# title: Files are deleted by a pattern that may match anything
# custom:
#   id: files.unbounded
#   risk: high
#   remedy: Name the files, or list them first.
reasons contains r if {
	found := [e | some e in lib.effects(["delete"], ["workspace", "temp", "home", "outside"]); "all" in e.traits]
	count(found) > 0
	r := {
		"rule": "files.unbounded",
		"verdict": "ask",
		"risk": "high",
		"message": sprintf("This deletes everything that a broad pattern matches: %s.", [lib.names(found)]),
		"remedy": "Name the files, or list them first.",
	}
}

# METADATA
# title: A program gets the rights of its owner
# custom:
#   id: files.setuid
#   risk: critical
#   remedy: Leave privileges as they are.
reasons contains r if {
	found := lib.marked("setuid")
	count(found) > 0
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
	found := [e | some e in lib.effects(["configure", "write"], ["system", "home", "outside", "dotfile", "credentials"]); "world-writable" in e.traits]
	count(found) > 0
	r := {
		"rule": "files.world-writable",
		"verdict": "ask",
		"risk": "high",
		"message": sprintf("This lets every user change %s.", [lib.names(found)]),
		"remedy": "Give rights to the owner or a group.",
	}
}
