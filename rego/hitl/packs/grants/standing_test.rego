package hitl.packs.grants_test

import data.hitl.fixtures
import data.hitl.main
import data.hitl.packs.grants

granted(effects, waives) := fixtures.but(
	fixtures.shell(effects),
	{"approval": {"grant": {"id": "g1", "waives": waives, "reviewer": "rita"}}},
)

outside := fixtures.effect("write", "path", "/opt/x", "outside")

test_a_grant_is_a_reason if {
	expected := {{
		"rule": "grants.standing",
		"verdict": "allow",
		"risk": "low",
		"message": "rita allowed calls equal to this one for a time.",
		"remedy": "Revoke the grant to be asked again.",
		"waives": ["effects.tier"],
	}}
	grants.reasons == expected with input as granted([outside], ["effects.tier"])
}

test_no_grant if {
	grants.reasons == set() with input as fixtures.shell([outside])
}

test_a_grant_lifts_what_asked if {
	main.decision.verdict == "allow" with input as granted([outside], ["effects.tier", "autonomy.level"])
}

test_a_grant_lifts_nothing_else if {
	main.decision.verdict == "ask" with input as granted([outside], ["files.unbounded"])
}

test_a_grant_lifts_no_deny if {
	main.decision.verdict == "deny" with input as granted(
		[fixtures.effect("delete", "path", "/", "root")],
		["files.root", "effects.tier", "autonomy.level"],
	)
}
