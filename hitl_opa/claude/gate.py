"""Where the CLI meets the guard: the hooks and the permission callback of one set of options."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from hitl_opa.audit import digest
from hitl_opa.claude import replies
from hitl_opa.claude.calls import PLAN, read_call, ruled
from hitl_opa.claude.matching import matches
from hitl_opa.claude.outcomes import Outcomes
from hitl_opa.claude.settled import Open, Settled
from hitl_opa.errors import CallRefused
from hitl_opa.guard.log import open_log
from hitl_opa.model import Session, ToolCall

if TYPE_CHECKING:
    from claude_agent_sdk import (
        HookMatcher,
        PermissionResultAllow,
        PermissionResultDeny,
        ToolPermissionContext,
    )

    from hitl_opa.claude.calls import Place
    from hitl_opa.claude.desk import Desk
    from hitl_opa.guard import Guard


class Gate:
    """Callbacks for the SDK. None of them raises, but for cancellation, and each answers explicitly.

    ``limit`` is how long one call may take to be settled, in seconds. ``start`` holds session_id, cwd
    and permission_mode as far as they are known before the first hook. ``own_requests`` are the
    user's PermissionRequest hooks, whose denials stand and whose other words are recorded only.
    ``open`` are the calls that were settled and are not over. ``unseen`` records the end of a call that was
    settled in another process, where that may happen.
    """

    def __init__(
        self,
        guard: Guard,
        desk: Desk,
        place: Place,
        limit: float,
        start: dict[str, Any],
        own_requests: Sequence[HookMatcher] = (),
        *,
        open: Open | None = None,
        unseen: Callable[[Guard, ToolCall, dict[str, Any]], None] | None = None,
    ) -> None:
        self._guard = guard
        self._desk = desk
        self._place = place
        self._limit = limit
        self._own_requests = list(own_requests)
        self._unseen = unseen
        self._open = open or Open()
        self._seen = start
        self._log = open_log()
        self._outcomes = Outcomes(self._log)

    # --- before a call

    async def pre_tool_use(self, hook: Any, tool_use_id: str | None, context: Any) -> Any:
        """PreToolUse: the call may run or it may not."""
        settled = await self._settle(hook, tool_use_id, context)
        try:
            return replies.checked(self._reply(hook, settled))
        except Exception as error:  # noqa: BLE001 - what cannot be said is a deny
            return replies.deny(self._failure(hook, tool_use_id, error))

    def _reply(self, hook: dict[str, Any], settled: Settled) -> replies.Reply:
        if not settled.allowed:
            return replies.deny(settled.why, message=settled.message, stop=settled.stop)
        changed = settled.input if settled.input != ruled(settled.tool, hook["tool_input"]) else None
        return replies.allow(settled.why, input=changed, context=settled.context, message=settled.message)

    async def can_use_tool(
        self, tool: str, input: dict[str, Any], context: ToolPermissionContext
    ) -> PermissionResultAllow | PermissionResultDeny:
        """The CLI asks by itself: what was settled for this very call holds, anything else is settled now."""
        from claude_agent_sdk import PermissionResultAllow, PermissionResultDeny

        id = context.tool_use_id or ""
        settled = self._open.get(id)
        if settled is None or not self._same(settled, tool, input, context.agent_id or ""):
            hook = {
                **self._seen,
                "hook_event_name": "PreToolUse",
                "tool_name": tool,
                "tool_input": input,
                "tool_use_id": id,
                "agent_id": context.agent_id or "",
                "agent_type": "",
            }
            settled = await self._settle(hook, id, {"signal": None})
        if settled.allowed:
            return PermissionResultAllow(updated_input=settled.input)
        return PermissionResultDeny(message=settled.why)

    def _same(self, settled: Settled, tool: str, input: dict[str, Any], agent: str) -> bool:
        if (settled.tool, settled.agent) != (tool, agent):
            return False
        try:
            input = settled.unanswered(ruled(tool, input))
            return not settled.allowed or digest(input) == digest(settled.unanswered(settled.input))
        except Exception:  # noqa: BLE001 - what cannot be compared is not the same
            return False

    async def _settle(self, hook: Any, tool_use_id: str | None, context: Any) -> Settled:
        """Settle a call, come what may."""
        try:
            async with asyncio.timeout(self._limit):
                settled = await self._desk.settle(hook, tool_use_id, context)
            self._seen = {**self._seen, **{k: hook[k] for k in self._seen if k in hook}}
        except asyncio.CancelledError:
            # the CLI has given this call up, or the host is leaving; either way it does not run
            self._failure(hook, tool_use_id, CallRefused("it was given up before it was decided"))
            raise
        except TimeoutError:
            settled = self._refused(hook, tool_use_id, CallRefused(f"it was not settled within {self._limit:g} s"))
        except Exception as error:  # noqa: BLE001 - whatever fails on the way to an allow is a deny
            settled = self._refused(hook, tool_use_id, error)
        id = _id(hook, tool_use_id)
        if settled.allowed or id:
            self._open.add(id, settled)
        return settled

    def _refused(self, hook: Any, tool_use_id: str | None, error: Exception) -> Settled:
        fields = hook if isinstance(hook, dict) else {}
        return Settled(
            allowed=False,
            tool=str(fields.get("tool_name", "")),
            agent=str(fields.get("agent_id") or ""),
            session=str(fields.get("session_id", "")),
            input={},
            why=self._failure(hook, tool_use_id, error),
        )

    def _failure(self, hook: Any, tool_use_id: str | None, error: Exception) -> str:
        """Log and record that a call was refused for what went wrong; the message for the model."""
        why = str(error) if isinstance(error, CallRefused) else f"the guard failed: {type(error).__name__}: {error}"
        call = self._call(hook, tool_use_id)
        self._log.error("call refused", tool=call.tool, id=call.id, error=why)
        self._note(call, refused=why)
        return f"This call is denied: {why}."

    # --- the CLI's own permission dialog

    async def permission_request(self, hook: Any, tool_use_id: str | None, context: Any) -> Any:
        """PermissionRequest: recorded. Nobody's allow counts here; a deny of the user's own hooks stands."""
        call = self._call(hook, tool_use_id)
        said: list[Any] = []
        denied = ""
        for matcher in self._own_requests:
            if not matches(matcher.matcher, call.tool):
                continue
            for callback in matcher.hooks:
                try:
                    async with asyncio.timeout(matcher.timeout or 60):
                        reply: Any = await callback(hook, tool_use_id, context)
                    decision = (reply or {}).get("hookSpecificOutput", {}).get("decision", {})
                    said.append(decision)
                    if decision.get("behavior") == "deny":
                        denied = str(decision.get("message") or "A hook of this application denied this call.")
                except Exception as error:  # noqa: BLE001 - a hook that fails has no say, as in the CLI
                    said.append({"error": f"{type(error).__name__}: {error}"})
                    if matcher.on_failure not in (None, "continue"):
                        denied = f"A hook of this application failed: {error}"
        suggestions = hook.get("permission_suggestions") if isinstance(hook, dict) else None
        self._note(call, kind="permission_request", own_hooks=said, suggestions=suggestions or [])
        return replies.refuse_permission(denied) if denied else {}

    # --- after a call

    async def post_tool_use(self, hook: Any, tool_use_id: str | None, context: Any) -> Any:
        """PostToolUse and PostToolUseFailure: what ran goes on record, beside what was approved."""
        try:
            return self._close(hook, tool_use_id)
        except Exception as error:  # noqa: BLE001 - it has run; what is left is to say so
            self._log.error("outcome not recorded", id=_id(hook, tool_use_id), error=str(error))
            return _unrecorded([str(error)])

    def _close(self, hook: dict[str, Any], tool_use_id: str | None) -> replies.Reply:
        failed = hook.get("hook_event_name") == "PostToolUseFailure"
        settled = self._open.take(_id(hook, tool_use_id))
        if settled is None and self._unseen is not None:
            self._unseen(self._guard, self._call(hook, tool_use_id), hook)
            return {}
        if settled is None or not settled.allowed:
            call = self._call(hook, tool_use_id)
            self._log.error("a call ran that was not allowed", tool=call.tool, id=call.id)
            self._note(call, ran_without_decision=True, input=call.input)
            return {"systemMessage": f"hitl-opa: {call.tool} ran although it was not allowed."}
        if settled.ruling is None:
            return {}
        # a plan is in its file, and not in the input that the CLI reports
        ran = settled.input if settled.tool == PLAN else hook["tool_input"]
        record = functools.partial(
            self._guard.close_call,
            settled.ruling,
            "failed" if failed else "ran",
            input=settled.unanswered(ran),
            error=str(hook.get("error") or "") if failed else "",
            ms=float(hook.get("duration_ms") or 0.0),
        )
        self._outcomes.write(settled.ruling.id, record)
        if self._same(settled, settled.tool, ran, settled.agent):
            return {}
        return {"systemMessage": f"hitl-opa: {settled.tool} ran with another input than was approved."}

    async def stop(self, hook: Any, tool_use_id: str | None, context: Any) -> Any:
        """Stop and SubagentStop: calls that were allowed and that the CLI did not run are closed as blocked."""
        fields = hook if isinstance(hook, dict) else {}
        for settled in self._open.leave(str(fields.get("session_id", "")), str(fields.get("agent_id") or "")):
            if settled.allowed and settled.ruling is not None:
                record = functools.partial(
                    self._guard.close_call, settled.ruling, "blocked", error="The CLI did not run it."
                )
                self._outcomes.write(settled.ruling.id, record)
        return await self.settle()

    async def settle(self) -> replies.Reply:
        """Wait until the outcomes so far are on record."""
        failures = await self._outcomes.settle()
        return _unrecorded(failures) if failures else {}

    # --- record

    def _call(self, hook: Any, tool_use_id: str | None) -> ToolCall:
        """The call, or as much of it as can be read, for the record."""
        try:
            return read_call(hook, tool_use_id, self._place)
        except CallRefused:
            fields = hook if isinstance(hook, dict) else {}
            return ToolCall(
                tool=str(fields.get("tool_name", "")),
                id=_id(hook, tool_use_id),
                session=Session(id=str(fields.get("session_id", "")), principal=self._place.principal),
            )

    def _note(self, call: ToolCall, kind: str = "note", **fields: Any) -> None:
        try:
            self._guard.note(kind, call, **msgspec.to_builtins(fields))
        except Exception as error:  # noqa: BLE001 - notes accompany a deny or an outcome; the log has it
            self._log.error("note not recorded", id=call.id, error=str(error))


def _unrecorded(errors: list[str]) -> replies.Reply:
    return {"systemMessage": f"hitl-opa could not record what became of {len(errors)} calls: {errors[0]}"}


def _id(hook: Any, tool_use_id: str | None) -> str:
    return str((hook.get("tool_use_id") if isinstance(hook, dict) else None) or tool_use_id or "")
