"""What else in the database holds the payload of a record: it is erased in the same transaction."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import msgspec
import sqlalchemy as sql

from hitl_opa.approvals import events
from hitl_opa.approvals.approval import ERASED, Approval
from hitl_opa.approvals.states import LIVE, State
from hitl_opa.approvals.store import AT_ONCE, Store, Transaction, columns, driver
from hitl_opa.approvals.tables import ABOUT, APPROVAL, GRANT, JOB, LETTER, LINK, TRANSCRIPT, VOTE
from hitl_opa.audit import Filter, Record
from hitl_opa.database import Cursor
from hitl_opa.model import Agent, CallFacts, Decision, Document, Facts, Risk, Verdict


class Copies:
    """Approvals, votes, grants, messages and transcripts beside the record; see `hitl_opa.audit.erasure.erase`.

    What waits is withdrawn, as nobody could see what they decide on; grants made from it end. Messages that can be
    changed (Slack) are, by whoever delivers next. A session's transcript goes whole; where ``only`` says ``before``,
    not that of one which was written to since.
    """

    def __init__(self, store: Store, only: Filter) -> None:
        self._store = store
        self._before = _seconds(only.before) if only.before else 0.0

    @contextmanager
    def within(self, records: Sequence[Record]) -> Iterator[tuple[Cursor, int]]:
        """A transaction in which the copies of these records are erased: its cursor, and how many there were."""
        with self._store.begin() as transaction:
            count = self._erase(transaction, records)
            yield driver(transaction.connection).cursor(), count

    def _erase(self, transaction: Transaction, records: Sequence[Record]) -> int:
        decisions = sorted({str(r.leaf["decision_id"]) for r in records if r.kind == "decision"})
        sessions = sorted({session for r in records if r.kind == "decision" and (session := str(r.get("session")))})
        count = 0
        for at in range(0, len(decisions), AT_ONCE):
            for approval in transaction.about(decisions[at : at + AT_ONCE]):
                if not approval.erased:
                    _blank(transaction, approval)
                    count += 1
        for at in range(0, len(sessions), AT_ONCE):
            count += self._transcripts(transaction, sessions[at : at + AT_ONCE])
        return count

    def _transcripts(self, transaction: Transaction, sessions: list[str]) -> int:
        mine: sql.ColumnElement[bool] = TRANSCRIPT.c.session.in_(sessions)
        if self._before:
            newer = sql.select(TRANSCRIPT.c.session).where(mine & (TRANSCRIPT.c.at >= self._before))
            mine &= TRANSCRIPT.c.session.not_in(newer)
        return transaction.connection.execute(TRANSCRIPT.delete().where(mine)).rowcount


def _blank(transaction: Transaction, approval: Approval) -> None:
    connection, id = transaction.connection, approval.id
    if approval.state in LIVE:
        event = events.changed(approval, State.CANCELLED, ERASED)
        transaction.move(approval, State.CANCELLED, event, ended_at=time.time())
    nothing: dict[str, Any] = {"document": _document(approval), "decision": _decision(approval)}
    nothing |= {"edited": None, "edit": None, "answers": None, "rationale": "", "reason": ""}
    connection.execute(APPROVAL.update().where(APPROVAL.c.id == id).values(columns(nothing)))
    connection.execute(VOTE.update().where(VOTE.c.approval == id).values(reason=""))
    connection.execute(JOB.update().where(JOB.c.approval == id).values(error=""))
    connection.execute(GRANT.delete().where(GRANT.c.approval == id))
    connection.execute(LINK.delete().where(LINK.c.approval == id))
    letters = sql.select(ABOUT.c.letter).where(ABOUT.c.approval == id)
    again = {"shown": "", "problem": "", "stamp": "", "closed": False}
    connection.execute(LETTER.update().where(LETTER.c.id.in_(letters)).values(again))


def _document(approval: Approval) -> dict[str, Any]:
    call = CallFacts(id=approval.call_id, tool=approval.tool, kind="unknown", input={})
    agent = Agent(session=approval.session, id=approval.agent, principal=approval.principal)
    found: dict[str, Any] = msgspec.to_builtins(Document(call=call, facts=Facts(), agent=agent))
    return found


def _decision(approval: Approval) -> dict[str, Any]:
    nothing = Decision(verdict=Verdict.ASK, risk=Risk(approval.risk), reason=ERASED, reasons=[])
    found: dict[str, Any] = msgspec.to_builtins(nothing)
    return found


def _seconds(before: datetime | str) -> float:
    if isinstance(before, str):
        before = datetime.fromisoformat(before.removesuffix("Z")).replace(tzinfo=UTC)
    return before.timestamp()
