"""What Claude Code's own hooks are answered, for each of those whose sessions they are."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from hitl_opa.claude.calls import Place
from hitl_opa.claude.code.settings import longest
from hitl_opa.claude.code.unseen import close_unseen
from hitl_opa.claude.confidence import Confidences
from hitl_opa.claude.desk import Desk
from hitl_opa.claude.gate import Gate
from hitl_opa.claude.options import login
from hitl_opa.claude.own_hooks import OwnHooks
from hitl_opa.claude.servers import Servers
from hitl_opa.errors import CallRefused

if TYPE_CHECKING:
    from hitl_opa.guard import Guard


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """Whose sessions these are, and how much they may do alone (None: what the settings say)."""

    principal: str
    level: int | None = None


class CodeHooks:
    """Answers the hooks that `hitl-opa init --claude-code` puts into Claude Code's settings.

    A call may wait in its hook for ``guard.config.attended`` seconds, until somebody has decided on its
    approval; the model's own questions are left to whoever sits at Claude Code. The workspace is the
    directory of the guard's settings, wherever the session has gone meanwhile.
    """

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self._gates: dict[Caller, Gate] = {}

    async def answer(self, hook: Any, caller: Caller) -> tuple[str, dict[str, Any]]:
        """The answer to a hook's input, with its word where it is a plain one: ``allow``, ``noted`` or ``""``.

        Raises CallRefused for what is no hook's input.
        """
        if not isinstance(hook, dict) or not isinstance(hook.get("hook_event_name"), str):
            raise CallRefused("the body is not the input of a hook")
        gate = self._gates.get(caller)
        if gate is None:
            gate = self._gates[caller] = self._gate(caller)
        id = str(hook.get("tool_use_id") or "")
        match hook["hook_event_name"]:
            case "PreToolUse":
                reply = await gate.pre_tool_use(hook, id, {"signal": None})
            case "PostToolUse" | "PostToolUseFailure":
                reply = await gate.post_tool_use(hook, id, {"signal": None})
            case "SessionStart":
                reply = self._greeting(caller)
            case other:
                raise CallRefused(f"nobody here answers {other} hooks")
        reply = {("continue" if name == "continue_" else name): value for name, value in reply.items()}
        return _word(reply), reply

    async def said(self, hook: Any, principal: str | None, level: int | None) -> tuple[str, bytes]:
        """`answer` for a server: ``principal`` is None where the caller is whoever this process belongs to."""
        word, reply = await self.answer(
            hook, Caller(principal=login() if principal is None else principal, level=level)
        )
        return word, encode(reply)

    def _greeting(self, caller: Caller) -> dict[str, Any]:
        """What a session is told when it starts: the user on the screen, the model in its context."""
        config = self._guard.config
        level = config.level if caller.level is None else caller.level
        if self._guard.approvals is None:
            asked, waits = "what asks is denied, as nobody can be asked", "A call that would need a person is denied."
        else:
            asked = f"what asks waits {config.attended:g} s for `hitl-opa approvals` or the inbox"
            waits = (
                f"A call that needs a person waits up to {config.attended:g} seconds for one. If nobody has decided by "
                "then it is denied as pending: go on with something else, or stop, and say that it waits; once it is "
                "approved, the very same call runs when you issue it again."
            )
        return {
            "systemMessage": f"hitl-opa guards this session at level {level}: {asked}.",
            "hookSpecificOutput": {
                "hookEventName": "SessionStart",
                "additionalContext": "Every tool call of this session is judged by a policy (hitl-opa) before it runs. "
                f"A denied call says why and what to do instead: do not try the same by other means. {waits}",
            },
        }

    async def settle(self) -> None:
        """Wait until everything that was said is on record."""
        for gate in self._gates.values():
            await gate.settle()

    def _gate(self, caller: Caller) -> Gate:
        guard = self._guard
        if caller.level is not None:
            guard = copy.copy(guard)  # one engine, record and history, another level
            guard.config = msgspec.structs.replace(guard.config, level=caller.level)
        config = guard.config
        place = Place(
            workspace=str(config.path(".")), home=str(Path.home()), principal=caller.principal, unattended=True
        )
        desk = Desk(
            guard,
            None,
            place,
            OwnHooks([]),
            Confidences(None),
            Servers({}),
            reports=False,
            strict=True,
            wait=config.attended if guard.approvals is not None else 0.0,
            questions=False,
        )
        start = {"session_id": "", "cwd": place.workspace, "permission_mode": "default"}
        return Gate(guard, desk, place, longest(config), start, unseen=close_unseen)


def _word(reply: dict[str, Any]) -> str:
    if not reply:
        return "noted"
    said = reply.get("hookSpecificOutput", {})
    plain = said.keys() <= {"hookEventName", "permissionDecision", "permissionDecisionReason"}
    return "allow" if plain and reply.keys() == {"hookSpecificOutput"} and said["permissionDecision"] == "allow" else ""


def encode(reply: dict[str, Any]) -> bytes:
    """An answer as Claude Code reads it."""
    return json.dumps(reply, allow_nan=False).encode()
