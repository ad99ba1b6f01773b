"""can_use_tool: what was settled for a call holds for that very call, and for no other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from claude_agent_sdk import ClaudeAgentOptions, PermissionResultAllow, PermissionResultDeny, ToolPermissionContext
from doubles import ask

from hitl_opa.audit import AuditLog
from hitl_opa.guard import Guard
from hitl_opa.testing import ScriptedReviewer

HOOK = {"session_id": "s", "cwd": "/w", "permission_mode": "plan", "tool_name": "Bash", "tool_use_id": "t1"}


class Gates:
    """Both gates of protected options."""

    def __init__(self, guard: Guard, **settings: Any) -> None:
        options = guard.protect(ClaudeAgentOptions(cwd="/w"), principal="dev", **settings)
        assert options.hooks is not None
        self._hooks = options.hooks
        self._second = options.can_use_tool

    async def first(self, input: dict[str, Any], **fields: Any) -> str:
        reply: Any = await self._hooks["PreToolUse"][0].hooks[0]({**HOOK, "tool_input": input, **fields}, "t1", {})  # type: ignore[arg-type]
        return str(reply["hookSpecificOutput"]["permissionDecision"])

    async def second(self, input: dict[str, Any], tool: str = "Bash", id: str = "t1", agent: str | None = None) -> Any:
        assert self._second is not None
        return await self._second(tool, input, ToolPermissionContext(tool_use_id=id, agent_id=agent))

    async def after(self, input: dict[str, Any], event: str = "PostToolUse") -> Any:
        hook: Any = {**HOOK, "hook_event_name": event, "tool_input": input}
        reply = await self._hooks[event][0].hooks[0](hook, "t1", {})  # type: ignore[index]
        await self._hooks["Stop"][0].hooks[0]({"session_id": "s"}, None, {})  # type: ignore[arg-type, typeddict-item]
        return reply


def documents(guard: Guard) -> list[dict[str, Any]]:
    engine: Any = guard.engine
    asked: list[dict[str, Any]] = engine.asked
    return asked


OK, DENY = {"command": "true"}, {"command": "touch DENY"}


async def test_the_same_call_is_decided_once(make_guard: Callable[..., Guard]) -> None:
    guard = make_guard(ask())
    reviewer = ScriptedReviewer("approve")
    gates = Gates(guard, reviewer=reviewer)
    assert await gates.first(OK) == "allow"
    result = await gates.second(OK)
    assert isinstance(result, PermissionResultAllow)
    assert result.updated_input == OK
    assert result.updated_permissions is None
    assert (len(documents(guard)), len(reviewer.requests)) == (1, 1)


@pytest.mark.parametrize(
    "other",
    [{"input": DENY}, {"input": DENY, "tool": "Write"}, {"input": DENY, "id": "t2"}, {"input": DENY, "agent": "a"}],
)
async def test_another_call_is_decided_anew(guard: Guard, other: dict[str, Any]) -> None:
    gates = Gates(guard)
    assert await gates.first(OK) == "allow"
    assert isinstance(await gates.second(**other), PermissionResultDeny)
    assert len(documents(guard)) == 2
    assert documents(guard)[1]["agent"]["mode"] == "plan"
    assert documents(guard)[1]["agent"]["session"] == "s"


@pytest.mark.parametrize("other", [{"tool": "Write"}, {"id": "t2"}, {"agent": "a"}])
async def test_what_differs_but_in_its_input_is_decided_anew_too(guard: Guard, other: dict[str, Any]) -> None:
    gates = Gates(guard)
    await gates.first(OK)
    await gates.second(OK, **other)
    assert len(documents(guard)) == 2


async def test_a_denied_call_stays_denied(guard: Guard) -> None:
    gates = Gates(guard)
    assert await gates.first(DENY) == "deny"
    assert isinstance(await gates.second(DENY), PermissionResultDeny)
    assert isinstance(await gates.second(OK), PermissionResultDeny)
    assert len(documents(guard)) == 1


async def test_without_the_first_gate_the_second_decides(guard: Guard) -> None:
    gates = Gates(guard)
    assert isinstance(await gates.second(DENY), PermissionResultDeny)
    assert isinstance(await gates.second(OK, id="t9"), PermissionResultAllow)
    assert {d["context"]["cwd"] for d in documents(guard)} == {"/w"}


async def test_input_that_is_no_json_is_denied(guard: Guard) -> None:
    gates = Gates(guard)
    await gates.first(OK)
    assert isinstance(await gates.second({"command": object()}), PermissionResultDeny)


async def test_what_ran_without_a_decision_is_on_record(guard: Guard, audit: AuditLog) -> None:
    gates = Gates(guard)
    assert "not allowed" in (await gates.after(OK))["systemMessage"]
    await gates.first(DENY)
    assert "not allowed" in (await gates.after(DENY))["systemMessage"]
    assert [r.kind for r in audit.records()] == ["note", "decision", "outcome", "note"]


async def test_a_failed_call_is_closed_as_failed(guard: Guard, audit: AuditLog) -> None:
    gates = Gates(guard)
    await gates.first(OK)
    assert await gates.after(OK, "PostToolUseFailure") == {}
    assert [r.get("outcome") for r in audit.records() if r.kind == "outcome"] == ["failed"]


async def test_another_input_that_ran_is_said_loudly(guard: Guard, audit: AuditLog) -> None:
    gates = Gates(guard)
    await gates.first(OK)
    assert "another input" in (await gates.after(DENY))["systemMessage"]
    assert [r.get("matches") for r in audit.records() if r.kind == "outcome"] == [False]


async def test_who_asks_and_where(guard: Guard) -> None:
    gates = Gates(guard)
    await gates.first(OK, agent_id="a1", agent_type="worker", cwd="/w/sub")
    (document,) = documents(guard)
    assert document["agent"]["id"] == "a1"
    assert document["agent"]["type"] == "worker"
    assert document["agent"]["principal"] == "dev"
    assert document["agent"]["unattended"] is True
    assert (document["context"]["cwd"], document["context"]["workspace"]) == ("/w/sub", "/w")
