"""An existing can_use_tool callback as the human."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from claude_agent_sdk import ClaudeAgentOptions, PermissionResultAllow, PermissionResultDeny, PermissionUpdate
from doubles import ask

from hitl_opa.claude import CallbackReviewer
from hitl_opa.guard import Guard
from hitl_opa.model import Question
from hitl_opa.testing import Sandbox, tool_use


def reviewer(result: Any) -> CallbackReviewer:
    async def can_use_tool(tool: str, input: dict[str, Any], context: Any) -> Any:
        return result(tool, input, context) if callable(result) else result

    return CallbackReviewer(can_use_tool, name="rita", groups=["ops"])


GRANT = PermissionUpdate(type="setMode", mode="bypassPermissions", destination="session")


@pytest.mark.cli
@pytest.mark.parametrize(
    ("result", "files"),
    [
        (PermissionResultAllow(), {"asked"}),
        (PermissionResultAllow(updated_permissions=[GRANT]), {"asked"}),
        (PermissionResultAllow(updated_input={"command": "touch edited"}), {"edited"}),
        (PermissionResultAllow(updated_input={"command": "touch DENY"}), set()),
        (PermissionResultDeny(message="not now"), set()),
        ({"behavior": "allow"}, set()),
        (None, set()),
    ],
)
async def test_what_it_says_counts_where_policy_asks(
    agent: Any, guard: Guard, sandbox: Sandbox, result: Any, files: set[str]
) -> None:
    run = await agent(
        tool_use("Bash", command="touch asked # ASK"),
        tool_use("Bash", command="touch DENY"),
        options=ClaudeAgentOptions(permission_mode="acceptEdits"),
        guard=guard,
        reviewer=reviewer(result),
    )
    assert sandbox.files() == files
    if isinstance(result, PermissionResultDeny):
        assert "not now" in run.calls[0].told


async def test_it_is_asked_about_what_policy_asks_only(make_guard: Callable[..., Guard]) -> None:
    seen: list[Any] = []

    def approve(tool: str, input: dict[str, Any], context: Any) -> Any:
        seen.append((tool, input, context.decision_reason))
        return PermissionResultAllow()

    human = reviewer(approve)
    guard = make_guard(ask())
    options = guard.protect(ClaudeAgentOptions(), reviewer=human)
    assert options.can_use_tool is not None
    assert (human.name, human.groups) == ("rita", frozenset({"ops"}))
    hook: Any = {"tool_name": "Bash", "tool_input": {"command": "x"}}
    await options.hooks["PreToolUse"][0].hooks[0](hook, "t", {"signal": None})  # type: ignore[index]
    assert seen == [("Bash", {"command": "x"}, "It is ask.")]


async def test_it_answers_questions() -> None:
    def answers(tool: str, input: dict[str, Any], context: Any) -> Any:
        assert tool == "AskUserQuestion"
        return PermissionResultAllow(updated_input={**input, "answers": {input["questions"][0]["question"]: "Blue"}})

    assert await reviewer(answers).answer([Question(question="Which?")]) == {"Which?": "Blue"}
    assert await reviewer(PermissionResultAllow()).answer([Question(question="Which?")]) == {}
    with pytest.raises(PermissionError):
        await reviewer(PermissionResultDeny()).answer([Question(question="Which?")])
