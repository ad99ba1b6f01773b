"""Tells people, until it is told to stop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from hitl_opa.approvals.job import Job
from hitl_opa.errors import HitlError
from hitl_opa.notify.delivery import Delivery

POLL = 15.0  # seconds from one look to the next, where nothing says that something changed
_SHORTEST = 0.5  # seconds
_LONGEST_OUTAGE = 60.0  # seconds between tries while the database cannot be used


class Notifier:
    """Delivers what is due; the handler of the outbox's jobs of the kind ``notify``, which say that something changed.

    What to send, and what did not arrive, stands with the letters: one approval may be told of in several
    channels, and one that fails must not have the others told again. ``told`` gets what keeps it from looking.
    """

    def __init__(self, delivery: Delivery, *, told: Callable[[str], None] = lambda _: None) -> None:
        self._delivery = delivery
        self._told = told
        self._woken = asyncio.Event()

    async def __call__(self, job: Job) -> None:
        """An approval changed: look at once."""
        self._woken.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Until ``stop`` is set; a message that is being sent then is sent."""
        outage = _SHORTEST
        while not stop.is_set():
            self._woken.clear()
            try:
                await self._delivery.once()
                wait = max(await asyncio.to_thread(self._delivery.wait, POLL), _SHORTEST)
                outage = _SHORTEST
            except HitlError as error:
                self._told(str(error))
                wait = outage = min(2 * outage, _LONGEST_OUTAGE)
            ended = [asyncio.ensure_future(event.wait()) for event in (stop, self._woken)]
            await asyncio.wait(ended, timeout=wait, return_when=asyncio.FIRST_COMPLETED)
            for waiting in ended:
                waiting.cancel()
            await asyncio.gather(*ended, return_exceptions=True)
