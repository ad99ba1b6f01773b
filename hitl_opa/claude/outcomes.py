"""Outcomes go on record beside the session, not in its way: a call that has run need not wait for a disk."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any


class Outcomes:
    """Writes in the background, in order; what is pending when the process ends is written first.

    The decision itself is durable before its call may run; only what became of it is written here.
    """

    def __init__(self, log: Any) -> None:
        self._log = log
        self._writer: ThreadPoolExecutor | None = None
        self._pending: set[Future[None]] = set()
        self._failures: list[str] = []
        self._lock = threading.Lock()

    def write(self, id: str, record: Callable[[], object]) -> None:
        """Have ``record`` called soon. What it raises is logged, and said by `settle`."""
        with self._lock:
            self._writer = self._writer or ThreadPoolExecutor(1, "hitl-opa-outcomes")
            pending = self._writer.submit(self._write, id, record)
            self._pending.add(pending)
        pending.add_done_callback(self._done)

    async def settle(self) -> list[str]:
        """Wait until everything is written; what could not be, since the last time."""
        with self._lock:
            pending = list(self._pending)
        if pending:
            await asyncio.wait([asyncio.wrap_future(future) for future in pending])
        with self._lock:
            failures, self._failures = self._failures, []
        return failures

    def _write(self, id: str, record: Callable[[], object]) -> None:
        try:
            record()
        except Exception as error:  # noqa: BLE001 - it has run; what is left is to say so
            self._log.error("outcome not recorded", id=id, error=str(error))
            with self._lock:
                self._failures.append(str(error))

    def _done(self, future: Future[None]) -> None:
        with self._lock:
            self._pending.discard(future)
