"""How a worker learns that there may be something to do."""

from __future__ import annotations

import asyncio
from typing import Protocol


class Wakeups(Protocol):
    """``poll``: seconds after which to look in any case."""

    @property
    def poll(self) -> float: ...

    async def wait(self) -> None:
        """Returns once there may be something to do. Raises AuditError where it cannot be known any more."""
        ...


class Polling:
    """Nothing tells: look often."""

    def __init__(self, poll: float) -> None:
        self.poll = poll

    async def wait(self) -> None:
        await asyncio.Event().wait()
