package hitl.packs.mcp_arguments_test

import data.hitl.fixtures
import data.hitl.packs.mcp

looks := [fixtures.effect("query", "remote", "x", "service")]

changes := [fixtures.effect("configure", "remote", "x", "service")]

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
