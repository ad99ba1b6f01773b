"""The user's own PreToolUse hooks, run inside the guard's.

The CLI asks all hooks of an event at once and lets the last rewrite win, unseen by the others; so
these run here, one after the other, before policy, which decides on what they leave.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from hitl_opa.claude.matching import matches

if TYPE_CHECKING:
    from claude_agent_sdk import HookMatcher

DEFAULT_SECONDS = 60.0
"""How long a hook of a matcher without a timeout may take."""

OPINIONS = ("allow", "deny", "ask", "defer")


class Heard(msgspec.Struct, kw_only=True):
    """What the user's hooks said of a call. ``input`` is what they leave of its input.

    ``denied`` and ``asked`` are reasons, None where no hook denied or asked; ``stop`` is the reason
    of a hook that wants the turn to end. ``context`` is for the model, ``message`` for the user.
    """

    input: dict[str, Any]
    denied: str | None = None
    asked: str | None = None
    stop: str | None = None
    context: list[str] = []
    message: list[str] = []
    failures: list[str] = []


class _Failed(Exception):
    """A hook that raised or answered junk."""


class OwnHooks:
    """``matchers``: the user's PreToolUse matchers."""

    def __init__(self, matchers: Sequence[HookMatcher]) -> None:
        self._matchers = list(matchers)

    @property
    def seconds(self) -> float:
        """The longest time that all of them may take."""
        return sum(len(m.hooks) * _seconds(m) for m in self._matchers)

    async def hear(self, hook: dict[str, Any], tool_use_id: str | None, context: Any) -> Heard:
        """Ask them. The first denial ends it; a hook that fails denies if its matcher says ``block``, or it hangs."""
        heard = Heard(input=hook["tool_input"])
        for matcher in self._matchers:
            if not matches(matcher.matcher, hook["tool_name"]):
                continue
            for callback in matcher.hooks:
                seen = {**hook, "tool_input": heard.input}
                try:
                    async with asyncio.timeout(_seconds(matcher)):
                        reply: Any = await callback(seen, tool_use_id, context)  # type: ignore[arg-type]
                    _take(heard, reply)
                except TimeoutError:
                    heard.denied = f"A hook of this application did not answer within {_seconds(matcher):g} s."
                except Exception as error:  # noqa: BLE001 - a hook may raise anything
                    heard.failures.append(f"{type(error).__name__}: {error}")
                    if matcher.on_failure not in (None, "continue"):
                        heard.denied = f"A hook of this application failed: {type(error).__name__}: {error}"
                if heard.denied is not None:
                    return heard
        return heard


def _seconds(matcher: HookMatcher) -> float:
    return DEFAULT_SECONDS if matcher.timeout is None else matcher.timeout


def _take(heard: Heard, reply: Any) -> None:
    """Add one hook's reply. Raises _Failed for what is none; a deny counts wherever it stands."""
    if not isinstance(reply, dict):
        raise _Failed(f"a hook answered with {type(reply).__name__}, not an object")
    said = reply.get("hookSpecificOutput") or {}
    if not isinstance(said, dict):
        raise _Failed("hookSpecificOutput is not an object")
    reason = str(said.get("permissionDecisionReason") or reply.get("reason") or "")
    opinions = {said.get("permissionDecision"), reply.get("permissionDecision"), reply.get("decision")}
    opinions = {"deny" if o == "block" else "allow" if o == "approve" else o for o in opinions} - {None}
    stops = reply.get("continue_", reply.get("continue", True)) is False
    if "deny" in opinions or stops:
        heard.denied = reason or str(reply.get("stopReason") or "") or "A hook of this application denied this call."
        heard.stop = str(reply.get("stopReason") or "") if stops else None
        return
    if "defer" in opinions:
        heard.denied = "A hook of this application deferred this call; a guarded call cannot be deferred."
        return
    unknown = opinions - set(OPINIONS)
    if unknown:
        raise _Failed(f"a hook decided {unknown.pop()!r}")
    if "ask" in opinions:
        heard.asked = reason or "A hook of this application asks."
    updated = said.get("updatedInput")
    if updated is not None:
        if not isinstance(updated, dict):
            raise _Failed("updatedInput is not an object")
        heard.input = updated
    heard.context += [str(said["additionalContext"])] if said.get("additionalContext") else []
    heard.message += [str(reply["systemMessage"])] if reply.get("systemMessage") else []
