"""Standing grants in the approvals' database: given, used, revoked, each together with its record."""

from __future__ import annotations

from typing import Any

import msgspec
import sqlalchemy as sql

from hitl_opa.approvals.grant import Grant
from hitl_opa.approvals.store import Store
from hitl_opa.approvals.tables import GRANT
from hitl_opa.audit import Event, Kind
from hitl_opa.errors import NoSuchApproval

_JSON = ("waives", "effects")


class StoredGrants:
    """The grants of one store. Every method is a transaction of its own; what cannot be recorded does not happen."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def add(self, grant: Grant) -> None:
        """Give it."""
        values = {**msgspec.structs.asdict(grant)}
        values |= {name: msgspec.json.encode(values[name]).decode() for name in _JSON}
        with self._store.begin() as transaction:
            transaction.connection.execute(GRANT.insert().values(values))
            transaction.record(event(grant, "granted", grant.reviewer))

    def candidates(self, principal: str, session: str, scope: str, now: float, limit: int = 8) -> list[Grant]:
        """Grants that may cover a call of this principal and session, those for equal calls first."""
        where = self._holds(now) & (GRANT.c.principal == principal) & GRANT.c.session.in_(["", session])
        where &= GRANT.c.scope.in_(["", scope])
        found = sql.select(GRANT).where(where).order_by(GRANT.c.scope.desc(), GRANT.c.granted_at.desc()).limit(limit)
        return self._read(found)

    def use(self, id: str, now: float) -> bool:
        """Count a use. False where nothing is left of it by now, whoever tries at the same time."""
        counted = GRANT.update().where(self._holds(now) & (GRANT.c.id == id))
        with self._store.connected() as connection:
            return connection.execute(counted.values(uses=GRANT.c.uses + 1, used_at=now)).rowcount == 1

    def listed(self, now: float, *, everything: bool = False) -> list[Grant]:
        """Those in force, the newest first; with ``everything`` the others too."""
        found = sql.select(GRANT).order_by(GRANT.c.granted_at.desc(), GRANT.c.id)
        return self._read(found if everything else found.where(self._holds(now)))

    def get(self, prefix: str) -> Grant:
        """The grant whose id starts so. Raises NoSuchApproval where there is none, or more than one."""
        named = GRANT.c.id.startswith(prefix, autoescape=True)
        found = self._read(sql.select(GRANT).where(named).limit(2)) if prefix else []
        if len(found) != 1:
            raise NoSuchApproval(
                f"{'more than one grant starts' if found else 'there is no grant that starts'} with {prefix!r}"
            )
        return found[0]

    def revoke(self, id: str, by: str, now: float) -> bool:
        """End a grant; False where it is over already."""
        grant = self.get(id)
        with self._store.begin() as transaction:
            mine = self._holds(now) & (GRANT.c.id == grant.id)
            ended = GRANT.update().where(mine).values(revoked_at=now, revoked_by=by)
            if transaction.connection.execute(ended).rowcount != 1:
                return False
            transaction.record(event(grant, "revoked", by))
            return True

    def _holds(self, now: float) -> sql.ColumnElement[bool]:
        left = (GRANT.c.max_uses == 0) | (GRANT.c.uses < GRANT.c.max_uses)
        return (GRANT.c.revoked_at == 0) & (GRANT.c.expires_at > now) & left

    def _read(self, found: sql.Select[Any]) -> list[Grant]:
        with self._store.reading() as connection:
            rows = connection.execute(found).mappings().all()
        decoded = ({str(n): msgspec.json.decode(row[n]) if n in _JSON else row[n] for n in row} for row in rows)
        return [msgspec.convert(values, Grant) for values in decoded]


def event(grant: Grant, what: str, by: str) -> Event:
    """That it was given or revoked. What led to it counts as feedback that was acted on."""
    adopted = {"adopted": [grant.decision_id]} if what == "granted" and grant.decision_id else {}
    return Event(
        kind=Kind.NOTE,
        tool=grant.tool,
        agent=grant.agent,
        session=grant.session,
        principal=grant.principal,
        reviewer=by,
        extra={"grant": grant.id, "what": what, **adopted},
        detail={"grant": msgspec.to_builtins(grant)},
    )
