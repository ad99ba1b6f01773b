package hitl.packs.files_test

import data.hitl.fixtures
import data.hitl.packs.files

denied(rule, message, remedy) := {{
	"rule": rule,
	"verdict": "deny",
	"risk": "critical",
	"message": message,
	"remedy": remedy,
}}

test_root_and_home_are_not_destroyed if {
	expected := denied("files.root", "This would destroy /, /home/other.", "Name the files that are meant, inside the workspace.")
	files.reasons == expected with input as fixtures.shell([
		fixtures.marked("delete", "path", "/", "root", ["recursive"]),
		fixtures.effect("delete", "path", "/home/other", "home-root"),
	])
}

test_all_of_root_is_not_changed if {
	fixtures.ids(files.reasons) == {"files.root"} with input as fixtures.shell([fixtures.marked("configure", "path", "/", "root", ["all", "recursive"])])
}

# One directory's rights, or a file put at the top: the tier asks, critically.
test_root_itself_may_be_asked_for if {
	files.reasons == set() with input as fixtures.shell([fixtures.effect("configure", "path", "/opt", "root")])
	files.reasons == set() with input as fixtures.shell([fixtures.marked("write", "path", "/home/dev", "home-root", ["all", "recursive"])])
}

test_root_may_be_read if {
	files.reasons == set() with input as fixtures.shell([fixtures.effect("read", "path", "/", "root")])
}

test_boot_is_not_changed if {
	expected := denied("files.boot", "This would change what the machine boots from: /boot/vmlinuz.", "A person changes what the machine boots from.")
	files.reasons == expected with input as fixtures.shell([fixtures.effect("write", "path", "/boot/vmlinuz", "boot")])
}

test_boot_may_be_read if {
	files.reasons == set() with input as fixtures.shell([fixtures.effect("read", "path", "/boot/vmlinuz", "boot")])
}

test_devices_are_not_written if {
	expected := denied("files.device", "This would overwrite the device /dev/sda.", "Write to a file in the workspace.")
	files.reasons == expected with input as fixtures.shell([fixtures.effect("write", "path", "/dev/sda", "device")])
}

test_null_is_no_device if {
	files.reasons == set() with input as fixtures.shell([fixtures.effect("write", "path", "/dev/null", "null")])
}

test_accounts_are_not_changed if {
	expected := denied("files.accounts", "This would change who may log in or gain privilege: /etc/sudoers.", "A person changes accounts and privileges.")
	files.reasons == expected with input as fixtures.shell([fixtures.effect("write", "path", "/etc/sudoers", "system-auth")])
}

test_accounts_may_be_read if {
	files.reasons == set() with input as fixtures.shell([fixtures.effect("read", "path", "/etc/passwd", "system-auth")])
}

# The rules are on what happens, so another tool that does it is denied as well.
test_an_mcp_tool_does_not_destroy_either if {
	fixtures.ids(files.reasons) == {"files.root"} with input as fixtures.mcp("fs", "remove", [fixtures.effect("delete", "path", "/", "root")], {})
}
