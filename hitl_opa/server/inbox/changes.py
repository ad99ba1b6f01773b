"""Tells open pages that something changed: one look at the record a second for all of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

PAUSE = 1.0  # seconds
BEAT = 15.0  # seconds: proxies close what is silent for long


class Changes:
    """``version`` returns a number that grows with every change; it is asked while somebody listens."""

    def __init__(self, version: Callable[[], int]) -> None:
        self._version = version
        self._now = 0
        self._changed = asyncio.Condition()
        self._listeners = 0
        self._task: asyncio.Task[None] | None = None

    async def after(self, last: int) -> AsyncIterator[str]:
        """Server-sent events from ``last`` on, without end."""
        self._listeners += 1
        if self._task is None:
            self._now = await asyncio.to_thread(self._version)
            self._task = asyncio.create_task(self._watch())
        try:
            yield ": connected\n\n"
            if not last:
                last = self._now
            while True:
                if self._now > last:
                    last = self._now
                    yield f"id: {last}\nevent: changed\ndata: {last}\n\n"
                    continue
                try:
                    async with asyncio.timeout(BEAT), self._changed:
                        await self._changed.wait()
                except TimeoutError:
                    yield ": still here\n\n"
        finally:
            self._listeners -= 1
            if not self._listeners and self._task is not None:
                self._task.cancel()
                self._task = None

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(PAUSE)
            found = await asyncio.to_thread(self._version)
            if found != self._now:
                async with self._changed:
                    self._now = found
                    self._changed.notify_all()
