package hitl.approvals_test

import data.hitl.approvals.vote

base := {
	"version": "1",
	"time": 1000,
	"matter": {
		"id": "a1",
		"kind": "call",
		"tool": "Bash",
		"risk": "high",
		"agent": "sub",
		"principal": "anna",
		"edited_by": "",
		"quorum": 1,
		"approvers": [],
		"each": [],
		"escalated_to": [],
	},
	"voter": {"name": "rita", "groups": [], "roles": ["reviewer"], "auth": "login", "authenticated_at": 900},
	"approves": true,
	"channel": "inbox",
	"cast": [],
}

ballot(changes) := object.union(base, changes)

yes(reviewer, groups) := {"reviewer": reviewer, "groups": groups, "approves": true}

no(reviewer) := {"reviewer": reviewer, "groups": [], "approves": false}

counts(outcome) := {"counts": true, "rule": "", "reason": "", "outcome": outcome}

test_one_is_enough if {
	vote == counts("approved") with input as base
}

test_one_rejection_denies if {
	vote == counts("denied") with input as ballot({"approves": false})
	vote == counts("denied") with input as ballot({"cast": [no("carl")]})
}

test_a_quorum_is_of_people if {
	two := {"matter": {"quorum": 2}}
	vote == counts("pending") with input as ballot(two)
	vote == counts("approved") with input as ballot(object.union(two, {"cast": [yes("carl", [])]}))
}

test_nobody_counts_twice if {
	twice := ballot({"matter": {"quorum": 2}, "cast": [yes("rita", [])]})
	vote.rule == "approvals.twice" with input as twice
	vote.reason == "rita has voted on this approval already." with input as twice
	vote.counts == false with input as twice
	vote.rule == "approvals.twice" with input as ballot({"approves": false, "cast": [yes("rita", [])]})
}

named := {"approvers": ["ops", "sec"], "each": [["ops"], ["sec"]], "quorum": 2}

test_named_approvers if {
	nobody := ballot({"matter": named})
	vote.rule == "approvals.approvers" with input as nobody
	vote.reason == "This call needs an approver of ops, sec; rita is none of them." with input as nobody
	vote == counts("pending") with input as ballot({"matter": named, "voter": {"groups": ["ops"]}})
	vote == counts("pending") with input as ballot({"matter": object.union(named, {"approvers": ["rita", "ops", "sec"]})})
}

test_one_of_each_list if {
	mine := {"matter": named, "voter": {"groups": ["ops"]}}
	vote == counts("pending") with input as ballot(object.union(mine, {"cast": [yes("carl", ["ops"])]}))
	vote == counts("approved") with input as ballot(object.union(mine, {"cast": [yes("carl", ["sec"])]}))
	vote == counts("approved") with input as ballot({
		"matter": {"approvers": ["rita"], "each": [["rita"]]},
		"voter": {"groups": []},
	})
	vote == counts("approved") with input as ballot({
		"matter": {"approvers": ["carl", "rita"], "each": [["carl"], ["rita"]], "quorum": 2},
		"cast": [yes("carl", [])],
	})
}

test_whom_the_escalation_brought_in_may_stand_in if {
	stood := object.union(named, {"escalated_to": ["boss"]})
	vote == counts("pending") with input as ballot({"matter": stood, "voter": {"name": "boss"}})
	vote == counts("approved") with input as ballot({
		"matter": stood,
		"voter": {"name": "boss"},
		"cast": [yes("carl", ["ops"])],
	})
	vote == counts("approved") with input as ballot({
		"matter": stood,
		"voter": {"groups": ["boss"]},
		"cast": [yes("carl", ["ops"])],
	})
}

test_critical_takes_two_where_approvers_are_configured if {
	critical := {"matter": {"risk": "critical", "approvers": ["ops"], "each": [["ops"]]}, "voter": {"groups": ["ops"]}}
	vote == counts("pending") with input as ballot(critical)
	vote == counts("approved") with input as ballot(object.union(critical, {"cast": [yes("carl", ["ops"])]}))
	three := object.union(critical, {"matter": {"quorum": 3}, "cast": [yes("carl", ["ops"])]})
	vote == counts("pending") with input as ballot(three)
	vote == counts("approved") with input as ballot({"matter": {"risk": "critical"}})
}

test_nobody_approves_their_own if {
	own := {"voter": {"name": "anna", "groups": ["ops"]}}
	vote == counts("approved") with input as ballot(own)
	vote.rule == "approvals.self" with input as ballot(object.union(own, {"matter": {"quorum": 2}}))
	vote.rule == "approvals.self" with input as ballot(object.union(own, {"matter": {"approvers": ["ops"], "each": [["ops"]]}}))
	vote == counts("denied") with input as ballot(object.union(own, {"matter": {"quorum": 2}, "approves": false}))
}

test_an_agent_decides_nothing if {
	vote.rule == "approvals.agent" with input as ballot({"voter": {"name": "sub"}})
	vote.rule == "approvals.agent" with input as ballot({"voter": {"name": "sub"}, "approves": false})
}

test_roles if {
	vote.rule == "approvals.role" with input as ballot({"voter": {"roles": ["viewer"]}})
	vote.rule == "approvals.role" with input as ballot({"voter": {"roles": []}, "approves": false})
	vote.rule == "approvals.role" with input as ballot({"voter": {"name": ""}, "matter": {"agent": ""}})
	vote == counts("approved") with input as ballot({"voter": {"roles": ["admin", "viewer"]}})
}

test_channels if {
	vote.rule == "approvals.channel" with input as ballot({"channel": "slack"})
	vote.reason == "What is of high risk cannot be approved by way of slack." with input as ballot({"channel": "slack"})
	vote.rule == "approvals.channel" with input as ballot({"channel": ""})
	vote == counts("denied") with input as ballot({"channel": "slack", "approves": false})
	every risk in ["low", "medium"] {
		vote == counts("approved") with input as ballot({"channel": "email", "matter": {"risk": risk}})
	}
	vote.rule == "approvals.channel" with input as ballot({"channel": "api", "matter": {"risk": "critical"}})
}

at(time) := ballot({"matter": {"risk": "critical"}, "voter": {"authenticated_at": time}})

test_what_was_changed_is_looked_at_first if {
	changed := {"matter": {"risk": "low", "edited_by": "bob"}, "channel": "slack"}
	vote.rule == "approvals.edited" with input as ballot(changed)
	vote.reason == "bob changed this call, and slack may still show what it was: look at it first." with input as ballot(changed)
	vote == counts("approved") with input as ballot(object.union(changed, {"channel": "inbox"}))
	vote == counts("approved") with input as ballot(object.union(changed, {"voter": {"name": "bob"}}))
	vote == counts("denied") with input as ballot(object.union(changed, {"approves": false}))
}

test_critical_takes_a_fresh_login if {
	vote == counts("approved") with input as at(700)
	vote == counts("approved") with input as at(1005)
	every time in [0, 699, 1006, -1] {
		vote.rule == "approvals.fresh" with input as at(time)
	}
	vote.reason == "What is of critical risk takes a login of the last 300 seconds; log in again." with input as at(0)
	vote == counts("denied") with input as ballot({"matter": {"risk": "critical"}, "voter": {"authenticated_at": 0}, "approves": false})
	early := ballot({"time": 100, "matter": {"risk": "critical"}, "voter": {"authenticated_at": 0}})
	vote.rule == "approvals.fresh" with input as early
}

undefined := {
	"counts": false,
	"rule": "approvals.undefined",
	"reason": "The policy could not judge this vote.",
	"outcome": "pending",
}

test_a_ballot_that_is_none if {
	every wrong in [
		{"version": "2"},
		{"time": "now"},
		{"approves": "yes"},
		{"channel": 7},
		{"matter": {"risk": "some"}},
		{"matter": {"principal": 1}},
		{"matter": {"agent": false}},
		{"matter": {"edited_by": 1}},
		{"matter": {"quorum": "2"}},
		{"matter": {"quorum": 0}},
		{"matter": {"approvers": "ops"}},
		{"matter": {"approvers": [1]}},
		{"matter": {"escalated_to": "boss"}},
		{"matter": {"each": "ops"}},
		{"matter": {"each": ["ops"]}},
		{"voter": {"name": 1}},
		{"voter": {"groups": "ops"}},
		{"voter": {"roles": "reviewer"}},
		{"voter": {"authenticated_at": "now"}},
		{"cast": {}},
		{"cast": [{"reviewer": 1, "groups": [], "approves": true}]},
		{"cast": [{"reviewer": "carl", "groups": [], "approves": "yes"}]},
		{"cast": [{"reviewer": "carl", "groups": "ops", "approves": true}]},
	] {
		vote == undefined with input as ballot(wrong)
	}
	every junk in [{}, [], "x", 1, true, {"version": "1"}] {
		vote == undefined with input as junk
	}
}

test_users_refuse_too if {
	friday := {"rule": "custom.friday", "message": "Not on a Friday."}
	vote == {"counts": false, "rule": "custom.friday", "reason": "Not on a Friday.", "outcome": "pending"} with input as base
		with data.hitl.custom.refusals as {friday}
	vote == counts("approved") with input as base with data.hitl.custom.refusals as set()
	every wrong in ["no", {"rule": "custom.x"}, {"rule": 1, "message": "x"}, {"rule": "custom.x", "message": 1}] {
		vote.rule == "approvals.malformed-refusal" with input as base with data.hitl.custom.refusals as {wrong}
	}
}
