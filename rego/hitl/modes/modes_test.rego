package hitl.modes_test

import data.hitl.fixtures
import data.hitl.modes

mode(document, name) := fixtures.agent(document, {"mode": name})

plan := {
	"rule": "modes.plan",
	"pack": "modes",
	"verdict": "deny",
	"risk": "medium",
	"message": "Plan mode is read-only: this call would change something, or cannot be shown not to.",
	"remedy": "Present the plan with ExitPlanMode and act after it is approved.",
	"floor": false,
	"waives": [],
}

test_plan_changes_nothing if {
	modes.reasons == {plan} with input as mode(fixtures.editing, "plan")
	modes.reasons == {plan} with input as mode(fixtures.shell([]), "plan")
}

test_plan_reads_and_talks if {
	modes.reasons == set() with input as mode(fixtures.reading, "plan")
	modes.reasons == set() with input as mode(fixtures.call("AskUserQuestion", "question", []), "plan")
	modes.reasons == set() with input as mode(fixtures.call("ExitPlanMode", "plan", []), "plan")
}

written(path, place) := mode(fixtures.call("Write", "file", [fixtures.effect("write", "path", path, place)]), "plan")

test_the_plan_is_written_down if {
	some r in modes.plans with input as written("/home/dev/.claude/plans/a-b.md", "dotfile")
	r.rule == "modes.plan-file"
	r.verdict == "allow"
	modes.reasons == set() with input as written("/home/dev/.claude/plans/a-b.md", "dotfile")
	every name in ["default", "acceptEdits", "bypassPermissions", "dontAsk", "auto"] {
		modes.plans == set() with input as mode(written("/home/dev/.claude/plans/a-b.md", "dotfile"), name)
	}
}

test_nothing_else_is_taken_for_a_plan if {
	every path in [
		"/home/dev/.claude/settings.json",
		"/home/dev/.claude/plans/x/y.md",
		"/home/dev/.claude/plans/x.sh",
		"/home/other/.claude/plans/x.md",
		"/w/.claude/plans/x.md",
	] {
		modes.reasons == {plan} with input as written(path, "dotfile")
		modes.plans == set() with input as written(path, "dotfile")
	}
	modes.reasons == {plan} with input as written("/home/dev/.claude/plans/a.md", "guard")
	modes.reasons == {plan} with input as mode(fixtures.shell([]), "plan")
}

test_other_modes_say_nothing if {
	every name in ["default", "acceptEdits", "bypassPermissions", "dontAsk", "auto"] {
		modes.reasons == set() with input as mode(fixtures.editing, name)
	}
}

test_alone if {
	modes.alone with input as mode(fixtures.reading, "dontAsk")
	modes.alone with input as fixtures.agent(fixtures.reading, {"unattended": true})
	not modes.alone with input as fixtures.reading
}
