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

noted(place) := mode(fixtures.call("Write", "file", [note(place)]), "plan")

note(place) := object.union(fixtures.effect("write", "path", "/home/dev/.claude/plans/a-b.md", place), {"traits": ["plan"]})

test_the_plan_is_written_down if {
	every place in ["dotfile", "home", "outside", "temp"] {
		some r in modes.plans with input as noted(place)
		r.rule == "modes.plan-file"
		r.verdict == "allow"
		modes.reasons == set() with input as noted(place)
	}
	every name in ["default", "acceptEdits", "bypassPermissions", "dontAsk", "auto"] {
		modes.plans == set() with input as mode(noted("dotfile"), name)
	}
}

test_nothing_else_is_taken_for_a_plan if {
	modes.reasons == {plan} with input as written("/home/dev/.claude/settings.json", "dotfile")
	modes.plans == set() with input as written("/home/dev/.claude/settings.json", "dotfile")
	modes.reasons == {plan} with input as noted("guard")
	modes.plans == set() with input as noted("guard")
	two := fixtures.call("Write", "file", [note("dotfile"), fixtures.effect("write", "path", "x", "workspace")])
	modes.reasons == {plan} with input as mode(two, "plan")
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
