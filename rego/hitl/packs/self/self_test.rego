package hitl.packs.self_test

import data.hitl.fixtures
import data.hitl.packs.self

test_guard_is_not_changed if {
	expected := {{
		"rule": "self.guard",
		"verdict": "deny",
		"risk": "critical",
		"message": "This changes what guards the agent: hitl.yaml.",
		"remedy": "A person changes policies, hooks, settings and records.",
	}}
	every verb in ["write", "delete", "configure", "send", "execute"] {
		self.reasons == expected with input as fixtures.call("Write", "file", [fixtures.effect(verb, "path", "hitl.yaml", "guard")])
	}
}

test_guard_may_be_read if {
	self.reasons == set() with input as fixtures.call("Read", "file", [fixtures.effect("read", "path", "hitl.yaml", "guard")])
}

test_other_files_may_change if {
	self.reasons == set() with input as fixtures.editing
}
