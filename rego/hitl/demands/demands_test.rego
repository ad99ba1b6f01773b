package hitl.demands_test

import data.hitl.demands

obligation(type, properties) := {"id": "custom.o", "type": type, "properties": properties}

test_none if {
	not demands.malformed
	not demands.rewrite_conflict
	demands.human == set()
	demands.of("approval") == set()
}

test_of if {
	demands.of("monitor") == {{"why": "new"}} with data.hitl.custom.obligations as {obligation("monitor", {"why": "new"}), obligation("log", {})}
}

test_human if {
	every type, properties in {"approval": {"quorum": 2}, "clarify": {"questions": [{"question": "Which one?"}]}, "context": {}} {
		demands.human == {obligation(type, properties)} with data.hitl.custom.obligations as {obligation(type, properties)}
	}
	demands.human == set() with data.hitl.custom.obligations as {obligation("monitor", {})}
}

test_one_rewrite if {
	one := obligation("rewrite", {"input": {"command": "ls"}})
	not demands.rewrite_conflict with data.hitl.custom.obligations as {one, object.union(one, {"id": "custom.p"})}
}

test_two_rewrites if {
	demands.rewrite_conflict with data.hitl.custom.obligations as {
		obligation("rewrite", {"input": {"command": "ls"}}),
		obligation("rewrite", {"input": {"command": "ls -l"}}),
	}
}

test_shaped if {
	every o in [
		obligation("approval", {}),
		obligation("approval", {"permission": "approve", "quorum": 2, "expires_in": 60, "execution_expires_in": 60, "on_timeout": "park", "approvers": ["a"], "channels": ["ops"], "lease": 60, "escalation": [{"after": 60, "to": ["lead"], "channel": "slack"}, {"after": 90, "to": ["lead"]}]}),
		obligation("approval", {"permission": "confirm", "on_timeout": "escalate"}),
		obligation("approval", {"on_timeout": "allow"}),
		obligation("monitor", {"why": "new"}),
		obligation("log", {"level": "warning"}),
		obligation("context", {}),
		obligation("clarify", {"questions": [{"question": "Which one?", "options": []}]}),
		obligation("rewrite", {"input": {}}),
		obligation("redact", {"pointers": ["/command"]}),
		obligation("page", {"anything": 7}),
	] {
		not demands.malformed with data.hitl.custom.obligations as {o}
	}
}

test_malformed if {
	every o in [
		"approval",
		{"type": "monitor", "properties": {}},
		{"id": "custom.o", "properties": {}},
		{"id": "custom.o", "type": "monitor"},
		obligation("monitor", []),
		obligation("monitor", {"why": 7}),
		obligation("log", {"level": "loud"}),
		obligation("clarify", {}),
		obligation("clarify", {"questions": []}),
		obligation("clarify", {"questions": [{}]}),
		obligation("clarify", {"questions": [{"question": "Which?", "options": "a"}]}),
		obligation("rewrite", {}),
		obligation("redact", {"pointers": "/command"}),
		obligation("redact", {"pointers": [7]}),
		obligation("approval", {"permission": "auto"}),
		obligation("approval", {"quorum": 0}),
		obligation("approval", {"quorum": "two"}),
		obligation("approval", {"expires_in": 0}),
		obligation("approval", {"expires_in": "1h"}),
		obligation("approval", {"execution_expires_in": -1}),
		obligation("approval", {"on_timeout": "run"}),
		obligation("approval", {"lease": 0}),
		obligation("approval", {"channels": "ops"}),
		obligation("approval", {"escalation": ["lead"]}),
		obligation("approval", {"escalation": [{"to": ["lead"]}]}),
		obligation("approval", {"escalation": [{"after": 0, "to": ["lead"]}]}),
		obligation("approval", {"escalation": [{"after": 60}]}),
		obligation("approval", {"escalation": [{"after": 60, "to": []}]}),
		obligation("approval", {"escalation": [{"after": 60, "to": "lead"}]}),
		obligation("approval", {"escalation": [{"after": 60, "to": ["lead"], "channel": 1}]}),
		obligation("approval", {"approvers": "ops"}),
		obligation("approval", {"escalation": "ops"}),
	] {
		demands.malformed with data.hitl.custom.obligations as {o}
	}
}

test_obligations_that_are_no_collection if {
	every wrong in ["monitor", 7, true] {
		demands.malformed with data.hitl.custom.obligations as wrong
	}
	every right in [[], {}] {
		not demands.malformed with data.hitl.custom.obligations as right
	}
}
