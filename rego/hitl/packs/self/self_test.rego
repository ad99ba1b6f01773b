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
	self.reasons == set() with input as fixtures.shell([fixtures.effect("query", "path", ".hitl", "guard")])
}

test_other_files_may_change if {
	self.reasons == set() with input as fixtures.editing
}

opened(via, verb) := fixtures.call("Bash", "shell", [
	object.union(fixtures.effect("read", "path", ".hitl/hitl.db", "guard"), {"via": "sqlite3"}),
	object.union(fixtures.effect(verb, "database", "approval", "unknown"), {"via": via}),
])

test_the_record_is_not_changed_as_a_database if {
	every verb in ["write", "delete", "execute", "configure"] {
		fixtures.ids(self.reasons) == {"self.guard"} with input as opened("sqlite3", verb)
	}
}

test_the_record_may_be_asked if {
	self.reasons == set() with input as opened("sqlite3", "query")
}

test_another_programs_database_is_no_record if {
	self.reasons == set() with input as opened("psql", "write")
}

reached(type, verb, certain) := fixtures.call("Bash", "shell", [
	object.union(fixtures.effect(verb, type, "127.0.0.1:8282", "guard"), {"certain": certain}),
])

test_nobody_decides_over_its_addresses if {
	every reach in [["host", "send"], ["host", "execute"], ["host", "delete"], ["database", "write"], ["database", "execute"]] {
		fixtures.ids(self.reasons) == {"self.guard"} with input as reached(reach[0], reach[1], true)
		fixtures.ids(self.reasons) == {"self.reach"} with input as reached(reach[0], reach[1], false)
	}
}

test_looking_at_its_addresses_asks_whatever_the_level if {
	expected := {{
		"rule": "self.reach",
		"verdict": "ask",
		"risk": "high",
		"message": "This reaches where the agent's calls are decided or kept: 127.0.0.1:8282.",
		"remedy": "A person looks at approvals and decides on them.",
		"floor": true,
	}}
	every reach in [["host", "receive"], ["database", "query"]] {
		self.reasons == expected with input as reached(reach[0], reach[1], true)
	}
}

test_a_file_of_somebody_else_is_no_record if {
	self.reasons == set() with input as fixtures.call("Bash", "shell", [
		fixtures.effect("read", "path", "app.db", "workspace"),
		fixtures.effect("write", "database", "users", "unknown"),
	])
}
