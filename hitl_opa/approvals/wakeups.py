"""How a worker learns that there may be something to do."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from hitl_opa.database import Database


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


class Listening:
    """The database tells, over a connection that listens."""

    def __init__(self, connection: Any, poll: float, database: Database) -> None:
        self.poll = poll
        connection.add_notify_handler(lambda _: None)  # that something was said is all there is to it
        self._connection = connection
        self._database = database

    async def wait(self) -> None:
        loop, heard = asyncio.get_running_loop(), asyncio.Event()
        try:
            number = self._connection.fileno()
            loop.add_reader(number, heard.set)
            try:
                await heard.wait()
            finally:
                loop.remove_reader(number)
            self._connection.execute("SELECT 1")  # takes in what was said, or fails where the connection was lost
        except self._database.errors as error:
            raise self._database.explain(error) from error
