"""What tools have earned, where the guard looks it up, and what people did about it: beside the approvals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import sqlalchemy as sql

from hitl_opa.approvals.store import Store, Transaction
from hitl_opa.approvals.tables import AUTONOMY
from hitl_opa.audit import Event, Kind
from hitl_opa.autonomy import Move, Standing

_FROZEN = "*"
_FREEZE = {"agent": _FROZEN, "version": "", "tool": "", "risk": "", "level": 1}
_FORGED = "the record knows nothing of another level"


class Change(msgspec.Struct, frozen=True):
    """A level that is in force now, the one before, and why."""

    agent: str
    version: str
    tool: str
    risk: str
    old: int
    new: int
    why: str


class Standings:
    """The levels in force in one database. What is changed is on the record in the same transaction."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def levels(self, agent: str, version: str, tool: str) -> tuple[dict[str, int], bool]:
        """Risk -> level of this tool of this agent, and whether all is frozen."""
        mine = (AUTONOMY.c.agent == agent) & (AUTONOMY.c.version == version) & (AUTONOMY.c.tool == tool)
        with self._store.reading() as connection:
            rows = connection.execute(sql.select(AUTONOMY).where(mine | (AUTONOMY.c.agent == _FROZEN))).all()
        return {r.risk: r.level for r in rows if r.agent != _FROZEN}, any(r.agent == _FROZEN for r in rows)

    def all(self) -> dict[tuple[str, str, str], int]:
        """Levels by (agent, tool, risk), the lowest of its versions; all of them 1 while everything is frozen."""
        found: dict[tuple[str, str, str], int] = {}
        with self._store.reading() as connection:
            rows = connection.execute(sql.select(AUTONOMY)).all()
        frozen = any(row.agent == _FROZEN for row in rows)
        for row in rows:
            key = (row.agent, row.tool, row.risk)
            if row.agent != _FROZEN:
                found[key] = 1 if frozen else min(row.level, found.get(key, row.level))
        return found

    def act(self, action: str, by: str, now: float, **about: Any) -> None:
        """Put what a person did on the record (`hitl_opa.metrics.Act`); freezing holds from here on."""
        event = Event(kind=Kind.NOTE, reviewer=by, extra={"autonomy": {"action": action, "by": by, **about}})
        with self._store.begin() as transaction:
            if action in ("freeze", "unfreeze"):
                transaction.connection.execute(AUTONOMY.delete().where(AUTONOMY.c.agent == _FROZEN))
            if action == "freeze":
                transaction.connection.execute(AUTONOMY.insert().values(**_FREEZE, at=now))
            transaction.record(event)

    def apply(self, standings: Callable[[], list[Standing]], now: float) -> list[Change]:
        """Put in force what the record says has been earned and lost, and nothing else. Returns what changed.

        ``standings`` is asked while nobody else can write: what was lost a moment ago is not given back. A level, or
        the end of a freeze, that stands in the database and not in the record was not put there by us: it ends.
        """
        changes = []
        with self._store.begin() as transaction:
            rows = transaction.connection.execute(sql.select(AUTONOMY)).all()
            known = {(r.agent, r.version, r.tool, r.risk): r.level for r in rows if r.agent != _FROZEN}
            found = standings()
            if any(one.frozen for one in found) and all(row.agent != _FROZEN for row in rows):
                transaction.connection.execute(AUTONOMY.insert().values(**_FREEZE, at=now))
            # a freeze is a switch of its own: what was earned stays in place behind it
            earned = {(s.agent, s.version, s.tool, s.risk): s.moves[-1].new if s.moves else 1 for s in found}
            moves = {(s.agent, s.version, s.tool, s.risk): s.moves for s in found}
            for key in sorted(earned.keys() | known.keys()):
                old, new = known.get(key, 1), earned.get(key, 1)
                if old == new:
                    continue
                last = moves.get(key, [])[-1:]
                why = last[0].why if last and last[0].new == new else _FORGED
                agent, version, tool, risk = key
                change = Change(agent, version, tool, risk, old, new, why)
                self._put(transaction, change, moves.get(key, []), now)
                changes.append(change)
        return changes

    def _put(self, transaction: Transaction, change: Change, moves: list[Move], now: float) -> None:
        key = {name: getattr(change, name) for name in ("agent", "version", "tool", "risk")}
        mine = sql.and_(*(AUTONOMY.c[name] == value for name, value in key.items()))
        transaction.connection.execute(AUTONOMY.delete().where(mine))
        if change.new > 1:
            transaction.connection.execute(AUTONOMY.insert().values(**key, level=change.new, at=now))
        detail = {"why": change.why, "moves": msgspec.to_builtins(moves)}
        extra = {"earned": {**key, "level": change.new}}
        transaction.record(Event(kind=Kind.NOTE, tool=change.tool, extra=extra, detail=detail))
