package hitl.asking_test

import data.hitl.asking
import data.hitl.fixtures

one(type) := found if {
	some o in asking.obligations
	o.type == type
	found := o.properties
}

types := {o.type | some o in asking.obligations}

demand(type, properties) := {"id": sprintf("custom.%s", [type]), "type": type, "properties": properties}

pushing := fixtures.shell([fixtures.effect("publish", "remote", "main", "protected-branch")])

persisting := fixtures.shell([fixtures.effect("write", "path", "/etc/cron.d/x", "autostart")])

test_approval if {
	expected := {
		"permission": "confirm",
		"quorum": 1,
		"approvers": [],
		"each": [],
		"expires_in": 86400,
		"execution_expires_in": 1800,
		"lease": 3600,
		"on_timeout": "deny",
		"escalation": [],
		"channels": [],
		"durable": false,
		"covers": {},
	}
	one("approval") == expected with input as pushing
}

test_critical_needs_a_named_approver if {
	one("approval").permission == "approve" with input as persisting
	one("approval").approvers == ["ops"] with input as persisting with data.hitl.settings.approvers as ["ops"]
	one("approval").each == [["ops"]] with input as persisting with data.hitl.settings.approvers as ["ops"]
	one("approval").approvers == [] with input as pushing with data.hitl.settings.approvers as ["ops"]
}

test_the_tools_tier_needs_a_named_approver if {
	one("approval").permission == "approve" with input as fixtures.call("deploy", "function", [fixtures.effect("query", "remote", "x", "service")])
}

test_an_effects_tier_needs_a_named_approver if {
	one("approval").permission == "approve" with input as pushing
		with data.hitl.tiers.effects.remote.publish["protected-branch"] as {"permission": "approve", "risk": "high"}
}

test_a_rule_demands_a_named_approver if {
	one("approval").permission == "approve" with input as pushing with data.hitl.custom.obligations as {demand("approval", {"permission": "approve"})}
}

test_merged_strictest if {
	demands := {
		demand("approval", {"quorum": 2, "approvers": ["dba"], "expires_in": 600, "on_timeout": "escalate", "escalation": [{"after": 60, "to": ["lead"]}], "channels": ["dbas"]}),
		demand("approval", {"quorum": 3, "channels": ["ops", "dbas"], "approvers": ["ops", "dba"], "execution_expires_in": 60, "on_timeout": "park"}),
	}
	approval := one("approval") with input as pushing with data.hitl.custom.obligations as demands
	approval == {
		"permission": "confirm",
		"quorum": 3,
		"approvers": ["dba", "ops"],
		"each": [["dba"], ["dba", "ops"]],
		"expires_in": 600,
		"execution_expires_in": 60,
		"lease": 3600,
		"on_timeout": "deny",
		"escalation": [{"after": 60, "to": ["lead"]}],
		"channels": ["dbas", "ops"],
		"durable": false,
		"covers": {},
	}
}

# Two rules that name different groups both mean it: one approver is not enough.
test_every_group if {
	demands := {demand("approval", {"approvers": ["dba"]}), demand("approval", {"approvers": ["ops"]})}
	approval := one("approval") with input as pushing with data.hitl.custom.obligations as demands
	approval.quorum == 2
	approval.each == [["dba"], ["ops"]]
}

test_a_demand_does_not_loosen if {
	approval := one("approval") with input as pushing with data.hitl.custom.obligations as {demand("approval", {"expires_in": 9999999, "on_timeout": "park"})}
	approval.expires_in == 86400
	approval.on_timeout == "deny"
}

waiting(on_timeout) := object.union(data.hitl.tiers.approval.high, {"on_timeout": on_timeout})

test_on_timeout if {
	one("approval").on_timeout == "escalate" with input as pushing with data.hitl.tiers.approval.high as waiting("escalate")
	one("approval").on_timeout == "park" with input as pushing with data.hitl.tiers.approval.high as waiting("park")
	one("approval").on_timeout == "deny" with input as pushing
		with data.hitl.tiers.approval.high as waiting("park")
		with data.hitl.custom.obligations as {demand("approval", {"on_timeout": "escalate"})}
}

test_what_is_critical_takes_two_where_approvers_are_configured if {
	one("approval").quorum == 2 with input as persisting with data.hitl.settings.approvers as ["ops"]
	one("approval").quorum == 1 with input as persisting
}

test_the_lease_is_the_shortest if {
	one("approval").lease == 60 with input as pushing with data.hitl.custom.obligations as {demand("approval", {"lease": 60})}
}

allowing := object.union(data.hitl.tiers.approval.low, {"on_timeout": "allow"})

test_low_and_reversible_may_run_though_nobody_decided if {
	one("approval").on_timeout == "allow" with input as fixtures.agent(fixtures.reading, fixtures.sure(0.6)) with data.hitl.tiers.approval.low as allowing
	one("approval").on_timeout == "deny" with input as fixtures.agent(fixtures.reading, fixtures.sure(0.6))
}

test_a_plan_covers_what_the_settings_say if {
	plan := fixtures.agent(fixtures.call("ExitPlanMode", "plan", [fixtures.effect("ask", "person", "", "unknown")]), {"level": 2})
	one("approval").covers == data.hitl.settings.plan with input as plan
}

test_durable if {
	one("approval").durable with input as fixtures.but(pushing, {"agent": {"mode": "dontAsk"}, "context": {"durable": true}})
	one("approval").durable == false with input as fixtures.but(pushing, {"context": {"durable": true}})
}

question := {
	"question": "The agent is not sure about this Read call. What should it do?",
	"header": "Clarify",
	"multiSelect": false,
	"options": [
		{"label": "Run it", "description": "The call is what I want; run it as it is."},
		{"label": "Do not run it", "description": "The call is not what I want."},
	],
}

unsure := fixtures.agent(fixtures.reading, fixtures.sure(0.6))

test_clarify if {
	one("clarify") == {"questions": [question]} with input as unsure
}

test_a_rule_clarifies if {
	asked := {"question": "Which account?", "header": "Clarify", "multiSelect": false, "options": []}
	one("clarify") == {"questions": [asked, question]} with input as unsure with data.hitl.custom.obligations as {demand("clarify", {"questions": [{"question": "Which account?"}]})}
}

test_context if {
	one("context") == {"full": true} with input as fixtures.agent(fixtures.reading, fixtures.sure(0.2))
	one("context") == {"full": true} with input as fixtures.reading with data.hitl.custom.obligations as {demand("context", {})}
	types == {"approval"} with input as pushing
}
