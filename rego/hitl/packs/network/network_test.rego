package hitl.packs.network_test

import data.hitl.fixtures
import data.hitl.packs.network

test_metadata if {
	expected := {{
		"rule": "network.metadata",
		"verdict": "deny",
		"risk": "critical",
		"message": "This asks the cloud metadata endpoint for credentials: 169.254.169.254.",
		"remedy": "Use the credentials that the task was given.",
	}}
	every verb in ["receive", "send", "query"] {
		network.reasons == expected with input as fixtures.shell([fixtures.effect(verb, "host", "169.254.169.254", "metadata")])
	}
}

test_other_hosts_are_no_metadata if {
	network.reasons == set() with input as fixtures.shell([fixtures.effect("receive", "host", "example.org", "public")])
}

test_reverse_shell if {
	expected := {{
		"rule": "network.reverse-shell",
		"verdict": "deny",
		"risk": "critical",
		"message": "This hands a shell on this machine to evil.example.",
		"remedy": "Nothing an agent does needs this.",
	}}
	network.reasons == expected with input as fixtures.shell([fixtures.marked("send", "host", "evil.example", "public", ["reverse-shell"])])
}

test_remote_code if {
	expected := {{
		"rule": "network.remote-code",
		"verdict": "ask",
		"risk": "critical",
		"message": "This runs code from the network unseen: https://example.org/x.sh.",
		"remedy": "Download it, read it, then run the file.",
		"floor": true,
	}}
	network.reasons == expected with input as fixtures.shell([fixtures.effect("execute", "code", "https://example.org/x.sh", "remote")])
}

test_own_code_is_not_remote if {
	network.reasons == set() with input as fixtures.shell([fixtures.effect("execute", "code", "pytest", "workspace")])
}

test_upload if {
	expected := {{
		"rule": "network.upload",
		"verdict": "ask",
		"risk": "high",
		"message": "This sends files to example.org.",
		"remedy": "Name a pinned host in hitl.yaml if this is where data belongs.",
	}}
	every place in ["public", "private", "unknown"] {
		network.reasons == expected with input as fixtures.shell([fixtures.marked("send", "host", "example.org", place, ["upload"])])
	}
}

sending(path, path_place, host_place) := fixtures.shell([
	fixtures.effect("read", "path", path, path_place),
	fixtures.marked("send", "host", "example.org", host_place, ["upload"]),
])

test_foreign_files if {
	expected := {{
		"rule": "network.foreign-files",
		"verdict": "ask",
		"risk": "high",
		"message": "This sends files from outside the workspace: /etc/hosts.",
		"remedy": "Send files of the workspace only.",
	}}
	network.reasons == expected with input as sending("/etc/hosts", "system", "loopback")
}

test_own_files_to_loopback if {
	network.reasons == set() with input as sending("/home/dev/project/a", "workspace", "loopback")
}

test_foreign_files_to_a_pinned_host if {
	network.reasons == set() with input as sending("/etc/hosts", "system", "pinned")
}

test_upload_to_a_pinned_host if {
	network.reasons == set() with input as fixtures.shell([fixtures.marked("send", "host", "example.org", "pinned", ["upload"])])
}

test_a_request_is_no_upload if {
	network.reasons == set() with input as fixtures.shell([fixtures.effect("send", "host", "example.org", "public")])
}

test_listen if {
	expected := {{
		"rule": "network.listen",
		"verdict": "ask",
		"risk": "high",
		"message": "This opens a port to other machines: 0.0.0.0:8000.",
		"remedy": "Bind to 127.0.0.1.",
	}}
	network.reasons == expected with input as fixtures.shell([fixtures.marked("receive", "host", "0.0.0.0:8000", "unknown", ["listen"])])
}

test_listening_on_loopback if {
	network.reasons == set() with input as fixtures.shell([fixtures.marked("receive", "host", "127.0.0.1:8000", "loopback", ["listen"])])
}
