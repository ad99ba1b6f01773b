"""Waiting a short while, inside a call's hook, for people who decide somewhere else."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from hitl_opa.guard import Guard
    from hitl_opa.guard.ruling import Outcome

POLL = 0.5  # seconds between two looks at an approval


async def waited(guard: Guard, decide: Callable[[], Awaitable[Outcome]], seconds: float) -> Outcome:
    """What ``decide`` says of a call, once more if its approval is decided within ``seconds``."""
    outcome = await decide()
    if not outcome.pending or guard.approvals is None:
        return outcome
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        await asyncio.sleep(min(POLL, left))
        found = await asyncio.to_thread(guard.approvals.get, outcome.pending)
        if found.state in ("approved", "denied"):
            return await decide()
        if found.state != "pending":
            because = f": {found.reason}" if found.reason else "."
            words = f"This call is denied: approval {found.id} is {found.state}{because}"
            return msgspec.structs.replace(outcome, message=words, pending="")
    return outcome
