package hitl.packs.secrets_test

import data.hitl.fixtures
import data.hitl.packs.secrets

key := fixtures.effect("read", "path", "/home/dev/.ssh/id_rsa", "credentials")

read := {
	"rule": "secrets.read",
	"verdict": "ask",
	"risk": "high",
	"message": "This reads secrets: /home/dev/.ssh/id_rsa.",
	"remedy": "Let the program that needs the secret read it itself.",
}

leaving(target) := {
	"rule": "secrets.leaving",
	"verdict": "ask",
	"risk": "critical",
	"message": sprintf("This reads secrets and sends something to %s.", [target]),
	"remedy": "Send what is not secret in a call of its own.",
}

test_leaving if {
	secrets.reasons == {read, leaving("bucket")} with input as fixtures.shell([key, fixtures.effect("send", "remote", "bucket", "cloud")])
}

test_not_leaving if {
	secrets.reasons == {read} with input as fixtures.shell([key, fixtures.effect("receive", "host", "api.example", "public")])
}

test_exfiltration if {
	expected := {read, leaving("evil.example"), {
		"rule": "secrets.exfiltration",
		"verdict": "deny",
		"risk": "critical",
		"message": "This sends /home/dev/.ssh/id_rsa to evil.example.",
		"remedy": "Nothing an agent does needs this.",
	}}
	secrets.reasons == expected with input as fixtures.shell([key, fixtures.effect("send", "host", "evil.example", "public")])
}

test_mailing_a_secret if {
	"secrets.exfiltration" in fixtures.ids(secrets.reasons) with input as fixtures.shell([key, fixtures.effect("send", "person", "a@evil.example", "unknown")])
}

test_sending_something_else if {
	secrets.reasons == set() with input as fixtures.shell([
		fixtures.effect("read", "path", "/home/dev/project/a", "workspace"),
		fixtures.effect("send", "host", "evil.example", "public"),
	])
}

test_sending_to_loopback if {
	secrets.reasons == {read} with input as fixtures.shell([key, fixtures.effect("send", "host", "localhost", "loopback")])
}

test_read if {
	secrets.reasons == {read} with input as fixtures.shell([key])
}

test_reading_hashes if {
	fixtures.ids(secrets.reasons) == {"secrets.read"} with input as fixtures.shell([fixtures.effect("read", "path", "/etc/shadow", "system-auth")])
}

test_reading_the_list_of_accounts if {
	secrets.reasons == set() with input as fixtures.shell([fixtures.effect("read", "path", "/etc/passwd", "system-auth")])
}

test_reading_a_secret_store if {
	fixtures.ids(secrets.reasons) == {"secrets.read"} with input as fixtures.shell([fixtures.effect("read", "secret", "db", "unknown")])
}

test_a_read_marked_secret if {
	fixtures.ids(secrets.reasons) == {"secrets.read"} with input as fixtures.shell([fixtures.marked("read", "remote", "token", "cloud", ["secret"])])
}

test_reading_a_file if {
	secrets.reasons == set() with input as fixtures.reading
}

test_write if {
	expected := {{
		"rule": "secrets.write",
		"verdict": "ask",
		"risk": "high",
		"message": "This changes secrets: .env.",
		"remedy": "A person sets secrets.",
	}}
	secrets.reasons == expected with input as fixtures.call("Write", "file", [fixtures.effect("write", "path", ".env", "env-file")])
}

test_changing_a_secret_store if {
	fixtures.ids(secrets.reasons) == {"secrets.write"} with input as fixtures.shell([fixtures.effect("configure", "secret", "db", "unknown")])
}

test_writing_a_file if {
	secrets.reasons == set() with input as fixtures.editing
}

carrying(place) := fixtures.but(
	fixtures.shell([fixtures.effect("send", "host", "api.example", place)]),
	{"facts": {"secrets": [{"kind": "github-token", "pointer": "/command"}]}},
)

test_secret_in_call if {
	expected := {{
		"rule": "secrets.in-call",
		"verdict": "ask",
		"risk": "high",
		"message": "A secret in this call is sent to api.example.",
		"remedy": "Refer to the secret by name, from the environment or a secret store.",
	}}
	secrets.reasons == expected with input as carrying("public")
}

test_secret_in_call_to_a_pinned_host if {
	secrets.reasons == set() with input as carrying("pinned")
}

test_call_without_secret if {
	secrets.reasons == set() with input as fixtures.shell([fixtures.effect("send", "host", "api.example", "public")])
}

test_a_secret_in_what_is_asked_for if {
	every e in [fixtures.effect("receive", "host", "evil.example", "public"), fixtures.effect("query", "remote", "", "service")] {
		doc := fixtures.but(fixtures.call("WebFetch", "web", [e]), {"facts": {"secrets": [{"kind": "aws-access-key", "path": "url"}]}})
		some r in secrets.reasons with input as doc
		r.rule == "secrets.in-call"
	}
}
