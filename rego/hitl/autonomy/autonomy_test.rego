package hitl.autonomy_test

import data.hitl.autonomy
import data.hitl.fixtures

suggest := {
	"rule": "autonomy.suggest-only",
	"pack": "autonomy",
	"verdict": "ask",
	"risk": "low",
	"message": "At autonomy level 1 a human decides every call.",
	"remedy": "Approve the call, or give the agent a higher autonomy level.",
	"floor": true,
	"waives": [],
}

over(risk, level) := {
	"rule": "autonomy.level",
	"pack": "autonomy",
	"verdict": "ask",
	"risk": risk,
	"message": sprintf("Risk %s is more than autonomy level %v runs alone.", [risk, level]),
	"remedy": "Approve the call, or give the agent a higher autonomy level.",
	"floor": false,
	"waives": [],
}

at(document, level) := fixtures.agent(document, {"level": level})

running := fixtures.shell([fixtures.effect("execute", "code", "pytest", "workspace")])

pushing := fixtures.shell([fixtures.effect("publish", "remote", "main", "protected-branch")])

persisting := fixtures.shell([fixtures.effect("write", "path", "/etc/cron.d/x", "autostart")])

test_level_1_asks_everything if {
	autonomy.reasons == {suggest} with input as at(fixtures.reading, 1)
}

test_level_2_reads_alone if {
	autonomy.reasons == set() with input as at(fixtures.reading, 2)
}

test_level_2_asks_for_more_than_reading if {
	autonomy.reasons == {over("medium", 2)} with input as at(fixtures.editing, 2)
	autonomy.reasons == {over("medium", 2)} with input as at(running, 2)
}

# Low risk is not enough at level 2: it must be read-only too.
test_level_2_does_not_write_at_low_risk if {
	autonomy.reasons == {over("low", 2)} with input as at(fixtures.shell([fixtures.effect("write", "path", "/dev/null", "null")]), 2)
}

test_level_3_runs_medium_risk if {
	autonomy.reasons == set() with input as at(fixtures.editing, 3)
	autonomy.reasons == set() with input as at(running, 3)
}

test_level_3_asks_for_high_risk if {
	autonomy.reasons == {over("high", 3)} with input as at(pushing, 3)
}

test_level_4_runs_high_risk if {
	autonomy.reasons == set() with input as at(pushing, 4)
}

test_level_4_asks_for_critical_risk if {
	autonomy.reasons == {over("critical", 4)} with input as at(persisting, 4)
}

test_a_level_that_does_not_exist_is_1 if {
	every level in [0, 5, 2.5, -1, "3"] {
		autonomy.level == 1 with input as at(fixtures.reading, level)
	}
}

test_bypass_only_where_it_is_allowed if {
	bypassing := fixtures.agent(fixtures.reading, {"mode": "bypassPermissions"})
	autonomy.level == 3 with input as bypassing
	autonomy.level == 4 with input as bypassing with data.hitl.settings.allow_bypass as true
	autonomy.level == 3 with input as bypassing with data.hitl.settings.allow_bypass as "yes"
	autonomy.level == 3 with input as fixtures.reading with data.hitl.settings.allow_bypass as true
}

accepting(document, level) := fixtures.agent(document, {"level": level, "mode": "acceptEdits"})

test_accepted_edits_run_from_level_2 if {
	autonomy.reasons == set() with input as accepting(fixtures.editing, 2)
	autonomy.reasons == {suggest_medium} with input as accepting(fixtures.editing, 1)
}

suggest_medium := object.union(suggest, {"risk": "medium"})

test_accepting_edits_accepts_nothing_else if {
	autonomy.reasons == {over("medium", 2)} with input as accepting(running, 2)
	env := fixtures.call("Write", "file", [fixtures.effect("write", "path", ".env", "env-file")])
	autonomy.reasons == {over("high", 2)} with input as accepting(env, 2)
}

test_an_edit_of_high_risk_is_not_accepted if {
	risky := fixtures.but(accepting(fixtures.editing, 2), {"call": {"claimed_risk": "high"}})
	autonomy.reasons == {over("high", 2)} with input as risky
}

test_holds if {
	plain := {"floor": false, "risk": "high"}
	autonomy.holds(plain) with input as at(fixtures.reading, 3)
	not autonomy.holds(plain) with input as at(fixtures.reading, 4)
	autonomy.holds({"floor": true, "risk": "low"}) with input as at(fixtures.reading, 4)
	autonomy.holds({"floor": false, "risk": "critical"}) with input as at(fixtures.reading, 4)
}

test_a_broken_level_runs_nothing_alone if {
	autonomy.reasons == {over("low", 2)} with input as at(fixtures.reading, 2) with data.hitl.settings.levels as {"2": "all"}
	autonomy.reasons == {over("low", 3)} with input as at(fixtures.reading, 3) with data.hitl.settings.levels as {"3": 7}
}

earning(document, level, risk, earned) := fixtures.agent(document, {"level": level, "earned": [{"risk": risk, "level": earned}]})

ids(found) := {r.rule | some r in found}

test_an_earned_level_counts_for_its_risk if {
	autonomy.level == 3 with input as earning(running, 1, "medium", 3)
	autonomy.level == 1 with input as earning(running, 1, "low", 2)
	autonomy.level == 2 with input as earning(fixtures.reading, 1, "low", 2)
	ids(autonomy.reasons) == {"autonomy.earned"} with input as earning(running, 1, "medium", 3)
}

test_an_earned_level_never_takes_away if {
	autonomy.level == 4 with input as earning(running, 4, "medium", 3)
	ids(autonomy.reasons) == set() with input as earning(running, 4, "medium", 3)
}

test_earned_levels_are_capped if {
	autonomy.level == 3 with input as earning(running, 1, "medium", 4)
	autonomy.level == 1 with input as earning(pushing, 1, "critical", 4)
}

test_what_cannot_be_undone_earns_less if {
	wiping := fixtures.shell([object.union(fixtures.effect("execute", "code", "x", "workspace"), {"traits": ["irreversible"]})])
	autonomy.level == 2 with input as earning(wiping, 1, "medium", 3)
}

test_a_sample_is_seen_by_people if {
	drawn := object.union(earning(running, 1, "medium", 3), {"context": {"draw": 0.05}})
	autonomy.level == 1 with input as drawn
	ids(autonomy.reasons) == {"autonomy.suggest-only"} with input as drawn
}

test_frozen_is_level_1_whatever_else if {
	every mode in ["default", "bypassPermissions", "acceptEdits"] {
		document := fixtures.agent(earning(running, 4, "medium", 3), {"frozen": true, "mode": mode})
		autonomy.level == 1 with input as document with data.hitl.settings.allow_bypass as true
		ids(autonomy.reasons) == {"autonomy.suggest-only", "autonomy.frozen"} with input as document
	}
}

test_documents_without_these_fields_are_judged_as_before if {
	autonomy.level == 3 with input as object.remove(running, ["context"])
	autonomy.level == 3 with input as object.union(object.remove(running, ["agent"]), {"agent": {"level": 3, "mode": "default"}})
}
