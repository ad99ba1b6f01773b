"""What the record says of approvals."""

from __future__ import annotations

from typing import Any

from hitl_opa.approvals.approval import Approval, Person, Vote
from hitl_opa.approvals.states import State
from hitl_opa.audit import Event, Kind, digest


def changed(approval: Approval, state: State, reason: str = "", by: str = "", **extra: Any) -> Event:
    """It is in another state."""
    if approval.canary:
        extra["canary"] = True
    return Event(
        kind=Kind.APPROVAL,
        **_about(approval),
        reviewer=by,
        extra={"approval": approval.id, "state": str(state), **extra},
        detail={"reason": reason} if reason else None,
    )


def escalated(approval: Approval, count: int) -> Event:
    """Nobody decided in time, and others were brought in."""
    step = approval.terms.escalation[count - 1]
    extra = {"approval": approval.id, "escalated": count, "to": step.to, "channel": step.channel}
    return Event(kind=Kind.APPROVAL, **_about(approval), extra=extra)


def reviewed(
    approval: Approval, person: Person, vote: Vote, state: State, choice: str, said: Any = None, batch: str = ""
) -> Event:
    """Somebody said something that counts. ``said``: the edited input, or the answers."""
    terms = approval.terms
    self_approved = vote.approves and terms.permission == "approve" and not terms.approvers
    extra = {"approval": approval.id, "state": str(state), "self_approved": self_approved, "channel": vote.channel}
    extra.update(auth=person.auth, authenticated_at=person.authenticated_at)
    if batch:
        extra["batch"] = batch
    if vote.category:
        extra["category"] = vote.category
    return Event(
        kind=Kind.REVIEW,
        **_about(approval),
        verdict=choice,
        decided_by="reviewer",
        reviewer=vote.reviewer,
        seen=vote.seen,
        elapsed_ms=vote.look_ms,
        extra=extra,
        result={"choice": choice, "reason": vote.reason, **({} if said is None else {"said": said})},
    )


def refused(approval: Approval, person: Person, channel: str, rule: str, message: str) -> Event:
    """Somebody said something that does not count."""
    extra = {"approval": approval.id, "refused": rule, "channel": channel, "auth": person.auth}
    return Event(kind=Kind.NOTE, **_about(approval), reviewer=person.name, extra=extra, detail={"refused": message})


def viewed(approval: Approval, person: Person) -> Event:
    """Somebody looked at it for the first time."""
    return Event(
        kind=Kind.NOTE, **_about(approval), reviewer=person.name, extra={"approval": approval.id, "viewed": True}
    )


def seen(approval: Approval) -> str:
    """``sha256:…`` of what reviewers are shown."""
    document, decision = approval.shown
    return digest({"document": document, "decision": decision, "rationale": approval.rationale})


def _about(approval: Approval) -> dict[str, Any]:
    return {
        "decision_id": approval.decision_id,
        "call_id": approval.call_id,
        "tool": approval.tool,
        "session": approval.session,
        "agent": approval.agent,
        "principal": approval.principal,
        "risk": approval.risk,
        "digest": approval.digest,
    }
