package hitl.gather_test

import data.hitl.fixtures
import data.hitl.gather

# One call for each pack that only that pack has something to say about, besides effects and tier.
heard(document) := ids if {
	ids := {r.pack | some r in gather.kept} with input as document
}

test_every_pack_is_heard if {
	heard(fixtures.reading) == {"effects", "tier"}
	heard(fixtures.shell([fixtures.effect("write", "path", "x", "ci")])) == {"effects", "tier", "files"}
	heard(fixtures.shell([fixtures.effect("execute", "path", "hitl.yaml", "guard")])) == {"effects", "tier", "self"}
	heard(fixtures.shell([fixtures.effect("receive", "host", "169.254.169.254", "metadata")])) == {"effects", "tier", "network"}
	heard(fixtures.shell([fixtures.effect("execute", "code", "x", "remote")])) == {"effects", "tier", "network"}
	heard(fixtures.shell([fixtures.marked("execute", "process", "x", "own", ["reverse-shell"])])) == {"effects", "tier", "network"}
	heard(fixtures.shell([fixtures.marked("execute", "process", "x", "own", ["listen"])])) == {"effects", "tier", "network"}
	heard(fixtures.shell([fixtures.effect("publish", "remote", "main", "protected-branch")])) == {"effects", "tier", "remotes"}
	heard(fixtures.shell([fixtures.effect("write", "database", "app", "production")])) == {"effects", "tier", "remotes"}
	heard(fixtures.shell([fixtures.marked("write", "path", "x", "workspace", ["elevated"])])) == {"effects", "tier", "shell"}
	heard(fixtures.mcp("x", "get", [fixtures.effect("query", "remote", "x", "service")], {"read_only": false})) == {"effects", "tier", "mcp"}
	heard(fixtures.but(fixtures.call("f", "function", [fixtures.effect("write", "path", "x", "workspace")]), {"call": {"input": {"amount": 5000}}})) == {"effects", "tier", "mcp"}
	heard(fixtures.but(fixtures.reading, {"facts": {"sql": [{"verb": "drop", "tables": [], "where": false}]}})) == {"effects", "tier", "sql"}
	heard(fixtures.but(fixtures.editing, {"context": {"counters": {"repeats": 99}}})) == {"effects", "tier", "sequences"}
}

test_sequences_are_heard if {
	mail := fixtures.shell([fixtures.effect("send", "person", "a@b.example", "unknown")])
	heard(fixtures.but(mail, {"context": {"taint": {"untrusted": true}}})) == {"effects", "tier", "sequences"}
	heard(fixtures.but(mail, {"context": {"taint": {"secrets": true}}})) == {"effects", "tier", "sequences"}
}

test_secrets_are_heard if {
	heard(fixtures.shell([fixtures.effect("read", "path", "x", "credentials")])) == {"effects", "tier", "secrets"}
	heard(fixtures.shell([fixtures.effect("write", "path", "x", "env-file")])) == {"effects", "tier", "secrets"}
	heard(fixtures.shell([fixtures.effect("read", "secret", "x", "unknown")])) == {"effects", "tier", "secrets"}
	heard(fixtures.shell([fixtures.marked("read", "process", "x", "own", ["secret"])])) == {"effects", "tier", "secrets"}
	heard(fixtures.but(
		fixtures.shell([fixtures.effect("send", "account", "x", "remote")]),
		{"facts": {"secrets": [{"kind": "token", "pointer": "/x"}]}},
	)) == {"effects", "tier", "secrets"}
}

custom(verdict, changes) := object.union({"rule": "custom.x", "verdict": verdict, "risk": "low", "message": "m"}, changes)

test_custom_is_heard if {
	expected := {"rule": "custom.x", "pack": "custom", "verdict": "deny", "risk": "low", "message": "m", "remedy": "", "floor": false, "waives": []}
	expected in gather.kept with input as fixtures.reading
		with data.hitl.custom.reasons as {custom("deny", {})}
}

# A rule does not choose its pack.
test_pack_is_forced if {
	packs := {r.pack | some r in gather.kept} with input as fixtures.reading
		with data.hitl.custom.reasons as {custom("deny", {"pack": "self"})}
	packs == {"effects", "tier", "custom"}
}

writing_secrets := fixtures.call("Write", "file", [fixtures.effect("write", "path", ".env", "env-file")])

test_waived if {
	waiver := custom("allow", {"waives": ["secrets.write", "effects.tier"]})
	gather.waived == {"secrets.write", "effects.tier"} with input as writing_secrets with data.hitl.custom.reasons as {waiver}
	fixtures.ids(gather.kept) == {"custom.x", "tier.tool"} with input as writing_secrets with data.hitl.custom.reasons as {waiver}
	gather.risk == "low" with input as writing_secrets with data.hitl.custom.reasons as {waiver}
}

test_not_waived if {
	gather.waived == set() with input as writing_secrets
	gather.risk == "high" with input as writing_secrets
}

test_only_the_named_ask_is_waived if {
	fixtures.ids(gather.kept) == {"custom.x", "tier.tool", "effects.tier"} with input as writing_secrets
		with data.hitl.custom.reasons as {custom("allow", {"waives": ["secrets.write"]})}
}

other(verdict, changes) := object.union({"rule": "custom.y", "verdict": verdict, "risk": "low", "message": "m"}, changes)

test_denies_floors_and_criticals_are_not_waived if {
	every r in [other("deny", {}), other("ask", {"floor": true}), other("ask", {"risk": "critical"})] {
		waiver := custom("allow", {"waives": ["custom.y"]})
		gather.waived == set() with input as fixtures.reading with data.hitl.custom.reasons as {r, waiver}
		"custom.y" in fixtures.ids(gather.kept) with input as fixtures.reading with data.hitl.custom.reasons as {r, waiver}
	}
}

test_an_ask_may_be_waived if {
	gather.waived == {"custom.y"} with input as fixtures.reading
		with data.hitl.custom.reasons as {other("ask", {}), custom("allow", {"waives": ["custom.y"]})}
}

test_well_formed if {
	not gather.malformed with input as fixtures.reading
	not gather.malformed with input as fixtures.reading with data.hitl.custom.reasons as {custom("ask", {})}
	not gather.malformed with input as fixtures.reading with data.hitl.custom.reasons as [custom("ask", {})]
	not gather.malformed with input as fixtures.reading with data.hitl.custom.reasons as {"x": custom("ask", {})}
}

test_malformed if {
	every wrong in [
		"deny",
		7,
		{"rule": "custom.x"},
		custom("block", {}),
		custom("ask", {"risk": "terrible"}),
		custom("ask", {"message": 7}),
		custom("ask", {"rule": 7}),
		custom("ask", {"remedy": 7}),
		custom("ask", {"floor": "yes"}),
		custom("ask", {"waives": "secrets.write"}),
	] {
		gather.malformed with input as fixtures.reading with data.hitl.custom.reasons as {wrong}
	}
}

test_reasons_that_are_no_collection_are_malformed if {
	every wrong in ["deny", 7, true] {
		gather.malformed with input as fixtures.reading with data.hitl.custom.reasons as wrong
	}
}
