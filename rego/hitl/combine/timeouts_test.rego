package hitl.combine_timeouts_test

import data.hitl.combine
import data.hitl.fixtures

allows := {{"id": "custom.x", "type": "approval", "properties": {"on_timeout": "allow"}}}

faulted if {
	some r in combine.faults
	r.rule == "main.timeout-allow"
	r.verdict == "deny"
}

high := fixtures.shell([fixtures.effect("publish", "remote", "main", "protected-branch")])

seen(effect) := fixtures.but(fixtures.reading, {"facts": {"effects": [effect]}})

test_a_rule_may_not_let_a_risky_call_run_unanswered if {
	faulted with input as high with data.hitl.custom.obligations as allows
	combine.verdict == "deny" with input as high with data.hitl.custom.obligations as allows
	not faulted with input as high
	not faulted with input as fixtures.reading with data.hitl.custom.obligations as allows
}

test_nor_may_the_tiers if {
	faulted with input as high with data.hitl.tiers.approval.high as {"on_timeout": "allow"}
	not faulted with input as fixtures.reading with data.hitl.tiers.approval.low as {"on_timeout": "allow"}
}

test_what_cannot_be_undone_is_not_harmless if {
	combine.harmless with input as fixtures.reading
	not combine.harmless with input as high
	every e in [
		fixtures.effect("delete", "path", "/home/dev/project/a.py", "workspace"),
		object.union(fixtures.effect("write", "path", "/home/dev/project/a.py", "workspace"), {"traits": ["overwrite"]}),
		object.union(fixtures.effect("write", "path", "/home/dev/project/a.py", "workspace"), {"traits": ["irreversible"]}),
	] {
		not combine.harmless with input as seen(e) with data.hitl.gather.risk as "low"
	}
	combine.harmless with input as seen(fixtures.effect("write", "path", "/home/dev/project/a.py", "workspace")) with data.hitl.gather.risk as "low"
	not combine.harmless with input as fixtures.but(fixtures.reading, {"facts": {"opaque": [{"kind": "eval"}]}}) with data.hitl.gather.risk as "low"
}
