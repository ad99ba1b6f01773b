package hitl.packs.files_test

import data.hitl.fixtures
import data.hitl.packs.files

asked(rule, risk, message, remedy) := {
	"rule": rule,
	"verdict": "ask",
	"risk": risk,
	"message": message,
	"remedy": remedy,
}

test_workspace_is_not_deleted_unseen if {
	expected := {asked("files.workspace-root", "critical", "This deletes the whole workspace: /home/dev/project.", "Delete the files that are meant, by name.")}
	files.reasons == expected with input as fixtures.shell([fixtures.effect("delete", "path", "/home/dev/project", "workspace")])
}

test_what_holds_the_workspace_neither if {
	fixtures.ids(files.reasons) == {"files.workspace-root"} with input as fixtures.shell([fixtures.effect("delete", "path", "/home/dev", "home")])
}

test_a_directory_in_the_workspace_may_go if {
	files.reasons == set() with input as fixtures.shell([fixtures.effect("delete", "path", "/home/dev/project/build", "workspace")])
}

test_a_neighbour_with_the_same_beginning_is_no_parent if {
	files.reasons == set() with input as fixtures.shell([fixtures.effect("delete", "path", "/home/dev/proj", "home")])
}

test_an_unknown_workspace_is_none if {
	files.reasons == set() with input as fixtures.but(
		fixtures.shell([fixtures.effect("delete", "path", "/tmp/x", "temp")]),
		{"context": {"workspace": ""}},
	)
}

test_broad_pattern if {
	expected := {asked("files.unbounded", "high", "This deletes everything that a broad pattern matches: *.", "Name the files, or list them first.")}
	files.reasons == expected with input as fixtures.shell([fixtures.marked("delete", "path", "*", "workspace", ["all"])])
}

test_narrow_pattern if {
	files.reasons == set() with input as fixtures.shell([fixtures.marked("delete", "path", "*.pyc", "workspace", ["bulk"])])
}

test_setuid if {
	expected := {asked("files.setuid", "critical", "This lets anybody run /tmp/sh with its owner's rights.", "Leave privileges as they are.")}
	files.reasons == expected with input as fixtures.shell([fixtures.marked("configure", "path", "/tmp/sh", "temp", ["setuid"])])
}

test_plain_rights_are_no_setuid if {
	files.reasons == set() with input as fixtures.shell([fixtures.effect("configure", "path", "/tmp/sh", "temp")])
}

test_world_writable if {
	expected := {asked("files.world-writable", "critical", "This lets every user change /srv/www.", "Give rights to the owner or a group.")}
	files.reasons == expected with input as fixtures.shell([fixtures.marked("configure", "path", "/srv/www", "system", ["world-writable"])])
}

test_world_writable_in_the_workspace if {
	files.reasons == set() with input as fixtures.shell([fixtures.marked("configure", "path", "/home/dev/project/x", "workspace", ["world-writable"])])
}

test_persistence if {
	expected := {asked("files.persistence", "critical", "This changes what runs later by itself: /etc/cron.d/x.", "Run it once, now.")}
	files.reasons == expected with input as fixtures.shell([fixtures.effect("write", "path", "/etc/cron.d/x", "autostart")])
}

test_shell_startup_and_hooks_persist if {
	every place in ["shell-startup", "git-hooks"] {
		fixtures.ids(files.reasons) == {"files.persistence"} with input as fixtures.call("Write", "file", [fixtures.effect("write", "path", "x", place)])
	}
}

test_reading_the_crontab_persists_nothing if {
	files.reasons == set() with input as fixtures.shell([fixtures.effect("read", "path", "/etc/cron.d/x", "autostart")])
}

test_ci if {
	expected := {asked("files.ci", "high", "This changes what checks and builds the project: .github/workflows/ci.yml.", "Open a pull request that says so, and let a person review it.")}
	files.reasons == expected with input as fixtures.call("Edit", "file", [fixtures.effect("write", "path", ".github/workflows/ci.yml", "ci")])
}

test_reading_ci if {
	files.reasons == set() with input as fixtures.call("Read", "file", [fixtures.effect("read", "path", ".github/workflows/ci.yml", "ci")])
}
