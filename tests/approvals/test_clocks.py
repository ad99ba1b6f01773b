"""What time does: escalation, parking, what runs unanswered, lost outcomes; each on the record."""

from __future__ import annotations

from typing import Any

import pytest
from waiting import outcome, request

from hitl_opa.approvals import Person, State
from hitl_opa.approvals.approvals import Approvals
from hitl_opa.audit import AuditLog
from hitl_opa.errors import ApprovalError

RITA = Person(name="rita")
STEPS = [{"after": 60, "to": ["boss"], "channel": "slack"}, {"after": 120, "to": ["cto"]}]


def said(audit: AuditLog) -> list[Any]:
    extras = [r.get("extra") for r in audit.records() if r.kind == "approval"]
    return [e.get("escalated") or e["state"] for e in extras]


def test_escalation_brings_in_others_one_step_after_the_other(
    approvals: Approvals, clock: Any, audit: AuditLog
) -> None:
    asked = request(approvals, escalation=STEPS, expires_in=200, approvers=["ops"], each=[["ops"]])
    boss = Person(name="ann", groups=frozenset({"boss"}))
    with pytest.raises(ApprovalError, match="needs an approver of ops"):
        approvals.vote(asked.id, boss, approves=True)
    clock.forward(59)
    assert approvals.tick() == 0
    clock.forward(1)
    assert approvals.tick() == 1
    assert approvals.tick() == 0
    found = approvals.get(asked.id)
    assert (found.escalated, found.escalated_to, found.state) == (1, ["boss"], State.PENDING)
    given = approvals.vote(asked.id, boss, approves=True)
    assert (given.state, given.votes[0].groups) == (State.APPROVED, ["boss"])
    assert said(audit) == ["pending", 1, "approved"]


def test_steps_that_were_slept_through_are_all_taken(approvals: Approvals, clock: Any, audit: AuditLog) -> None:
    asked = request(approvals, escalation=STEPS, expires_in=200)
    clock.forward(150)
    assert approvals.tick() == 2
    assert approvals.get(asked.id).escalated_to == ["boss", "cto"]
    clock.forward(50)
    assert approvals.get(asked.id).state is State.EXPIRED
    assert said(audit) == ["pending", 1, 2, "expired"]


def test_what_is_over_is_not_escalated(approvals: Approvals, clock: Any, audit: AuditLog) -> None:
    asked = request(approvals, escalation=STEPS, expires_in=50)
    clock.forward(500)
    assert approvals.get(asked.id).state is State.EXPIRED
    decided = request(approvals, digest="sha256:2", escalation=STEPS)
    approvals.vote(decided.id, RITA, approves=False)
    clock.forward(500)
    assert approvals.tick() == 0
    assert approvals.get(decided.id).escalated == 0


def test_escalating_at_the_end_gives_as_much_time_again(approvals: Approvals, clock: Any) -> None:
    asked = request(approvals, escalation=[{"after": 900, "to": ["boss"]}], expires_in=100, on_timeout="escalate")
    clock.forward(100)
    found = approvals.get(asked.id)
    assert (found.state, found.escalated, found.expires_at - asked.requested_at) == (State.PENDING, 1, 200)
    clock.forward(100)
    assert approvals.get(asked.id).state is State.EXPIRED


def test_what_is_parked_waits(approvals: Approvals, clock: Any) -> None:
    asked = request(approvals, expires_in=100, on_timeout="park", escalation=[{"after": 300, "to": ["boss"]}])
    clock.forward(10_000_000)
    found = approvals.get(asked.id)
    assert (found.state, found.escalated) == (State.PENDING, 1)
    assert approvals.vote(asked.id, RITA, approves=True).state is State.APPROVED


def test_low_risk_may_run_though_nobody_decided(approvals: Approvals, clock: Any, audit: AuditLog) -> None:
    asked = request(approvals, risk="low", expires_in=100, on_timeout="allow", execution_expires_in=50)
    clock.forward(100)
    found = approvals.get(asked.id)
    assert (found.state, found.votes, found.reviewers) == (State.APPROVED, [], "")
    assert "Nobody decided" in found.reason
    clock.forward(50)
    assert approvals.get(asked.id).state is State.LAPSED
    assert said(audit) == ["pending", "approved", "lapsed"]


@pytest.mark.parametrize("risk", ["medium", "high", "critical"])
def test_nothing_else_does(approvals: Approvals, risk: str) -> None:
    with pytest.raises(ApprovalError, match="only low may"):
        request(approvals, risk=risk, on_timeout="allow")
    with pytest.raises(ApprovalError, match="deny, escalate, park or allow"):
        request(approvals, risk=risk, on_timeout="run")
    assert approvals.search() == []


def test_an_outcome_that_never_comes_is_unknown_until_a_person_finds_out(
    approvals: Approvals, clock: Any, audit: AuditLog
) -> None:
    asked = request(approvals, lease=100)
    approvals.vote(asked.id, RITA, approves=True)
    with pytest.raises(ApprovalError, match="nothing to reconcile"):
        approvals.reconcile(asked.id, RITA, "executed")
    approvals.consume(asked.id, asked.digest)
    clock.forward(100)
    assert approvals.get(asked.id).state is State.UNKNOWN
    with pytest.raises(ApprovalError, match="executed or failed"):
        approvals.reconcile(asked.id, RITA, "cancelled")  # type: ignore[arg-type]
    with pytest.raises(ApprovalError, match="no name"):
        approvals.reconcile(asked.id, Person(name=""), "failed")
    done = approvals.reconcile(asked.id, RITA, "executed", "It is deployed.")
    assert (done.state, done.reason) == (State.EXECUTED, "It is deployed.")
    assert approvals.reconcile(asked.id, RITA, "executed").state is State.EXECUTED
    with pytest.raises(ApprovalError, match="nothing to reconcile"):
        approvals.reconcile(asked.id, RITA, "failed")
    approvals.settle(asked.id, "failed", outcome())  # too late to say otherwise
    assert approvals.get(asked.id).state is State.EXECUTED
    last = [r for r in audit.records() if r.kind == "approval"][-1]
    assert (last.get("reviewer"), last.get("extra")["reconciled"]) == ("rita", True)


def test_a_late_report_still_settles(approvals: Approvals, clock: Any) -> None:
    asked = request(approvals, lease=100)
    approvals.vote(asked.id, RITA, approves=True)
    approvals.consume(asked.id, asked.digest)
    clock.forward(200)
    assert approvals.tick() == 1
    approvals.settle(asked.id, "ran", outcome())
    assert approvals.get(asked.id).state is State.EXECUTED
