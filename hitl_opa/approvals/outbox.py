"""The jobs that workers take: leased, fenced, tried again, or given up for somebody to see."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import msgspec
import sqlalchemy as sql

from hitl_opa.approvals.job import Job
from hitl_opa.approvals.store import Store
from hitl_opa.approvals.tables import JOB


class Outbox:
    """The jobs beside the approvals of one store. Every method is a transaction of its own.

    They are put there by the changes that they follow from (`Transaction.move`, `update`, `add`).
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def claim(self, kinds: Collection[str], *, now: float, lease: float, limit: int) -> list[Job]:
        """Jobs that are due and nobody else's, now this caller's for ``lease`` seconds."""
        free = ~JOB.c.dead & (JOB.c.run_at <= now) & (JOB.c.lease_until <= now) & JOB.c.kind.in_(sorted(kinds))
        found = sql.select(JOB).where(free).order_by(JOB.c.run_at, JOB.c.approval, JOB.c.kind).limit(limit)
        with self._store.connected(lock=False) as connection:
            rows = connection.execute(found.with_for_update(skip_locked=True)).mappings().all()
            jobs = [_job(row) for row in rows]
            jobs = [msgspec.structs.replace(j, attempt=j.attempt + 1, lease_until=now + lease) for j in jobs]
            for job in jobs:
                mine = (JOB.c.kind == job.kind) & (JOB.c.approval == job.approval)
                connection.execute(JOB.update().where(mine).values(attempt=job.attempt, lease_until=job.lease_until))
        return jobs

    def extend(self, job: Job, until: float) -> bool:
        """Keep the job until then. False where another worker has it."""
        return self._set(job, lease_until=until)

    def done(self, job: Job) -> bool:
        """It was done; what changed meanwhile has it done again. False where another worker has it."""
        with self._store.connected(lock=False) as connection:
            if connection.execute(JOB.delete().where(_held(job) & (JOB.c.wanted == job.wanted))).rowcount:
                return True
            again = {"lease_until": 0.0, "run_at": 0.0, "failures": 0, "error": ""}
            return connection.execute(JOB.update().where(_held(job)).values(again)).rowcount == 1

    def failed(self, job: Job, error: str, run_at: float) -> bool:
        """It was not done: try again from ``run_at`` on. False where another worker has it."""
        return self._set(job, lease_until=0.0, failures=job.failures + 1, error=error, run_at=run_at)

    def bury(self, job: Job, error: str) -> bool:
        """It was not done and nobody is to try again, until the approval changes or somebody says so (`retry`)."""
        return self._set(job, lease_until=0.0, failures=job.failures + 1, error=error, dead=True)

    def release(self, job: Job) -> bool:
        """Give it back untried. False where another worker has it."""
        return self._set(job, lease_until=0.0)

    def retry(self, kind: str, approval: str) -> bool:
        """Have a job done as soon as somebody can. False where there is none."""
        values = {"dead": False, "failures": 0, "run_at": 0.0, "wanted": JOB.c.wanted + 1}
        with self._store.connected(lock=False) as connection:
            mine = (JOB.c.kind == kind) & (JOB.c.approval == approval)
            found = connection.execute(JOB.update().where(mine).values(values)).rowcount == 1
            self._store.wake(connection)
        return found

    def jobs(self, *, limit: int = 1000) -> list[Job]:
        """What there is to do and what was given up, that which has waited longest first."""
        found = (
            sql.select(JOB)
            .where(JOB.c.wanted > 0)
            .order_by(JOB.c.dead.desc(), JOB.c.run_at, JOB.c.approval, JOB.c.kind)
            .limit(limit)
        )
        with self._store.reading() as connection:
            return [_job(row) for row in connection.execute(found).mappings()]

    def due(self, kinds: Collection[str]) -> float | None:
        """When there is something to do next, in seconds since the epoch; None: nothing waits."""
        later = sql.case((JOB.c.lease_until > JOB.c.run_at, JOB.c.lease_until), else_=JOB.c.run_at)
        found = sql.select(sql.func.min(later)).where(~JOB.c.dead & JOB.c.kind.in_(sorted(kinds)))
        with self._store.reading() as connection:
            at = connection.execute(found).scalar()
        return None if at is None else float(at)

    def _set(self, job: Job, **values: object) -> bool:
        with self._store.connected(lock=False) as connection:
            return connection.execute(JOB.update().where(_held(job)).values(values)).rowcount == 1


def _held(job: Job) -> sql.ColumnElement[bool]:
    return (JOB.c.kind == job.kind) & (JOB.c.approval == job.approval) & (JOB.c.attempt == job.attempt)


def _job(row: Mapping[Any, Any]) -> Job:
    return Job(**{str(name): value for name, value in row.items()})
