"""Appends of one event loop that share commits: what comes up in one turn of the loop is one transaction."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from hitl_opa.database.sqlite import PAUSE
from hitl_opa.errors import AuditBusy

if TYPE_CHECKING:
    from hitl_opa.audit.leaf import Event, Receipt, Sealed
    from hitl_opa.audit.log import AuditLog


class Batch:
    """Group commit without threads, for a server: while the loop waits for the disk, requests gather for the next turn.

    ``append`` is `AuditLog.append` for coroutines of one event loop: when it returns, the event is on the
    disk. While another process writes, the loop goes on, and the group grows.
    """

    def __init__(self, log: AuditLog) -> None:
        self._log = log
        self._waiting: list[tuple[Sealed, asyncio.Future[Receipt]]] = []
        self._deadline = 0.0

    async def append(self, event: Event) -> Receipt:
        """Record the event. Raises AuditError, and then it was not recorded."""
        loop = asyncio.get_running_loop()
        sealed = self._log.seal(event)
        future: asyncio.Future[Receipt] = loop.create_future()
        self._waiting.append((sealed, future))
        if len(self._waiting) == 1:
            self._deadline = loop.time() + self._log.timeout
            loop.call_soon(self._commit, loop)
        return await future

    def _commit(self, loop: asyncio.AbstractEventLoop) -> None:
        waiting, self._waiting = self._waiting, []
        try:
            receipts = self._log.write([sealed for sealed, _ in waiting], timeout=0)
        except AuditBusy as error:
            if loop.time() < self._deadline:
                self._waiting = waiting
                loop.call_later(PAUSE, self._commit, loop)
            else:
                _fail(waiting, error)
        except Exception as error:  # noqa: BLE001 - each append raises it
            _fail(waiting, error)
        else:
            for (_, future), receipt in zip(waiting, receipts, strict=True):
                if not future.done():  # its caller may have been cancelled meanwhile
                    future.set_result(receipt)


def _fail(waiting: list[tuple[Sealed, asyncio.Future[Receipt]]], error: Exception) -> None:
    for _, future in waiting:
        if not future.done():
            future.set_exception(error)
