"""What tools have earned, where the guard looks it up, and what people did about it: beside the approvals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import sqlalchemy as sql

from hitl_opa.approvals.store import Store
from hitl_opa.approvals.tables import AUTONOMY
from hitl_opa.audit import Event, Kind
from hitl_opa.autonomy import Standing

_FROZEN = "*"


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
        frozen = {"agent": _FROZEN, "version": "", "tool": "", "risk": "", "level": 1, "at": now}
        with self._store.begin() as transaction:
            if action in ("freeze", "unfreeze"):
                transaction.connection.execute(AUTONOMY.delete().where(AUTONOMY.c.agent == _FROZEN))
            if action == "freeze":
                transaction.connection.execute(AUTONOMY.insert().values(frozen))
            transaction.record(event)

    def apply(self, standings: Callable[[], list[Standing]], now: float) -> list[Standing]:
        """Put in force what the record says has been earned and lost. Returns those whose level changed.

        ``standings`` is asked while nobody else can write: what was lost a moment ago is not given back.
        """
        changed = []
        with self._store.begin() as transaction:
            kept = AUTONOMY.c.agent != _FROZEN
            rows = transaction.connection.execute(sql.select(AUTONOMY).where(kept)).all()
            known = {(r.agent, r.version, r.tool, r.risk): r.level for r in rows}
            for one in standings():
                key = (one.agent, one.version, one.tool, one.risk)
                # a freeze is a switch of its own: what was earned stays in place behind it
                level = one.moves[-1].new if one.moves else 1
                if level == known.get(key, 1):
                    continue
                changed.append(one)
                values = dict(zip(("agent", "version", "tool", "risk"), key, strict=True))
                transaction.connection.execute(
                    AUTONOMY.delete().where(sql.and_(*(AUTONOMY.c[name] == value for name, value in values.items())))
                )
                if level > 1:
                    transaction.connection.execute(AUTONOMY.insert().values(**values, level=level, at=now))
                transaction.record(
                    Event(
                        kind=Kind.NOTE,
                        tool=one.tool,
                        extra={"earned": {**values, "level": level}},
                        detail={"why": one.moves[-1].why if one.moves else "", "moves": msgspec.to_builtins(one.moves)},
                    )
                )
        return changed
