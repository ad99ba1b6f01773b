"""What time alone does to approvals: they escalate, expire, lapse, and their outcome becomes unknown."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from hitl_opa.approvals import events
from hitl_opa.approvals.approval import Approval
from hitl_opa.approvals.states import State

if TYPE_CHECKING:
    from hitl_opa.approvals.store import Store, Transaction


def due_at(approval: Approval) -> float:
    """When something happens to it next by itself, in seconds since the epoch; 0: never."""
    terms = approval.terms
    match approval.state:
        case State.PENDING:
            times = [] if terms.on_timeout == "park" else [approval.expires_at]
            if approval.escalated < len(terms.escalation):
                times.append(approval.requested_at + terms.escalation[approval.escalated].after)
            return min(times, default=0.0)
        case State.APPROVED:
            return approval.execution_expires_at
        case State.EXECUTING:
            return approval.started_at + terms.lease
        case _:
            return 0.0


def advance(transaction: Transaction, now: float) -> int:
    """Let every clock that has run out by ``now`` have its effect. Returns how many had one."""
    count = 0
    while late := transaction.overdue(now):
        for approval in late:
            _advance(transaction, approval, now)
            count += 1
    return count


def catch_up(store: Store, now: float) -> int:
    """`advance` in a transaction of its own; where no clock has run out, no writer waits for that to be known."""
    with store.look() as transaction:
        if not transaction.overdue(now, limit=1):
            return 0
    with store.begin() as transaction:
        return advance(transaction, now)


@contextmanager
def looking(store: Store, now: float) -> Iterator[Transaction]:
    """A transaction to read in, once every clock that has run out by ``now`` has had its effect."""
    catch_up(store, now)
    with store.look() as transaction:
        yield transaction


def _advance(transaction: Transaction, approval: Approval, now: float) -> None:
    terms = approval.terms
    if approval.state is State.APPROVED:
        transaction.move(approval, State.LAPSED, events.changed(approval, State.LAPSED), ended_at=now)
    elif approval.state is State.EXECUTING:
        reason = f"No outcome was reported within {terms.lease:g} s."
        transaction.move(approval, State.UNKNOWN, events.changed(approval, State.UNKNOWN, reason))
    elif approval.escalated < len(terms.escalation) and (
        terms.on_timeout in ("escalate", "park") or approval.expires_at > now
    ):
        step = approval.escalated + 1
        until = now + terms.expires_in if approval.expires_at <= now else approval.expires_at
        transaction.update(approval, events.escalated(approval, step), escalated=step, expires_at=until)
    elif terms.on_timeout == "allow" and not approval.canary:
        reason = "Nobody decided in time, and policy lets it run then."
        transaction.move(
            approval,
            State.APPROVED,
            events.changed(approval, State.APPROVED, reason),
            decided_at=now,
            execution_expires_at=now + terms.execution_expires_in,
            reason=reason,
        )
    else:
        transaction.move(approval, State.EXPIRED, events.changed(approval, State.EXPIRED), ended_at=now)
