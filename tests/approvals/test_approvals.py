"""Asking, voting, using: who may, when, and what the record says of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from waiting import asks, outcome, request

from hitl_opa.approvals import Person, State
from hitl_opa.approvals.approvals import Approvals, stricter
from hitl_opa.audit import AuditLog
from hitl_opa.errors import ApprovalError
from hitl_opa.model import CallFacts, Document


def states(audit: AuditLog) -> list[str]:
    return [r.get("extra")["state"] for r in audit.records() if r.kind in ("approval", "outcome")]


def test_from_asking_to_the_end_each_step_is_on_record(approvals: Approvals, audit: AuditLog) -> None:
    asked = request(approvals)
    assert asked.state is State.PENDING
    given = approvals.vote(asked.id, Person(name="rita"), approves=True, reason="Go.")
    assert (given.state, given.reviewers, given.reason) == (State.APPROVED, "rita", "Go.")
    used = approvals.consume(asked.id, "sha256:1")
    assert used is not None
    assert used.state is State.EXECUTING
    approvals.settle(asked.id, "ran", outcome())
    assert approvals.get(asked.id).state is State.EXECUTED
    assert states(audit) == ["pending", "approved", "executing", "executed"]
    (review,) = [r for r in audit.records() if r.kind == "review"]
    assert (review.get("reviewer"), review.get("verdict"), review.get("extra")["approval"]) == (
        "rita",
        "approve",
        asked.id,
    )
    assert review.get("seen").startswith("sha256:")
    assert audit.verify().ok


def test_an_equal_call_finds_the_same_approval(approvals: Approvals) -> None:
    asked = request(approvals)
    assert request(approvals).id == asked.id
    assert request(approvals, digest="sha256:2").id != asked.id
    assert len(approvals.listed(frozenset(State))) == 2


def test_it_is_used_once(approvals: Approvals) -> None:
    asked = request(approvals)
    assert approvals.consume(asked.id, "sha256:1") is None  # not approved yet
    approvals.vote(asked.id, Person(name="rita"), approves=True)
    assert approvals.consume(asked.id, "sha256:2") is None  # another call
    assert approvals.consume(asked.id, "sha256:1") is not None
    assert approvals.consume(asked.id, "sha256:1") is None
    assert request(approvals).id != asked.id


@pytest.mark.parametrize(("status", "state"), [("ran", "executed"), ("failed", "failed"), ("blocked", "failed")])
def test_how_it_ended(approvals: Approvals, status: str, state: str) -> None:
    asked = request(approvals)
    approvals.vote(asked.id, Person(name="rita"), approves=True)
    approvals.consume(asked.id, "sha256:1")
    approvals.settle(asked.id, status, outcome())
    approvals.settle(asked.id, "failed" if status == "ran" else "ran", outcome())  # the first word stands
    assert approvals.get(asked.id).state == state


def test_both_clocks(approvals: Approvals, clock: Any, audit: AuditLog) -> None:
    unanswered = request(approvals, expires_in=100)
    clock.forward(99)
    assert approvals.get(unanswered.id).state is State.PENDING
    clock.forward(1)
    with pytest.raises(ApprovalError, match="is expired already"):
        approvals.vote(unanswered.id, Person(name="rita"), approves=True)
    assert approvals.get(unanswered.id).state is State.EXPIRED
    unused = request(approvals, expires_in=100, execution_expires_in=50)
    clock.forward(90)
    approvals.vote(unused.id, Person(name="rita"), approves=True)
    clock.forward(49)
    assert approvals.get(unused.id).state is State.APPROVED
    clock.forward(1)
    assert approvals.consume(unused.id, "sha256:1") is None
    assert approvals.get(unused.id).state is State.LAPSED
    assert states(audit) == ["pending", "expired", "pending", "approved", "lapsed"]


def test_named_approvers(approvals: Approvals) -> None:
    asked = request(approvals, approvers=["sre", "anna"], each=[["anna", "sre"]])
    with pytest.raises(ApprovalError, match="needs an approver of anna, sre"):
        approvals.vote(asked.id, Person(name="bob", groups=frozenset({"dev"})), approves=True)
    with pytest.raises(ApprovalError, match="own agent's call"):
        approvals.vote(asked.id, Person(name="anna"), approves=True)
    assert approvals.get(asked.id).votes == []
    given = approvals.vote(asked.id, Person(name="carl", groups=frozenset({"sre", "wheel"})), approves=True)
    assert (given.state, given.votes[0].groups) == (State.APPROVED, ["sre"])


def test_whoever_is_alone_approves_their_own(approvals: Approvals, audit: AuditLog) -> None:
    asked = request(approvals, permission="approve")
    assert approvals.vote(asked.id, Person(name="anna"), approves=True).state is State.APPROVED
    (review,) = [r for r in audit.records() if r.kind == "review"]
    assert review.get("extra")["self_approved"] is True


def test_a_quorum_counts_people_and_lists(approvals: Approvals) -> None:
    asked = request(approvals, quorum=2, each=[["sre"], ["security"]])
    with pytest.raises(ApprovalError, match="own agent's call"):
        approvals.vote(asked.id, Person(name="anna", groups=frozenset({"sre"})), approves=True)
    vote = approvals.vote
    assert vote(asked.id, Person(name="bob", groups=frozenset({"sre"})), approves=True).state is State.PENDING
    assert (
        vote(asked.id, Person(name="bob", groups=frozenset({"sre"})), approves=True).state is State.PENDING
    )  # again is not twice
    assert (
        vote(asked.id, Person(name="carl", groups=frozenset({"sre"})), approves=True).state is State.PENDING
    )  # none of security
    with pytest.raises(ApprovalError, match="has voted"):
        vote(asked.id, Person(name="carl"), approves=False)
    assert vote(asked.id, Person(name="dora", groups=frozenset({"security"})), approves=True).state is State.APPROVED


def test_one_rejection_denies(approvals: Approvals) -> None:
    asked = request(approvals, quorum=2)
    approvals.vote(asked.id, Person(name="bob"), approves=True)
    denied = approvals.vote(asked.id, Person(name="carl"), approves=False, reason="No.")
    assert (denied.state, denied.reviewers, denied.reason) == (State.DENIED, "carl", "No.")
    with pytest.raises(ApprovalError, match="is denied already"):
        approvals.vote(asked.id, Person(name="dora"), approves=True)
    assert approvals.vote(asked.id, Person(name="carl"), approves=False).state is State.DENIED


def test_what_is_taken_back_is_not_used(approvals: Approvals) -> None:
    asked = request(approvals)
    approvals.vote(asked.id, Person(name="rita"), approves=True)
    assert approvals.cancel(asked.id, "rita").state is State.CANCELLED
    assert approvals.consume(asked.id, "sha256:1") is None
    with pytest.raises(ApprovalError, match="is cancelled already"):
        approvals.cancel(asked.id, "rita")


@pytest.mark.parametrize(
    "properties", [{"quorum": 0}, {"quorum": "two"}, {"expires_in": 0}, {"execution_expires_in": -1}, {"each": "sre"}]
)
def test_terms_that_make_no_sense_are_refused(approvals: Approvals, properties: dict[str, Any]) -> None:
    with pytest.raises(ApprovalError):
        request(approvals, **properties)
    assert approvals.listed(frozenset(State)) == []


def test_ids(approvals: Approvals) -> None:
    asked = request(approvals)
    assert approvals.get(asked.id[:8]).id == asked.id
    for wrong in ("", "%", "_", "zz"):
        with pytest.raises(ApprovalError, match="there is no approval"):
            approvals.get(wrong)


@pytest.mark.parametrize(
    ("now", "is_stricter"),
    [
        ({}, False),
        ({"risk": "medium"}, False),
        ({"risk": "critical"}, True),
        ({"permission": "approve"}, True),
        ({"quorum": 2}, True),
        ({"each": [["sre"]]}, True),
        ({"approvers": ["sre"]}, True),
        ({"expires_in": 5}, False),
    ],
)
def test_what_counts_as_stricter(now: dict[str, Any], is_stricter: bool) -> None:
    assert stricter(asks(**now), msgspec.to_builtins(asks())) is is_stricter


def test_a_step_that_cannot_be_recorded_does_not_happen(
    approvals: Approvals, audit: AuditLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = request(approvals)
    fails: Callable[..., Any] = lambda *_, **__: (_ for _ in ()).throw(OSError("no room"))  # noqa: E731
    with monkeypatch.context() as broken:
        broken.setattr(audit, "append", fails)
        with pytest.raises(OSError, match="no room"):
            approvals.vote(asked.id, Person(name="rita"), approves=True)
    found = approvals.get(asked.id)
    assert (found.state, found.votes) == (State.PENDING, [])


def test_secrets_are_not_kept(audit: AuditLog) -> None:
    from hitl_opa.facts import redact

    approvals = Approvals.open(audit, redact=redact)
    document = Document(
        call=CallFacts(id="c", tool="Bash", kind="shell", input={"command": "PASSWORD=hunter2hunter2 x"})
    )
    asked = approvals.request("sha256:1", document, asks(), "d1", "PASSWORD=hunter2hunter2")
    assert "hunter2" not in msgspec.json.encode(approvals.get(asked.id)).decode()
