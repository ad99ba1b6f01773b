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

given(effects, arguments) := fixtures.but(fixtures.mcp("bank", "transfer", effects, {}), {"call": {"input": arguments}})

test_amount if {
	expected := {{
		"rule": "mcp.amount",
		"verdict": "ask",
		"risk": "critical",
		"message": "mcp__bank__transfer moves 5000; up to 1000 needs no such approval.",
		"remedy": "Split nothing; let a person who may spend it approve.",
	}}
	mcp.reasons == expected with input as given(changes, {"Amount": 5000, "note": 7000})
}

test_small_amount if {
	mcp.reasons == set() with input as given(changes, {"amount": 999})
}

test_amount_that_is_only_looked_up if {
	mcp.reasons == set() with input as given(looks, {"amount": 5000})
}

test_production if {
	expected := {{
		"rule": "mcp.production",
		"verdict": "ask",
		"risk": "critical",
		"message": "mcp__bank__transfer changes Production.",
		"remedy": "Deploy through the pipeline, after review.",
	}}
	mcp.reasons == expected with input as given(changes, {"environment": "Production"})
}

test_staging if {
	mcp.reasons == set() with input as given(changes, {"environment": "staging", "title": "production"})
}

test_looking_at_production if {
	mcp.reasons == set() with input as given(looks, {"environment": "production"})
}

outside(addresses) := {{
	"rule": "mcp.recipient",
	"verdict": "ask",
	"risk": "high",
	"message": sprintf("mcp__bank__transfer reaches people outside: %s.", [addresses]),
	"remedy": "Add the domain to settings.domains if messages belong there.",
}}

test_recipient if {
	mcp.reasons == outside("eve@evil.example") with input as given(changes, {"to": "eve@evil.example"})
		with data.hitl.settings.domains as ["corp.example"]
}

test_recipients_in_a_list if {
	mcp.reasons == outside("eve@evil.example") with input as given(changes, {"cc": ["bob@corp.example", "eve@evil.example"]})
		with data.hitl.settings.domains as ["corp.example"]
}

test_a_look_alike_domain_is_outside if {
	mcp.reasons == outside("bob@notcorp.example") with input as given(changes, {"to": "bob@notcorp.example"})
		with data.hitl.settings.domains as ["corp.example"]
}

test_colleague if {
	mcp.reasons == set() with input as given(changes, {"to": "Bob@Corp.example"})
		with data.hitl.settings.domains as ["corp.example"]
}

test_without_domains_nobody_is_outside if {
	mcp.reasons == set() with input as given(changes, {"to": "eve@evil.example"})
}
