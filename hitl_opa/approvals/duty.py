"""What a worker does now and then, beside its jobs."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

from hitl_opa.approvals.worker import Step
from hitl_opa.errors import HitlError


class Duty:
    """Does something every so many seconds, in a thread of its own, until it is told to stop.

    ``do`` returns what it did, which ``told`` gets. What it raises is told, and it is tried again the next time;
    the same problem is told once.
    """

    def __init__(
        self, kind: str, every: float, do: Callable[[], Iterable[Step]], *, told: Callable[[Step], None]
    ) -> None:
        self._kind = kind
        self._every = every
        self._do = do
        self._told = told
        self._problem = ""
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"hitl-opa {kind}")

    async def once(self) -> None:
        """Do it now."""
        problem = ""
        try:
            steps = await asyncio.get_running_loop().run_in_executor(self._thread, lambda: list(self._do()))
            for step in steps:
                self._told(step)
        except HitlError as error:
            problem = str(error)
            if problem != self._problem:
                self._told(Step(kind=self._kind, status="failed", error=problem))
        self._problem = problem

    async def run(self, stop: asyncio.Event) -> None:
        """Until ``stop`` is set."""
        while not stop.is_set():
            await self.once()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), self._every)
        self._thread.shutdown()
