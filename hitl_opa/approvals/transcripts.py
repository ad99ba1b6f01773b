"""Transcripts of sessions beside the approvals that they wait for, so that another machine can go on with them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import sqlalchemy as sql
from sqlalchemy.dialects import postgresql, sqlite

from hitl_opa.approvals.store import Store
from hitl_opa.approvals.tables import TRANSCRIPT

_INSERTS: dict[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """One transcript. ``agent``: of which subagent, ``""`` for the session's own."""

    project: str
    session: str
    agent: str = ""


class Transcripts:
    """The transcripts of one database. Every method is a transaction of its own; raises ApprovalError or AuditError.

    Entries are kept as they come, in the order in which they were added: what a session has read is in there,
    secrets too. One process at a time writes a transcript.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def append(self, place: Place, entries: Sequence[tuple[str, str]], now: float) -> None:
        """Add entries (id, text). One that has an id is kept once, however often it is sent."""
        rows = [{**msgspec.structs.asdict(place), "entry_id": id, "entry": text, "at": now} for id, text in entries]
        with self._store.connected(lock=False) as connection:
            insert = _INSERTS[connection.dialect.name]
            connection.execute(insert(TRANSCRIPT).on_conflict_do_nothing(), rows)

    def load(self, place: Place) -> list[str]:
        """The texts of a transcript's entries; none where there is no such transcript."""
        found = sql.select(TRANSCRIPT.c.entry).where(_of(place)).order_by(TRANSCRIPT.c.id)
        with self._store.reading() as connection:
            return list(connection.execute(found).scalars())

    def sessions(self, project: str) -> dict[str, float]:
        """The sessions of a project, and when each was written to last, in seconds since the epoch."""
        mine = (TRANSCRIPT.c.project == project) & (TRANSCRIPT.c.agent == "")
        found = sql.select(TRANSCRIPT.c.session, sql.func.max(TRANSCRIPT.c.at)).where(mine)
        with self._store.reading() as connection:
            return {row.session: row[1] for row in connection.execute(found.group_by(TRANSCRIPT.c.session))}

    def agents(self, place: Place) -> list[str]:
        """The subagents of a session that have transcripts."""
        mine = (TRANSCRIPT.c.project == place.project) & (TRANSCRIPT.c.session == place.session)
        found = sql.select(TRANSCRIPT.c.agent).where(mine & (TRANSCRIPT.c.agent != "")).distinct()
        with self._store.reading() as connection:
            return sorted(connection.execute(found).scalars())

    def delete(self, place: Place) -> None:
        """Remove one transcript; a session's own with all of its subagents'."""
        mine = (TRANSCRIPT.c.project == place.project) & (TRANSCRIPT.c.session == place.session)
        with self._store.connected(lock=False) as connection:
            connection.execute(TRANSCRIPT.delete().where(_of(place) if place.agent else mine))


def _of(place: Place) -> sql.ColumnElement[bool]:
    mine: Any = (TRANSCRIPT.c[name] == value for name, value in msgspec.structs.asdict(place).items())
    return sql.and_(*mine)
