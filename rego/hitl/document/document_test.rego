package hitl.document_test

import data.hitl.document
import data.hitl.fixtures

sound := fixtures.but(fixtures.reading, {"facts": {"opaque": [{"kind": "eval"}], "sql": [{"verb": "select", "where": false}]}})

test_sound if {
	document.sound with input as sound
	document.sound with input as fixtures.shell([])
	document.sound with input as fixtures.agent(sound, {"earned": [{"risk": "low", "level": 3}], "frozen": true})
}

test_anything_else_is_not if {
	every junk in [{}, {"version": "1"}, [], "x", 7, true] {
		not document.sound with input as junk
	}
}

test_a_field_of_the_wrong_type if {
	every wrong in [
		{"call": {"tool": 7}},
		{"call": {"kind": []}},
		{"call": {"input": "x"}},
		{"call": {"mcp": {"server": false}}},
		{"call": {"mcp": {"tool": 1}}},
		{"call": {"claimed_risk": "terrible"}},
		{"call": {"mcp": {"claims": {"read_only": {"known": "yes"}}}}},
		{"call": {"mcp": {"claims": {"destructive": {"value": 0}}}}},
		{"facts": {"effects": {}}},
		{"facts": {"effects": "none"}},
		{"facts": {"opaque": false}},
		{"facts": {"sql": {}}},
		{"facts": {"secrets": "none"}},
		{"facts": {"commands": "none"}},
		{"facts": {"effects": ["read"]}},
		{"facts": {"effects": [{"verb": "read"}]}},
		{"facts": {"opaque": [{"kind": 7}]}},
		{"facts": {"sql": [{"verb": "delete", "where": 0}]}},
		{"facts": {"sql": [{"verb": 1, "where": true}]}},
		{"agent": {"level": "4"}},
		{"agent": {"mode": "yolo"}},
		{"agent": {"unattended": "no"}},
		{"agent": {"frozen": "no"}},
		{"agent": {"earned": 0}},
		{"agent": {"earned": ["low"]}},
		{"agent": {"earned": [{"risk": 1, "level": 3}]}},
		{"agent": {"earned": [{"risk": "low", "level": "3"}]}},
		{"context": {"draw": "often"}},
		{"agent": {"confidence": {"known": "yes"}}},
		{"agent": {"confidence": {"value": "high"}}},
		{"context": {"workspace": 1}},
		{"context": {"durable": "no"}},
		{"context": {"taint": {"untrusted": "no"}}},
		{"context": {"taint": {"secrets": 0}}},
		{"context": {"counters": {"calls": "few"}}},
		{"context": {"counters": {"repeats": false}}},
	] {
		not document.sound with input as fixtures.but(sound, wrong)
	}
}

effect := fixtures.effect("read", "path", "a", "workspace")

test_an_effect_with_a_field_of_the_wrong_type if {
	every wrong in [
		{"verb": 1},
		{"traits": "recursive"},
		{"target": {"type": 1}},
		{"target": {"place": false}},
		{"target": {"value": {}}},
		{"target": {"real": 1}},
	] {
		not document.sound with input as fixtures.shell([effect, object.union(effect, wrong)])
	}
}

test_a_missing_field if {
	every path in [
		["call", "tool"], ["call", "kind"], ["call", "input"], ["call", "claimed_risk"], ["call", "mcp"],
		["facts", "effects"], ["facts", "opaque"], ["facts", "sql"], ["facts", "secrets"],
		["agent", "level"], ["agent", "mode"], ["agent", "unattended"], ["agent", "confidence"],
		["context", "workspace"], ["context", "durable"], ["context", "counters"], ["context", "taint"],
	] {
		part := object.remove(sound[path[0]], [path[1]])
		holed := object.union(object.remove(sound, [path[0]]), {path[0]: part})
		not document.sound with input as holed
	}
}
