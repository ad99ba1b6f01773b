"""Going on with sessions that stopped at an approval: none of them waits as a process."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Any

from hitl_opa.claude.news import news_of, tell, words
from hitl_opa.errors import ApprovalError

if TYPE_CHECKING:
    from claude_agent_sdk import ClaudeAgentOptions, Message

    from hitl_opa.approvals.approval import Approval
    from hitl_opa.guard import Guard


GRACE = 30.0
"""Seconds that a turn may take to begin behind one in which nothing was said."""


class NotDecided(ApprovalError):
    """Nothing that the session waits for has been decided."""


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

    Raises NotDecided where there is nothing to tell, ApprovalError, UnsafeOptions, or what the SDK raises.
    """
    from claude_agent_sdk import ClaudeSDKClient

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
    """Goes on with sessions as their approvals are decided: what ``hitl-opa worker`` calls.

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

    async def __call__(self, approval: Approval) -> bool:
        """Go on with the session of an approval that was decided; False where it has nothing (more) to be told.

        May be called again for the same one, and at the same time for others: sessions are told once, and
        no call runs twice. Raises what `resume` does; then the session is to be tried again.
        """
        session = approval.run or approval.session
        if not session:
            return False
        try:
            async for message in resume(self._guard, session, self._options(session), **self._settings):
                if self._heard is not None:
                    await self._heard(session, message)
        except NotDecided:
            return False
        return True
