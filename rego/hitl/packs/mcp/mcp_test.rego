package hitl.packs.mcp_test

import data.hitl.fixtures
import data.hitl.main
import data.hitl.packs.mcp

looks := [fixtures.effect("query", "remote", "x", "service")]

changes := [fixtures.effect("configure", "remote", "x", "service")]

test_claims_destructive if {
	expected := {{
		"rule": "mcp.claims-destructive",
		"verdict": "ask",
		"risk": "high",
		"message": "The server says that mcp__crm__tidy may destroy something.",
		"remedy": "Look at what the call names, and approve it.",
	}}
	mcp.reasons == expected with input as fixtures.mcp("crm", "tidy", changes, {"destructive": true})
}

test_destructive_means_nothing_where_it_only_reads if {
	mcp.reasons == set() with input as fixtures.mcp("crm", "get", looks, {"destructive": true, "read_only": true})
}

test_not_destructive if {
	mcp.reasons == set() with input as fixtures.mcp("crm", "tidy", changes, {"destructive": false})
}

test_no_claims if {
	mcp.reasons == set() with input as fixtures.mcp("crm", "tidy", changes, {})
}

test_claims_write if {
	expected := {{
		"rule": "mcp.claims-write",
		"verdict": "allow",
		"risk": "medium",
		"message": "The server does not say that mcp__crm__get is read-only.",
	}}
	mcp.reasons == expected with input as fixtures.mcp("crm", "get", looks, {"read_only": false})
}

test_a_write_may_claim_to_be_one if {
	mcp.reasons == set() with input as fixtures.mcp("crm", "put", changes, {"read_only": false})
}

nobody_knows := [fixtures.effect("execute", "remote", "crm/frob", "unknown")]

puzzle := {"facts": {"opaque": [{"kind": "unknown-program"}]}, "call": {"mcp": {"pinned": true}}}

trusted(effects, said, changes) := fixtures.but(fixtures.but(fixtures.mcp("crm", "frob", effects, said), puzzle), changes)

test_trusted_reader if {
	expected := {{
		"rule": "mcp.trusted-reader",
		"verdict": "allow",
		"risk": "low",
		"message": "crm is trusted, and says that mcp__crm__frob only reads.",
		"waives": ["tier.unknown", "effects.opaque", "effects.tier"],
	}}
	mcp.reasons == expected with input as trusted(nobody_knows, {"read_only": true}, {})
	main.decision.verdict == "allow" with input as trusted(nobody_knows, {"read_only": true}, {})
	main.decision.waived == ["effects.opaque", "effects.tier", "tier.unknown"] with input as trusted(nobody_knows, {"read_only": true}, {})
}

test_a_claim_lowers_nothing_elsewhere if {
	every call in [
		trusted(nobody_knows, {"read_only": true}, {"call": {"mcp": {"pinned": false}}}),
		trusted(nobody_knows, {}, {}),
		trusted(nobody_knows, {"read_only": true, "destructive": true}, {}),
		trusted(nobody_knows, {"read_only": true}, {"facts": {"opaque": [{"kind": "eval"}]}}),
		trusted(array.concat(nobody_knows, [fixtures.effect("read", "path", "/home/dev/.ssh/id_rsa", "credentials")]), {"read_only": true}, {}),
		trusted([fixtures.effect("delete", "remote", "x", "unknown")], {"read_only": true}, {}),
		trusted([fixtures.effect("execute", "remote", "x", "production")], {"read_only": true}, {}),
		trusted([], {"read_only": true}, {}),
	] {
		rules := fixtures.ids(mcp.reasons) with input as call
		not "mcp.trusted-reader" in rules
		main.decision.verdict == "ask" with input as call
	}
}
