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

recursively(path) := fixtures.shell([fixtures.marked("delete", "path", path, "workspace", ["recursive"])])

test_workspace_is_not_deleted_unseen if {
	expected := {asked("files.workspace-root", "critical", "This deletes the whole workspace: /home/dev/project.", "Delete the files that are meant, by name.")}
	files.reasons == expected with input as recursively("/home/dev/project")
}

test_nor_everything_in_it if {
	fixtures.ids(files.reasons) == {"files.workspace-root"} with input as fixtures.shell([fixtures.marked("delete", "path", "/home/dev/project/*", "workspace", ["bulk"])])
}

test_nor_what_holds_it if {
	fixtures.ids(files.reasons) == {"files.workspace-root"} with input as recursively("/home/dev")
}

test_a_directory_in_the_workspace_may_go if {
	files.reasons == set() with input as recursively("/home/dev/project/build")
	files.reasons == set() with input as recursively("/home/dev/project/build/*")
}

# Branches and stashes are deleted in the workspace, not the workspace.
test_what_is_not_recursive_is_not_the_workspace if {
	files.reasons == set() with input as fixtures.shell([fixtures.effect("delete", "path", "/home/dev/project", "workspace")])
}

test_a_neighbour_with_the_same_beginning_is_no_parent if {
	files.reasons == set() with input as recursively("/home/dev/proj")
}

test_an_unknown_workspace_or_target_is_none if {
	files.reasons == set() with input as fixtures.but(recursively("/tmp/x"), {"context": {"workspace": ""}})
	files.reasons == set() with input as recursively("")
}

test_irreversible if {
	expected := {asked("files.irreversible", "high", "This loses work that nothing brings back: a.py.", "Commit or stash first, or keep a copy.")}
	files.reasons == expected with input as fixtures.shell([fixtures.marked("write", "path", "a.py", "workspace", ["irreversible", "overwrite"])])
}

test_overwriting_is_not_irreversible if {
	files.reasons == set() with input as fixtures.shell([fixtures.marked("write", "path", "a.py", "workspace", ["overwrite"])])
	files.reasons == set() with input as fixtures.shell([
		fixtures.effect("write", "path", "a.py", "workspace"),
		fixtures.marked("delete", "remote", "x", "service", ["irreversible"]),
	])
}

test_unbounded if {
	expected := {asked("files.unbounded", "high", "This deletes whatever is found: *.c.", "List what would go, then name it.")}
	files.reasons == expected with input as fixtures.shell([fixtures.marked("delete", "path", "*.c", "workspace", ["all", "recursive"])])
}

test_a_pattern_is_bounded if {
	files.reasons == set() with input as fixtures.shell([
		fixtures.marked("delete", "path", "*.pyc", "workspace", ["bulk"]),
		fixtures.marked("write", "path", "b", "workspace", ["all"]),
	])
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
	{r.risk | some r in files.reasons} == {"high"} with input as fixtures.shell([fixtures.marked("configure", "path", "/home/dev/project/x", "workspace", ["world-writable"])])
}

test_rights_for_the_group if {
	files.reasons == set() with input as fixtures.shell([fixtures.effect("configure", "path", "/srv/www", "system")])
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

test_logs if {
	expected := {asked("files.logs", "critical", "This erases a record of what happened: /var/log/auth.log.", "Leave the record as it is.")}
	files.reasons == expected with input as fixtures.shell([fixtures.effect("delete", "path", "/var/log/auth.log", "logs")])
	files.reasons == expected with input as fixtures.shell([fixtures.marked("write", "path", "/var/log/auth.log", "logs", ["overwrite"])])
}

test_appending_to_a_log if {
	files.reasons == set() with input as fixtures.shell([fixtures.marked("write", "path", "/var/log/app.log", "logs", ["append"])])
}
