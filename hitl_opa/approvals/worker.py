"""The worker: sees to the clocks of approvals, and does the jobs that follow from their changes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from hitl_opa.approvals.approvals import Approvals
from hitl_opa.approvals.job import Handler, Job
from hitl_opa.approvals.outbox import Outbox
from hitl_opa.approvals.store import Store
from hitl_opa.approvals.wakeups import Wakeups
from hitl_opa.errors import HitlError

FIRST_DELAY, LONGEST_DELAY = 1.0, 600.0  # seconds from one try to the next; each is twice the one before
_LONGEST_OUTAGE = 60.0


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker did: ``status`` of a job is done, failed (tried again later), dead, lost (another worker
    has it) or released (the worker stops); ``kind`` clock: clocks that had run out, with how many in ``count``."""

    kind: str
    approval: str = ""
    status: str = ""
    attempt: int = 0
    error: str = ""
    ms: float = 0.0
    count: int = 0


class Worker:
    """Does jobs until it is told to stop. Any number of workers may share a database, on any machine.

    ``handlers`` by kind of job; other kinds are left alone. ``lease``: seconds after which a worker that
    went silent has lost a job; while a handler works its lease is renewed. ``retries``: how often a job may
    fail in a row. ``told`` gets each `Step`.
    """

    def __init__(
        self,
        store: Store,
        approvals: Approvals,
        handlers: Mapping[str, Handler],
        *,
        clock: Callable[[], datetime] | None = None,
        lease: float = 60.0,
        parallel: int = 4,
        retries: int = 10,
        told: Callable[[Step], None] = lambda _: None,
    ) -> None:
        self._store = store
        self._outbox = Outbox(store)
        self._approvals = approvals
        self._handlers = handlers
        self._clock = clock or (lambda: datetime.now(UTC))
        self._lease = lease
        self._parallel = parallel
        self._retries = retries
        self._told = told
        self._running: set[asyncio.Task[None]] = set()

    async def once(self) -> int:
        """See to the clocks, then do all that is due; returns how many jobs were tried.

        Raises AuditError and ApprovalError where the database cannot be used.
        """
        self._tick()
        tried = 0
        while True:
            tried += self._start()
            if not self._running:
                return tried
            await asyncio.wait(set(self._running), return_when=asyncio.FIRST_COMPLETED)

    async def run(self, stop: asyncio.Event, *, grace: float = 30.0) -> None:
        """Work until ``stop`` is set; what is being done then has ``grace`` seconds to end, else it is given back.

        A database that cannot be used is told of, and tried again.
        """
        delay = FIRST_DELAY
        while not stop.is_set():
            try:
                with self._store.wakeups() as wakeups:
                    while not stop.is_set():
                        self._tick()
                        self._start()
                        delay = FIRST_DELAY
                        await self._pause(stop, wakeups)
            except HitlError as error:
                self._told(Step(kind="database", status="failed", error=str(error)))
                await self._pause(stop, None, delay)
                delay = min(2 * delay, _LONGEST_OUTAGE)
        if self._running:
            await asyncio.wait(set(self._running), timeout=grace)
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running)

    async def _pause(self, stop: asyncio.Event, wakeups: Wakeups | None, seconds: float = 0.0) -> None:
        """Until there may be something to do."""
        ended: list[asyncio.Task[Any]] = [asyncio.create_task(stop.wait())]
        if wakeups is not None:
            ended.append(asyncio.create_task(wakeups.wait()))
            seconds = wakeups.poll
            due = self._outbox.due(self._handlers)
            if due is not None and len(self._running) < self._parallel:
                seconds = min(seconds, max(due - self._now(), 0.0))
        try:
            await asyncio.wait({*ended, *self._running}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in ended:
                task.cancel()
            results = await asyncio.gather(*ended, return_exceptions=True)
        for result in results:
            if isinstance(result, HitlError):
                raise result

    def _now(self) -> float:
        return self._clock().timestamp()

    def _tick(self) -> None:
        if count := self._approvals.tick():
            self._told(Step(kind="clock", status="done", count=count))

    def _start(self) -> int:
        free = self._parallel - len(self._running)
        if free <= 0 or not self._handlers:
            return 0
        jobs = self._outbox.claim(self._handlers, now=self._now(), lease=self._lease, limit=free)
        for job in jobs:
            task = asyncio.create_task(self._do(job))
            self._running.add(task)
            task.add_done_callback(self._running.discard)
        return len(jobs)

    async def _do(self, job: Job) -> None:
        began = time.perf_counter()
        error = ""
        try:
            status, error = await self._handled(job)
        except HitlError as problem:  # nobody could be told how it ended: it is done again once the lease ends
            status, error = "lost", str(problem)
        ms = round((time.perf_counter() - began) * 1000, 1)
        self._told(Step(kind=job.kind, approval=job.approval, status=status, attempt=job.attempt, error=error, ms=ms))

    async def _handled(self, job: Job) -> tuple[str, str]:
        """How it ended, and why. Raises AuditError, ApprovalError."""
        work = asyncio.ensure_future(self._handlers[job.kind](job))
        try:
            while not (await asyncio.wait({work}, timeout=self._lease / 3))[0]:
                if not self._outbox.extend(job, self._now() + self._lease):
                    return "lost", "it took so long that another worker has it"
        except asyncio.CancelledError:
            return ("released" if self._outbox.release(job) else "lost"), ""
        finally:
            work.cancel()
            await asyncio.wait({work})
        problem = work.exception() if not work.cancelled() else asyncio.CancelledError("its handler was cancelled")
        if problem is None:
            return ("done", "") if self._outbox.done(job) else ("lost", "another worker had it before it was done")
        error = str(problem) or type(problem).__name__
        if job.failures + 1 >= self._retries:
            return ("dead" if self._outbox.bury(job, error) else "lost"), error
        delay = min(FIRST_DELAY * 2**job.failures, LONGEST_DELAY)
        return ("failed" if self._outbox.failed(job, error, self._now() + delay) else "lost"), error
