"""What is over is removed: old approvals, and all that hangs on them. The record keeps its leaves."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import sqlalchemy as sql

from hitl_opa.approvals.states import MOVES, State
from hitl_opa.approvals.store import Store
from hitl_opa.approvals.tables import ABOUT, APPROVAL, JOB, LETTER, LINK, LOGIN, ROUTED, TRANSCRIPT, VOTE

AT_ONCE = 200  # approvals of one transaction: nobody else waits for long
OVER = frozenset(State) - MOVES.keys()
_TIMES = (APPROVAL.c.requested_at, APPROVAL.c.decided_at, APPROVAL.c.ended_at)
_TERMS = (APPROVAL.c.expires_at, APPROVAL.c.execution_expires_at)  # until then a denial, or an approval, says something


class Pruned(msgspec.Struct, frozen=True, kw_only=True):
    """How many rows went: approvals, messages that were only about them, entries of transcripts, ended logins."""

    approvals: int = 0
    letters: int = 0
    transcripts: int = 0
    logins: int = 0


def old(store: Store, before: float) -> int:
    """How many approvals `prune` would remove."""
    with store.reading() as connection:
        count = connection.execute(sql.select(sql.func.count()).where(_over(before))).scalar()
    return int(count or 0)


def prune(store: Store, before: float) -> Pruned:
    """Remove what was over before then (seconds since the epoch). What is not over stays, however old.

    A transcript goes when its last entry is older and no approval of its session is left.
    """
    approvals = letters = 0
    while True:
        with store.connected() as connection:
            ids = connection.execute(sql.select(APPROVAL.c.id).where(_over(before)).limit(AT_ONCE)).scalars().all()
            if not ids:
                break
            approvals += len(ids)
            letters += _forget(connection, ids)
    with store.connected() as connection:
        mine = TRANSCRIPT.c.session
        kept = sql.select(mine).group_by(mine).having(sql.func.max(TRANSCRIPT.c.at) >= before)
        waits = sql.exists().where(APPROVAL.c.session == mine)
        transcripts = connection.execute(TRANSCRIPT.delete().where(mine.not_in(kept) & ~waits)).rowcount
        logins = connection.execute(LOGIN.delete().where(LOGIN.c.seen_at < before)).rowcount
    return Pruned(approvals=approvals, letters=letters, transcripts=transcripts, logins=logins)


def _over(before: float) -> sql.ColumnElement[bool]:
    times = [column < before for column in (*_TIMES, *_TERMS)]
    return APPROVAL.c.state.in_(sorted(OVER)) & sql.and_(*times)


def _forget(connection: sql.Connection, ids: Sequence[str]) -> int:
    """Remove these approvals with all that refers to them; returns how many letters that left about nothing."""
    about = sql.select(ABOUT.c.letter).where(ABOUT.c.approval.in_(ids) & (ABOUT.c.letter != ""))
    told = connection.execute(about.distinct()).scalars().all()
    for table in (VOTE, JOB, ABOUT, ROUTED, LINK):
        connection.execute(table.delete().where(table.c.approval.in_(ids)))
    connection.execute(APPROVAL.delete().where(APPROVAL.c.id.in_(ids)))
    empty = LETTER.c.id.in_(told) & ~sql.exists().where(ABOUT.c.letter == LETTER.c.id)
    return connection.execute(LETTER.delete().where(empty)).rowcount
