package hitl.packs.grants_test

import data.hitl.fixtures
import data.hitl.main
import data.hitl.packs.grants

granted(effects, waives) := fixtures.but(
	fixtures.shell(effects),
	{"approval": {"grant": {"id": "g1", "kind": "equal", "equal": true, "waives": waives, "reviewer": "rita"}}},
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

scoped(effects, grant) := fixtures.but(fixtures.shell(effects), {"approval": {"grant": object.union(
	{"id": "g1", "kind": "scope", "waives": ["effects.tier", "autonomy.level"], "reviewer": "rita", "effects": [like("/opt/")]},
	grant,
)}})

like(directory) := {"verb": "write", "type": "path", "place": "outside", "under": directory}

said(found) := [r.message | some r in found][0]

test_an_unequal_call_is_not_covered if {
	grants.reasons == set() with input as fixtures.but(granted([outside], ["effects.tier"]), {"approval": {"grant": {"equal": false}}})
	grants.reasons == set() with input as fixtures.but(granted([outside], ["effects.tier"]), {"approval": {"grant": {"kind": "other"}}})
}

test_a_scope_covers_what_lies_within if {
	main.decision.verdict == "allow" with input as scoped([outside], {})
	said(grants.reasons) == "rita allowed calls that do no more than this one for a time." with input as scoped([outside], {})
	main.decision.verdict == "allow" with input as scoped([outside, outside], {"effects": [like("/var/"), like("")]})
	main.decision.verdict == "allow" with input as scoped([outside], {"effects": [like("/opt/x")]})
}

test_a_scope_covers_nothing_else if {
	every grant in [
		{"effects": [like("/opt/x/")]},
		{"effects": [like("/opt")]},
		{"effects": [object.union(like("/opt/"), {"verb": "delete"})]},
		{"effects": [object.union(like("/opt/"), {"type": "host"})]},
		{"effects": [object.union(like("/opt/"), {"place": "home"})]},
		{"effects": []},
		{"effects": [object.union(like(""), {"place": "unknown"})]},
		{"tool": "Write"},
		{"agent": "sub"},
		{"session": "other"},
	] {
		grants.reasons == set() with input as scoped([outside], grant)
	}
	unknown := fixtures.effect("write", "path", "/opt/x", "unknown")
	grants.reasons == set() with input as scoped([unknown], {"effects": [object.union(like(""), {"place": "unknown"})]})
	every effects in [[], [outside, fixtures.effect("delete", "path", "/opt/x", "outside")]] {
		grants.reasons == set() with input as scoped(effects, {})
	}
	grants.reasons == set() with input as fixtures.but(scoped([outside], {}), {"facts": {"opaque": [{"kind": "eval"}]}})
}

test_a_scope_names_whose_calls_it_covers if {
	mine := {"tool": "Bash", "session": "s"}
	main.decision.verdict == "allow" with input as scoped([outside], mine)
}

test_a_plan_covers_its_session if {
	plan := {"kind": "plan", "session": "s", "effects": [like("")]}
	main.decision.verdict == "allow" with input as scoped([outside], plan)
	said(grants.reasons) == "rita approved a plan, and this call does nothing that the plan does not cover." with input as scoped([outside], plan)
	grants.reasons == set() with input as scoped([fixtures.effect("publish", "remote", "main", "branch")], plan)
}
