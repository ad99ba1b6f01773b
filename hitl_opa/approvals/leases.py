"""Who goes on with a session just now: one process, until it says that it is done or has gone silent."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import msgspec
import sqlalchemy as sql

from hitl_opa.approvals.store import Store
from hitl_opa.approvals.tables import JOB

KIND = "session"
_MINE = JOB.c.kind == KIND


class Lease(msgspec.Struct, frozen=True, kw_only=True):
    """A session that is this process's own. ``approval`` stands for it; ``number`` is its fencing token."""

    approval: str
    number: int


class Leases:
    """Leases on sessions, kept beside the jobs of one store. ``clock`` returns the time in UTC.

    Every method is a transaction of its own, and raises ApprovalError or AuditError.
    """

    def __init__(self, store: Store, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._clock = clock

    def take(self, approval: str, seconds: float) -> Lease | None:
        """The lease on the session whose first approval this is; None where another process has it."""
        now = self._clock().timestamp()
        row = _MINE & (JOB.c.approval == approval)
        until = {"lease_until": now + seconds}
        with self._store.connected() as connection:
            taken = JOB.update().where(row & (JOB.c.lease_until <= now)).values(attempt=JOB.c.attempt + 1, **until)
            if connection.execute(taken).rowcount == 0:
                if connection.execute(sql.select(JOB.c.kind).where(row)).first() is not None:
                    return None
                new = {"wanted": 0, "attempt": 1, "failures": 0, "run_at": 0.0, "error": "", "dead": False}
                connection.execute(JOB.insert().values(kind=KIND, approval=approval, **new, **until))
            number = connection.execute(sql.select(JOB.c.attempt).where(row)).scalar_one()
        return Lease(approval=approval, number=number)

    def extend(self, lease: Lease, seconds: float) -> bool:
        """Keep it. False where another process has it."""
        values = {"lease_until": self._clock().timestamp() + seconds}
        with self._store.connected() as connection:
            return connection.execute(JOB.update().where(_held(lease)).values(values)).rowcount == 1

    def end(self, lease: Lease) -> None:
        """Let others have it."""
        with self._store.connected() as connection:
            connection.execute(JOB.update().where(_held(lease)).values(lease_until=0.0))


def _held(lease: Lease) -> sql.ColumnElement[bool]:
    return _MINE & (JOB.c.approval == lease.approval) & (JOB.c.attempt == lease.number)
