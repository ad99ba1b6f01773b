"""The application's own hooks, beside the guard: nothing they say runs what policy denies."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import Any

import pytest
from claude_agent_sdk import ClaudeAgentOptions, HookMatcher

from hitl_opa.audit import AuditLog
from hitl_opa.claude.matching import matches
from hitl_opa.claude.own_hooks import OwnHooks
from hitl_opa.guard import Guard
from hitl_opa.testing import Sandbox, ScriptedReviewer, tool_use


def said(**fields: Any) -> dict[str, Any]:
    return {"hookSpecificOutput": {"hookEventName": "PreToolUse", **fields}}


def hook(reply: Any, seen: list[Any] | None = None) -> Any:
    async def answer(input: Any, tool_use_id: Any, context: Any) -> Any:
        if seen is not None:
            seen.append(input)
        if isinstance(reply, BaseException):
            raise reply
        return reply(input) if callable(reply) else reply

    return answer


def options(reply: Any, event: str = "PreToolUse", seen: list[Any] | None = None, **matcher: Any) -> ClaudeAgentOptions:
    hooks: Any = {event: [HookMatcher(hooks=[hook(reply, seen)], **matcher)]}
    return ClaudeAgentOptions(permission_mode="bypassPermissions", hooks=hooks)


REWRITES = said(updatedInput={"command": "touch DENY"})
HARMLESS = said(permissionDecision="allow", updatedInput={"command": "touch made"})


@pytest.mark.cli
@pytest.mark.parametrize(
    ("reply", "command", "files"),
    [
        (REWRITES, "touch made", set()),
        (said(permissionDecision="allow", updatedInput={"command": "touch DENY"}), "touch made", set()),
        (HARMLESS, "touch DENY", {"made"}),
        (said(permissionDecision="allow"), "touch DENY", set()),
        (said(permissionDecision="deny", permissionDecisionReason="no"), "touch made", set()),
        ({"decision": "block", "reason": "no"}, "touch made", set()),
        ({"decision": "approve"}, "touch DENY", set()),
        ({"permissionDecision": "deny"}, "touch made", set()),
        ({"continue_": False, "stopReason": "enough"}, "touch made", set()),
        (said(permissionDecision="defer"), "touch made", set()),
        ({"async_": True}, "touch DENY", set()),
        ({}, "touch made", {"made"}),
        (RuntimeError("broken"), "touch DENY", set()),
    ],
)
async def test_policy_decides_on_what_they_leave(
    agent: Any, guard: Guard, sandbox: Sandbox, reply: Any, command: str, files: set[str]
) -> None:
    await agent(tool_use("Bash", command=command), options=options(reply), guard=guard)
    assert sandbox.files() == files


@pytest.mark.cli
async def test_their_ask_is_put_to_the_reviewer(agent: Any, guard: Guard, sandbox: Sandbox) -> None:
    reviewer = ScriptedReviewer("reject", "approve")
    run = await agent(
        tool_use("Bash", command="touch one"),
        tool_use("Bash", command="touch two"),
        options=options(said(permissionDecision="ask", permissionDecisionReason="Really?")),
        guard=guard,
        reviewer=reviewer,
    )
    assert [c.ran for c in run.calls] == [False, True]
    assert sandbox.files() == {"two"}
    assert reviewer.requests[0].decision.reason == "Really?"


@pytest.mark.cli
async def test_a_rewritten_input_runs_and_is_what_was_approved(
    agent: Any, guard: Guard, audit: AuditLog, sandbox: Sandbox
) -> None:
    seen: list[Any] = []
    run = await agent(
        tool_use("Bash", command="touch DENY"), options=options(HARMLESS, seen=seen, matcher="Bash"), guard=guard
    )
    assert run.calls[0].ran_with == {"command": "touch made"}
    assert seen[0]["tool_input"] == {"command": "touch DENY"}
    assert [r.get("matches") for r in audit.records() if r.kind == "outcome"] == [True]


@pytest.mark.cli
@pytest.mark.parametrize(
    "allow", [{"behavior": "allow"}, {"behavior": "allow", "updatedInput": {"command": "touch DENY"}}]
)
async def test_a_permission_request_hook_never_outvotes(
    agent: Any, guard: Guard, audit: AuditLog, sandbox: Sandbox, allow: dict[str, Any]
) -> None:
    """The CLI asks by itself about what its own rules say, and takes the first answer: here the hook's."""
    reply = {"hookSpecificOutput": {"hookEventName": "PermissionRequest", "decision": allow}}
    given = options(reply, "PermissionRequest")
    given.settings = '{"permissions": {"ask": ["Bash"]}}'
    given.cwd = sandbox.cwd
    protected = guard.protect(given, reviewer=ScriptedReviewer("reject"))

    async def slowly(*call: Any) -> Any:
        await asyncio.sleep(0.7)
        assert protected.can_use_tool is not None
        return await protected.can_use_tool(*call)

    run = await agent(
        tool_use("Bash", command="touch DENY"),
        tool_use("Bash", command="touch made"),
        tool_use("Bash", command="touch rejected # ASK"),
        options=dataclasses.replace(protected, can_use_tool=slowly),
    )
    assert [c.ran for c in run.calls] == [False, True, False]
    assert run.calls[1].ran_with == {"command": "touch made"}
    assert sandbox.files() == {"made"}
    assert [r.get("tool") for r in audit.records() if r.kind == "permission_request"] == ["Bash"]


@pytest.mark.cli
async def test_their_permission_request_denial_stands(agent: Any, guard: Guard, sandbox: Sandbox) -> None:
    decision = {"behavior": "deny", "message": "not today"}
    given = options(
        {"hookSpecificOutput": {"hookEventName": "PermissionRequest", "decision": decision}}, "PermissionRequest"
    )
    given.settings = '{"permissions": {"deny": ["Bash(touch:*)"]}}'
    run = await agent(tool_use("Bash", command="touch made"), options=given, guard=guard)
    assert run.executed == []


@pytest.mark.cli
async def test_other_hooks_are_kept(agent: Any, guard: Guard) -> None:
    redacted = {
        "hookSpecificOutput": {
            "hookEventName": "PostToolUse",
            "updatedToolOutput": {"stdout": "REDACTED", "stderr": "", "interrupted": False, "isImage": False},
        }
    }
    run = await agent(tool_use("Bash", command="echo secret"), options=options(redacted, "PostToolUse"), guard=guard)
    assert run.calls[0].told == "REDACTED"


# --- without the CLI

CALL = {"tool_name": "Bash", "tool_input": {"command": "x"}}


async def heard(reply: Any, **matcher: Any) -> Any:
    return await OwnHooks([HookMatcher(hooks=[hook(reply)], **matcher)]).hear(CALL, "id", {})


@pytest.mark.parametrize(
    "reply",
    [
        None,
        "deny",
        [],
        {"hookSpecificOutput": "x"},
        said(permissionDecision="Deny"),
        RuntimeError("x"),
        said(updatedInput="x"),
    ],
)
async def test_junk_counts_as_the_matcher_says(reply: Any) -> None:
    assert (await heard(reply)).denied is None
    assert len((await heard(reply)).failures) == 1
    assert "failed" in (await heard(reply, on_failure="block")).denied


async def test_a_hook_that_hangs_denies() -> None:
    async def hang(*_: Any) -> Any:
        await asyncio.sleep(30)

    denied = await OwnHooks([HookMatcher(hooks=[hang], timeout=0.05)]).hear(CALL, "id", {})
    assert "did not answer" in (denied.denied or "")


async def test_each_hook_sees_what_the_last_one_left() -> None:
    seen: list[Any] = []
    hooks = OwnHooks(
        [
            HookMatcher(hooks=[hook(said(updatedInput={"command": "y"}, additionalContext="a"))]),
            HookMatcher(matcher="Write", hooks=[hook(said(permissionDecision="deny"))]),
            HookMatcher(hooks=[hook({"systemMessage": "m"}, seen)]),
        ]
    )
    result = await hooks.hear(CALL, "id", {})
    assert seen[0]["tool_input"] == {"command": "y"}
    assert (result.input, result.context, result.message, result.denied) == ({"command": "y"}, ["a"], ["m"], None)


@pytest.mark.parametrize(
    ("matcher", "tool", "matching"),
    [
        (None, "Bash", True),
        ("", "Bash", True),
        ("*", "Bash", True),
        ("Bash", "Bash", True),
        ("bash", "Bash", False),
        ("Ba", "Bash", False),
        ("Ba.*", "Bash", True),
        ("Write|Edit", "Edit", True),
        ("Write, Edit", "Edit", True),
        ("Write|Edit", "Bash", False),
        ("mcp__.*__write", "mcp__fs__write_file", True),
        ("^Write$", "NotebookWrite", False),
        ("Task", "Agent", True),
        ("^Task$", "Agent", True),
        ("Write|KillShell", "TaskStop", True),
        ("Task", "TaskStop", False),
    ],
)
def test_matchers_mean_what_the_cli_means(matcher: str | None, tool: str, matching: bool) -> None:
    assert matches(matcher, tool) is matching


@pytest.mark.cli
@pytest.mark.parametrize(
    "matcher",
    [None, "*", "Bash", "bash", "Ba", "Ba.*", "Write|Bash", "Write,Bash", "Write, Bash", "B-ash", "^Bas", "ash$"],
)
async def test_the_cli_reads_matchers_so(agent: Any, sandbox: Sandbox, matcher: str | None) -> None:
    """The CLI's own word on `matches`: the hook is asked, or it is not."""
    seen: list[Any] = []
    await agent(tool_use("Bash", command="true"), options=options({}, seen=seen, matcher=matcher))
    assert bool(seen) is matches(matcher, "Bash")


@pytest.mark.cli
@pytest.mark.parametrize("matcher", ["Task", "^Task$", "Agent", "TaskStop"])
async def test_the_cli_knows_former_names(agent: Any, matcher: str) -> None:
    seen: list[Any] = []
    call = tool_use("Agent", description="x", prompt="ERRAND", subagent_type="general-purpose", run_in_background=False)
    await agent(call, options=options({}, seen=seen, matcher=matcher), agents={"ERRAND": ["sub done"]})
    assert bool(seen) is matches(matcher, "Agent")
