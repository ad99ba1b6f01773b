package hitl.combine_test

import data.hitl.combine
import data.hitl.fixtures

custom(id, verdict, changes) := object.union({"rule": id, "verdict": verdict, "risk": "low", "message": id}, changes)

test_allow if {
	combine.verdict == "allow" with input as fixtures.reading
	combine.risk == "low" with input as fixtures.reading
}

test_ask_beats_allow if {
	combine.verdict == "ask" with input as fixtures.reading with data.hitl.custom.reasons as {custom("custom.a", "ask", {})}
}

test_deny_beats_ask if {
	combine.verdict == "deny" with input as fixtures.reading
		with data.hitl.custom.reasons as {custom("custom.a", "ask", {}), custom("custom.b", "deny", {})}
}

test_risk_is_the_highest_left if {
	combine.risk == "high" with input as fixtures.reading with data.hitl.custom.reasons as {custom("custom.a", "allow", {"risk": "high"})}
}

test_what_modes_autonomy_and_confidence_say_counts if {
	"modes.plan" in fixtures.ids(combine.stated) with input as fixtures.agent(fixtures.editing, {"mode": "plan"})
	"autonomy.suggest-only" in fixtures.ids(combine.stated) with input as fixtures.agent(fixtures.reading, {"level": 1})
	"confidence.escalate" in fixtures.ids(combine.stated) with input as fixtures.agent(fixtures.reading, fixtures.sure(0.1))
}

test_the_level_may_be_waived if {
	running := fixtures.agent(fixtures.shell([fixtures.effect("execute", "code", "pytest", "workspace")]), {"level": 2})
	combine.verdict == "ask" with input as running
	combine.verdict == "allow" with input as running with data.hitl.custom.reasons as {custom("custom.a", "allow", {"waives": ["autonomy.level"]})}
	combine.waived == {"autonomy.level"} with input as running with data.hitl.custom.reasons as {custom("custom.a", "allow", {"waives": ["autonomy.level"]})}
}

test_level_1_may_not_be_waived if {
	combine.verdict == "ask" with input as fixtures.agent(fixtures.reading, {"level": 1})
		with data.hitl.custom.reasons as {custom("custom.a", "allow", {"waives": ["autonomy.suggest-only"]})}
}

test_what_packs_had_waived_is_told if {
	combine.waived == {"custom.b"} with input as fixtures.reading
		with data.hitl.custom.reasons as {custom("custom.a", "allow", {"waives": ["custom.b"]}), custom("custom.b", "ask", {})}
}

fault(id, message, remedy) := {
	"rule": id,
	"pack": "main",
	"verdict": "deny",
	"risk": "critical",
	"message": message,
	"remedy": remedy,
	"floor": false,
	"waives": [],
}

test_sound_calls_have_no_faults if {
	combine.faults == set() with input as fixtures.reading
}

test_version if {
	expected := {fault("main.input-version", "The input document is not of the version that this policy judges.", "Use the policy bundle and the adapter of the same release.")}
	combine.faults == expected with input as fixtures.but(fixtures.reading, {"version": "2"})
	combine.faults == expected with input as object.remove(fixtures.reading, ["version"])
	combine.verdict == "deny" with input as fixtures.but(fixtures.reading, {"version": "2"})
}

test_malformed_reason if {
	expected := {fault("main.malformed-reason", "A policy rule contributed something that is no reason.", "A reason is {rule, verdict, risk, message}, with remedy, floor and waives where wanted.")}
	combine.faults == expected with input as fixtures.reading with data.hitl.custom.reasons as {"deny"}
	combine.verdict == "deny" with input as fixtures.reading with data.hitl.custom.reasons as {"deny"}
}

test_malformed_obligation if {
	expected := {fault("main.malformed-obligation", "A policy rule contributed something that is no obligation.", "An obligation is {id, type, properties}; see the obligations that there are.")}
	combine.faults == expected with input as fixtures.reading with data.hitl.custom.obligations as {"monitor"}
}

test_rewrite_conflict if {
	expected := {fault("main.rewrite-conflict", "Two policy rules rewrite this call differently.", "Let one rule rewrite a call.")}
	combine.faults == expected with input as fixtures.reading
		with data.hitl.custom.obligations as {
			{"id": "custom.a", "type": "rewrite", "properties": {"input": {"a": 1}}},
			{"id": "custom.b", "type": "rewrite", "properties": {"input": {"a": 2}}},
		}
}

test_a_demanded_approval_asks if {
	approval := {{"id": "custom.o", "type": "approval", "properties": {"quorum": 2}}}
	expected := {
		"rule": "main.approval-demanded",
		"pack": "main",
		"verdict": "ask",
		"risk": "low",
		"message": "A policy rule demands that a human answers this call.",
		"remedy": "Approve the call.",
		"floor": true,
		"waives": [],
	}
	expected in combine.stated with input as fixtures.reading with data.hitl.custom.obligations as approval
	combine.verdict == "ask" with input as fixtures.agent(fixtures.reading, {"level": 4}) with data.hitl.custom.obligations as approval
}

asking := fixtures.shell([fixtures.effect("publish", "remote", "main", "protected-branch")])

alone(document, durable) := fixtures.but(document, {"agent": {"unattended": true}, "context": {"durable": durable}})

test_nobody_is_there if {
	expected := {{
		"rule": "modes.unattended",
		"pack": "modes",
		"verdict": "deny",
		"risk": "high",
		"message": "This call needs a human, and nobody is there to ask.",
		"remedy": "Configure an approval store, or run the agent with a reviewer.",
		"floor": false,
		"waives": [],
	}}
	combine.nobody == expected with input as alone(asking, false)
	combine.verdict == "deny" with input as alone(asking, false)
	combine.ordered[0].rule == "modes.unattended" with input as alone(asking, false)
}

test_a_store_waits if {
	combine.nobody == set() with input as alone(asking, true)
	combine.verdict == "ask" with input as alone(asking, true)
}

test_nobody_is_needed if {
	combine.nobody == set() with input as alone(fixtures.reading, false)
	combine.nobody == set() with input as asking
	combine.nobody == set() with input as alone(fixtures.shell([fixtures.effect("delete", "path", "/", "root")]), false)
}

test_without_a_tier_there_is_no_verdict if {
	not decided with input as fixtures.reading with data.hitl.tier.reasons as set()
	not decided with input as asking with data.hitl.tier.reasons as set()
}

decided if combine.verdict in ["allow", "ask", "deny"]

test_level_4_shows_what_it_relaxed if {
	pushing := fixtures.agent(asking, {"level": 4})
	combine.verdict == "allow" with input as pushing
	some r in combine.ordered with input as pushing
	r.rule == "remotes.protected-branch"
	r.verdict == "allow"
	r.message == "This changes a protected branch without a review: main. (level 4 runs it, watched)"
}

test_level_3_shows_asks_as_they_are if {
	[r.verdict | some r in combine.ordered; r.rule == "remotes.protected-branch"] == ["ask"] with input as asking
}

# Strictest, riskiest, most specific, then by name and message.
test_order if {
	rules := [r.rule | some r in combine.ordered] with input as fixtures.agent(asking, {"mode": "plan", "level": 1})
		with data.hitl.custom.reasons as {custom("custom.a", "ask", {"risk": "critical"})}
	rules == ["modes.plan", "custom.a", "autonomy.suggest-only", "remotes.protected-branch", "effects.tier", "tier.tool"]
}

test_equal_rules_are_ordered_by_message if {
	messages := [r.message | some r in combine.ordered; r.rule == "custom.a"] with input as fixtures.reading
		with data.hitl.custom.reasons as {custom("custom.a", "ask", {"message": "b"}), custom("custom.a", "ask", {"message": "a"})}
	messages == ["a", "b"]
}
