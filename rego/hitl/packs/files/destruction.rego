# METADATA
# title: Files
# description: What no agent may do to a machine's files, and what a person should see first.
package hitl.packs.files

import data.hitl.lib

changes := ["delete", "write", "configure"]

# METADATA
# title: A system tree or the home directory is deleted, or all of a system tree changed
# custom:
#   id: files.root
#   risk: critical
#   remedy: Name the files that are meant, inside the workspace.
reasons contains r if {
	count(data.hitl.lib.changed & {"root", "home-root"}) > 0
	found := lib.on("path", ["delete"], ["root", "home-root"]) | lib.among(lib.on("path", changes, ["root"]), ["all"])
	count(found) > 0
	r := {
		"rule": "files.root",
		"verdict": "deny",
		"risk": "critical",
		"message": sprintf("This would destroy %s.", [lib.names(found)]),
		"remedy": "Name the files that are meant, inside the workspace.",
	}
}

# METADATA
# title: Boot files are changed
# custom:
#   id: files.boot
#   risk: critical
#   remedy: A person changes what the machine boots from.
reasons contains r if {
	count(data.hitl.lib.changed & {"boot"}) > 0
	found := lib.on("path", changes, ["boot"])
	r := {
		"rule": "files.boot",
		"verdict": "deny",
		"risk": "critical",
		"message": sprintf("This would change what the machine boots from: %s.", [lib.names(found)]),
		"remedy": "A person changes what the machine boots from.",
	}
}

# METADATA
# title: A device is written to
# custom:
#   id: files.device
#   risk: critical
#   remedy: Write to a file in the workspace.
reasons contains r if {
	count(data.hitl.lib.changed & {"device"}) > 0
	found := lib.on("path", changes, ["device"])
	r := {
		"rule": "files.device",
		"verdict": "deny",
		"risk": "critical",
		"message": sprintf("This would overwrite the device %s.", [lib.names(found)]),
		"remedy": "Write to a file in the workspace.",
	}
}

# METADATA
# title: The files that say who may log in are changed
# custom:
#   id: files.accounts
#   risk: critical
#   remedy: A person changes accounts and privileges.
reasons contains r if {
	count(data.hitl.lib.changed & {"system-auth"}) > 0
	found := lib.on("path", changes, ["system-auth"])
	r := {
		"rule": "files.accounts",
		"verdict": "deny",
		"risk": "critical",
		"message": sprintf("This would change who may log in or gain privilege: %s.", [lib.names(found)]),
		"remedy": "A person changes accounts and privileges.",
	}
}
