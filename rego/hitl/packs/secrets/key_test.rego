package hitl.packs.secrets_test

import data.hitl.fixtures
import data.hitl.packs.secrets

touching(verb, value, real) := fixtures.call("Bash", "shell", [object.union(
	fixtures.effect(verb, "path", value, "credentials"),
	{"target": {"real": real}},
)])

test_the_signing_key_is_not_touched if {
	every verb in ["read", "write", "delete", "send", "execute", "configure"] {
		ids := fixtures.ids(secrets.reasons) with input as touching(verb, "k", "/home/dev/.config/hitl-opa/audit.key")
		"secrets.signing-key" in ids
		unknown := fixtures.ids(secrets.reasons) with input as touching(verb, "AUDIT.KEY", "")
		"secrets.signing-key" in unknown
	}
}

test_other_keys_are_not_its_business if {
	every real in ["/etc/ssl/tls.key", "/w/audit.key.pub", "/w/audit.keys"] {
		ids := fixtures.ids(secrets.reasons) with input as touching("read", "k", real)
		count(ids & {"secrets.signing-key"}) == 0
	}
}
