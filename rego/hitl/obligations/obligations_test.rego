package hitl.obligations_test

import data.hitl.fixtures
import data.hitl.obligations

one(type) := found if {
	some o in obligations.merged
	o.type == type
	found := o.properties
}

types := {o.type | some o in obligations.merged}

demand(type, properties) := {"id": sprintf("custom.%s", [type]), "type": type, "properties": properties}

asking := fixtures.shell([fixtures.effect("publish", "remote", "main", "protected-branch")])

test_an_allow_is_logged if {
	obligations.merged == [{"id": "hitl.log", "type": "log", "properties": {"level": "info"}}] with input as fixtures.reading
}

test_an_ask_and_a_deny_are_warnings if {
	one("log") == {"level": "warning"} with input as asking
	one("log") == {"level": "warning"} with input as fixtures.agent(asking, {"mode": "plan"})
	one("log") == {"level": "warning"} with input as fixtures.reading with data.hitl.custom.obligations as {demand("log", {"level": "warning"})}
	one("log") == {"level": "info"} with input as fixtures.reading with data.hitl.custom.obligations as {demand("log", {"level": "info"})}
}

test_an_ask_brings_what_answers_it if {
	types == {"log", "approval"} with input as asking
}

test_no_approval_without_an_ask if {
	types == {"log"} with input as fixtures.reading
	types == {"log"} with input as fixtures.agent(asking, {"mode": "plan"})
}

test_monitor if {
	one("monitor") == {"why": ["confidence"]} with input as fixtures.agent(fixtures.reading, fixtures.sure(0.8))
	one("monitor") == {"why": ["autonomy level 4"]} with input as fixtures.agent(asking, {"level": 4})
	one("monitor") == {"why": ["new tool", "rule"]} with input as fixtures.reading with data.hitl.custom.obligations as {demand("monitor", {"why": "new tool"}), demand("monitor", {})}
}

test_no_monitor if {
	types == {"log"} with input as fixtures.agent(fixtures.reading, {"level": 4})
	types == {"log"} with input as fixtures.agent(fixtures.shell([fixtures.effect("delete", "path", "/", "root")]), {"level": 4})
}

test_nothing_to_clarify_in_a_deny if {
	types == {"log"} with input as fixtures.agent(fixtures.editing, object.union({"mode": "plan"}, fixtures.sure(0.6)))
}

test_no_context_for_a_deny if {
	types == {"log"} with input as fixtures.agent(fixtures.editing, object.union({"mode": "plan"}, fixtures.sure(0.2)))
}

test_rewrite if {
	one("rewrite") == {"input": {"command": "ls"}} with input as fixtures.reading with data.hitl.custom.obligations as {demand("rewrite", {"input": {"command": "ls"}})}
}

test_two_rewrites_rewrite_nothing if {
	types == {"log"} with input as fixtures.reading
		with data.hitl.custom.obligations as {demand("rewrite", {"input": {"a": 1}}), demand("rewrite", {"input": {"a": 2}})}
}

test_redact if {
	one("redact") == {"pointers": ["/a", "/b"]} with input as fixtures.reading
		with data.hitl.custom.obligations as {demand("redact", {"pointers": ["/b"]}), demand("redact", {"pointers": ["/a", "/b"]})}
}

test_what_is_not_ours_passes if {
	page := demand("page", {"who": "ops"})
	page in obligations.merged with input as fixtures.reading with data.hitl.custom.obligations as {page}
	count(obligations.merged) == 2 with input as fixtures.reading with data.hitl.custom.obligations as {page}
}
