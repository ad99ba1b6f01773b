"""Going on with sessions that stopped at an approval: none of them waits as a process."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Any

from hitl_opa.claude.news import news_of, tell, words
from hitl_opa.errors import ApprovalError

if TYPE_CHECKING:
    from claude_agent_sdk import ClaudeAgentOptions, Message

    from hitl_opa.approvals.job import Job
    from hitl_opa.approvals.leases import Lease, Leases
    from hitl_opa.guard import Guard

GRACE = 30.0
"""Seconds that a turn may take to begin behind one in which nothing was said."""

LEASE = 60.0
"""Seconds after which a session belongs to nobody any more, if whoever went on with it has gone silent."""

PAUSE = 1.0
"""Seconds between two looks at a session that somebody else goes on with."""


class NotDecided(ApprovalError):
    """Nothing that the session waits for has been decided."""


class SessionBusy(ApprovalError):
    """Another process goes on with the session just now."""


async def resume(
    guard: Guard, session: str, options: ClaudeAgentOptions, *, prompt: str = "", **settings: Any
) -> AsyncIterator[Message]:
    """Go on with a session, now that people have decided; its messages, as they come.

    The model is told what became of each call that waited, and issues those again that were approved:
    they pass the guard like any other call, which finds the approval by what it binds to, uses it up
    and lets the call run, once. Nothing runs while the session starts: a call that waits was denied in
    the transcript, not deferred. ``options`` are those that the session was started with (their ``cwd``
    finds the transcript, and a ``session_store`` has it on another machine); they get protected here, with
    ``settings`` as `Guard.protect` takes them. ``prompt`` is added to what the model is told.

    Raises NotDecided where there is nothing to tell, SessionBusy while another process goes on with it,
    ApprovalError, UnsafeOptions, or what the SDK raises; then the session may be resumed again.
    """
    from claude_agent_sdk import ClaudeSDKClient

    first = news_of(guard, session).first
    if not first or guard.approvals is None:
        raise NotDecided(f"session {session} waits for nothing")
    async with _held(guard.approvals.leases, first, session):
        news = news_of(guard, session)
        if not news.decided:
            waits = f": it waits for {', '.join(a.id for a in news.waiting)}" if news.waiting else ""
            raise NotDecided(f"nothing was decided for session {session}{waits}")
        ready = guard.protect(dataclasses.replace(options, resume=session, continue_conversation=False), **settings)
        async with ClaudeSDKClient(ready) as client:
            await client.query("\n\n".join(part for part in (words(news), prompt) if part))
            async for message in _turn(client.receive_messages()):
                yield message
        tell(guard, session, news)  # not before: who dies on the way has told nobody


@contextlib.asynccontextmanager
async def _held(leases: Leases, approval: str, session: str) -> AsyncIterator[None]:
    """The session is this process's own. Raises SessionBusy."""
    lease = await asyncio.to_thread(leases.take, approval, LEASE)
    if lease is None:
        raise SessionBusy(f"another process goes on with session {session}")
    keeping = asyncio.create_task(_keep(leases, lease))
    try:
        yield
    finally:
        keeping.cancel()
        await asyncio.to_thread(leases.end, lease)


async def _keep(leases: Leases, lease: Lease) -> None:
    kept = True
    while kept:
        await asyncio.sleep(LEASE / 3)
        with contextlib.suppress(ApprovalError):  # the database is away for a moment; the next try may succeed
            kept = await asyncio.to_thread(leases.extend, lease, LEASE)


async def _turn(messages: AsyncIterator[Message]) -> AsyncIterator[Message]:
    """The messages up to the end of our turn.

    A session whose background agents were cut off first has a turn of its own, in which nothing is said;
    ours comes right behind it.
    """
    from claude_agent_sdk import ResultMessage

    empty = False
    while True:
        try:
            async with asyncio.timeout(GRACE if empty else None):
                message = await anext(messages)
        except (StopAsyncIteration, TimeoutError):
            return
        yield message
        empty = isinstance(message, ResultMessage) and not message.num_turns and not message.is_error
        if isinstance(message, ResultMessage) and not empty:
            return


class Resumer:
    """Goes on with sessions as their approvals are decided: the handler of ``hitl-opa worker`` for ``resume`` jobs.

    ``options`` returns the options that a session was started with, by its id; ``heard`` gets each message.
    """

    def __init__(
        self,
        guard: Guard,
        options: Callable[[str], ClaudeAgentOptions],
        *,
        heard: Callable[[str, Message], Awaitable[None]] | None = None,
        **settings: Any,
    ) -> None:
        self._guard = guard
        self._options = options
        self._heard = heard
        self._settings = settings

    async def __call__(self, job: Job) -> None:
        """Go on with the session that waited for this approval, if it has something (more) to be told.

        May be called again for the same one, and at the same time for others: a session is told once, by
        one process at a time, and no call runs twice. Raises what `resume` does.
        """
        if self._guard.approvals is None:
            raise ApprovalError("this guard keeps no approvals")
        approval = await asyncio.to_thread(self._guard.approvals.get, job.approval)
        while True:
            try:
                await self._go_on(approval.run or approval.session)
            except NotDecided:
                return
            except SessionBusy:
                await asyncio.sleep(PAUSE)
            else:
                return

    async def _go_on(self, session: str) -> None:
        options = self._options(session)
        async for message in resume(self._guard, session, options, **self._settings):
            if self._heard is not None:
                await self._heard(session, message)
