package hitl.effects_test

import data.hitl.effects
import data.hitl.fixtures

test_tier if {
	expected := {
		{"rule": "effects.tier", "verdict": "allow", "risk": "low", "message": "Reads (workspace): a, b, c and 1 more."},
		{"rule": "effects.tier", "verdict": "allow", "risk": "medium", "message": "Runs (workspace code): pytest."},
		{"rule": "effects.tier", "verdict": "ask", "risk": "high", "message": "Sends data (public host): x.org."},
	}
	effects.reasons == expected with input as fixtures.shell([
		fixtures.effect("read", "path", "a", "workspace"),
		fixtures.effect("read", "path", "b", "workspace"),
		fixtures.effect("read", "path", "c", "workspace"),
		fixtures.effect("read", "path", "d", "workspace"),
		fixtures.effect("execute", "code", "pytest", "workspace"),
		fixtures.effect("send", "host", "x.org", "public"),
	])
}

test_target_without_place_or_name if {
	unnamed := {"verb": "ask", "target": {"type": "person", "value": "", "real": "", "place": "", "inside": false}, "via": "", "certain": true, "traits": []}
	effects.reasons == {{"rule": "effects.tier", "verdict": "allow", "risk": "low", "message": "Asks a person (person): some person."}} with input as fixtures.call("AskUserQuestion", "question", [unnamed])
}

test_target_known_only_by_what_it_resolves_to if {
	resolved := object.union(fixtures.effect("read", "path", "", "workspace"), {"target": {"real": "/home/dev/project"}})
	{r.message | some r in effects.reasons} == {"Reads (workspace): /home/dev/project."} with input as fixtures.call("LS", "file", [resolved])
}

test_an_approve_tier_asks if {
	some r in effects.reasons with input as fixtures.shell([fixtures.effect("execute", "code", "x", "remote")])
	r.verdict == "ask"
	r.risk == "critical"
}

unlisted(message) := {{
	"rule": "effects.unlisted",
	"verdict": "ask",
	"risk": "medium",
	"message": message,
	"remedy": "Give the type, verb and place a tier in your data, under tiers.effects, or approve the call.",
}}

test_what_is_not_listed_asks if {
	effects.reasons == unlisted("Reads (moon): x.") with input as fixtures.shell([fixtures.effect("read", "path", "x", "moon")])
	effects.reasons == unlisted("beam (workspace): x.") with input as fixtures.shell([fixtures.effect("beam", "path", "x", "workspace")])
	effects.reasons == unlisted("Reads (workspace star): x.") with input as fixtures.shell([fixtures.effect("read", "star", "x", "workspace")])
}

# A tier that is misspelled must not make its effect vanish.
test_a_broken_tier_asks if {
	every broken in [{"permission": "yes", "risk": "low"}, {"permission": "auto", "risk": "none"}, {"permission": "auto", "risk": 1}, "auto"] {
		effects.reasons == unlisted("Reads (workspace): a.") with input as fixtures.shell([fixtures.effect("read", "path", "a", "workspace")])
			with data.hitl.tiers.effects.path.read.workspace as broken
	}
}

test_opaque if {
	expected := {{
		"rule": "effects.opaque",
		"verdict": "ask",
		"risk": "high",
		"message": "Part of this call cannot be understood: eval, parse-error.",
		"remedy": "Write the call out plainly.",
	}}
	opaque := {"facts": {"opaque": [{"kind": "parse-error", "text": "", "via": ""}, {"kind": "eval", "text": "", "via": ""}]}}
	every kind in ["shell", "file", "mcp", "web", "question"] {
		effects.reasons == expected with input as fixtures.but(fixtures.call("X", kind, []), opaque)
	}
}

test_too_large_asks_at_every_level if {
	opaque := {"facts": {"opaque": [{"kind": "too-large", "text": "", "via": ""}]}}
	found := effects.reasons with input as fixtures.but(fixtures.call("Bash", "shell", []), opaque)
	{"effects.opaque", "effects.too-large"} == {r.rule | some r in found}
	[true] == [r.floor | some r in found; r.rule == "effects.too-large"]
}

test_no_effects if {
	expected := {{
		"rule": "effects.none",
		"verdict": "ask",
		"risk": "medium",
		"message": "It is not known what this Write call does.",
		"remedy": "Name the file, the host or the pattern that is meant.",
	}}
	effects.reasons == expected with input as fixtures.call("Write", "file", [])
}

test_a_command_may_do_nothing if {
	effects.reasons == set() with input as fixtures.shell([])
}
