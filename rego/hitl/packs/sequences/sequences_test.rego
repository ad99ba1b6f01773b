package hitl.packs.sequences_test

import data.hitl.fixtures
import data.hitl.packs.sequences

after(effects, context) := fixtures.but(fixtures.shell(effects), {"context": context})

mail := fixtures.effect("send", "person", "a@b.example", "unknown")

tainted := {"taint": {"untrusted": true, "secrets": false}}

leaky := {"taint": {"untrusted": false, "secrets": true}}

test_tainted if {
	expected := {{
		"rule": "sequences.tainted",
		"verdict": "ask",
		"risk": "high",
		"message": "This session has read content from outside and now acts outward: a@b.example.",
		"remedy": "Check that the action is what you asked for, not what a page told the agent.",
	}}
	sequences.reasons == expected with input as after([mail], tainted)
}

test_outward_actions if {
	every outward in [
		fixtures.effect("publish", "remote", "42", "issue"),
		fixtures.effect("spend", "remote", "shop", "service"),
		fixtures.effect("send", "host", "x.org", "public"),
	] {
		fixtures.ids(sequences.reasons) == {"sequences.tainted"} with input as after([outward], tainted)
	}
}

test_inward_actions if {
	every inward in [
		fixtures.effect("write", "path", "a", "workspace"),
		fixtures.effect("publish", "remote", "feature", "branch"),
		fixtures.effect("send", "host", "localhost", "loopback"),
		fixtures.effect("send", "host", "ours.example", "pinned"),
		fixtures.effect("receive", "host", "x.org", "public"),
	] {
		sequences.reasons == set() with input as after([inward], tainted)
	}
}

test_untainted if {
	sequences.reasons == set() with input as after([mail], {})
}

test_secrets_sent if {
	expected := {{
		"rule": "sequences.secrets-sent",
		"verdict": "ask",
		"risk": "critical",
		"message": "This session has read secrets and now sends data: a@b.example.",
		"remedy": "Check that no secret is in what is sent, or start a new session.",
		"floor": true,
	}}
	sequences.reasons == expected with input as after([mail], leaky)
}

test_secrets_network if {
	expected := {{
		"rule": "sequences.secrets-network",
		"verdict": "ask",
		"risk": "high",
		"message": "This session has read secrets and now reaches x.org.",
		"remedy": "Check the address for anything that looks like a secret.",
	}}
	sequences.reasons == expected with input as after([fixtures.effect("receive", "host", "x.org", "public")], leaky)
}

test_secrets_and_a_registry if {
	sequences.reasons == set() with input as after([fixtures.effect("receive", "host", "pypi.org", "registry")], leaky)
}

test_no_secrets if {
	sequences.reasons == set() with input as after([fixtures.effect("receive", "host", "x.org", "public")], {})
}

counted(counters) := after([fixtures.effect("write", "path", "a", "workspace")], {"counters": counters})

limit(rule, risk, message, remedy) := {{
	"rule": rule,
	"verdict": "ask",
	"risk": risk,
	"message": message,
	"remedy": remedy,
	"floor": true,
}}

test_denials if {
	remedy := "Tell the agent what it may do instead."
	sequences.reasons == limit("sequences.denials", "medium", "5 calls of this session were denied (one after the other).", remedy) with input as counted({"consecutive_denied": 5})
	sequences.reasons == limit("sequences.denials", "medium", "30 calls of this session were denied (in all).", remedy) with input as counted({"denied": 30})
}

test_loop if {
	expected := limit("sequences.loop", "medium", "This very call has been made 50 times before.", "Look whether the agent makes progress.")
	sequences.reasons == expected with input as counted({"repeats": 50})
}

test_budget if {
	expected := limit("sequences.budget", "medium", "This session has made 2000 calls, its limit.", "Start a new session, or raise settings.limits.calls.")
	sequences.reasons == expected with input as counted({"calls": 2000})
}

test_flood if {
	expected := limit("sequences.flood", "high", "This session has asked for 200 approvals already.", "Look at what the agent wants as a whole before approving one more.")
	sequences.reasons == expected with input as counted({"asked": 200})
}

test_reading_does_not_flood if {
	sequences.reasons == set() with input as fixtures.but(fixtures.reading, {"context": {"counters": {"asked": 200}}})
}

test_below_every_limit if {
	sequences.reasons == set() with input as counted({"calls": 1999, "asked": 199, "denied": 29, "consecutive_denied": 4, "repeats": 49})
}

test_zero_is_no_limit if {
	sequences.reasons == set() with input as counted({"calls": 9000})
		with data.hitl.settings.limits.calls as 0
}

test_a_broken_limit_is_reached if {
	every broken in ["many", {}] {
		fixtures.ids(sequences.reasons) == {"sequences.budget"} with input as counted({"calls": 1})
			with data.hitl.settings.limits.calls as broken
	}
}
