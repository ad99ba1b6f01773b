"""The six permission modes on the real CLI: what is denied, or asked and rejected, never runs."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from claude_agent_sdk import ClaudeAgentOptions, create_sdk_mcp_server
from claude_agent_sdk import tool as sdk_tool
from doubles import ask, decision

from hitl_opa.audit import AuditLog
from hitl_opa.guard import Guard
from hitl_opa.model import PermissionMode
from hitl_opa.testing import Sandbox, ScriptedReviewer, tool_use

pytestmark = pytest.mark.cli

MODES = [str(mode) for mode in PermissionMode]
QUESTIONS = [
    {
        "question": "Which?",
        "header": "Pick",
        "multiSelect": False,
        "options": [{"label": "A", "description": "a"}, {"label": "B", "description": "b"}],
    }
]
SECRET = "the-content-of-the-file"


@pytest.mark.parametrize("mode", MODES)
async def test_runs_denied_and_asked(agent: Any, guard: Guard, audit: AuditLog, sandbox: Sandbox, mode: str) -> None:
    sandbox.write("plain.txt", SECRET)
    reviewer = ScriptedReviewer("approve", "reject")
    run = await agent(
        tool_use("Read", file_path="plain.txt"),
        tool_use("Bash", command="touch DENY"),
        tool_use("Bash", command="cat plain.txt # ASK, approved"),
        tool_use("Bash", command="cat plain.txt # ASK, rejected"),
        options=ClaudeAgentOptions(permission_mode=mode),
        guard=guard,
        reviewer=reviewer,
    )
    runs, denied, approved, rejected = run.calls
    assert (runs.ran, denied.ran, approved.ran, rejected.ran) == (True, False, True, False)
    assert SECRET in runs.told
    assert "It is deny." in denied.told
    assert SECRET in approved.told
    assert "rejected" in rejected.told
    assert SECRET not in rejected.told
    assert len(reviewer.requests) == 2
    assert {str(r.call.session.permission_mode) for r in reviewer.requests} == {mode}
    outcomes = [(r.get("outcome"), r.get("matches")) for r in audit.records() if r.kind == "outcome"]
    assert outcomes == [("ran", True), ("blocked", ""), ("ran", True), ("blocked", "")]


# What the shipped policy says at level 2, by mode, of: a read, a write of the workspace through the file tool,
# a command that writes there, and one that changes what guards the agent.
SHIPPED = {
    "default": ("ran", "asked", "asked", "denied"),
    "acceptEdits": ("ran", "ran", "asked", "denied"),
    "plan": ("ran", "denied", "denied", "denied"),
    "bypassPermissions": ("ran", "asked", "asked", "denied"),
    "dontAsk": ("ran", "denied", "denied", "denied"),
    "auto": ("ran", "asked", "asked", "denied"),
}


@pytest.mark.parametrize("answer", ["approve", "reject"])
@pytest.mark.parametrize("mode", MODES)
async def test_the_shipped_policy(
    agent: Any, hitl_guard: Callable[..., Guard], sandbox: Sandbox, mode: str, answer: str
) -> None:
    sandbox.write("plain.txt", SECRET)
    reviewer = ScriptedReviewer(answer)
    async with hitl_guard(level=2) as guard:
        run = await agent(
            tool_use("Read", file_path="plain.txt"),
            tool_use("Write", file_path="new.txt", content="x"),
            tool_use("Bash", command="touch made"),
            tool_use("Bash", command="touch .claude/settings.json"),
            options=ClaudeAgentOptions(permission_mode=mode),
            guard=guard,
            reviewer=reviewer,
        )
    asked = SHIPPED[mode].count("asked")
    assert len(reviewer.requests) == asked
    assert [c.ran for c in run.calls] == [
        word == "ran" or (word == "asked" and answer == "approve") for word in SHIPPED[mode]
    ]
    assert SECRET in run.calls[0].told
    assert ("made" in sandbox.files()) is run.calls[2].ran
    assert ".claude/settings.json" not in sandbox.files()


async def test_bypass_where_the_shipped_policy_allows_it(
    agent: Any, hitl_guard: Callable[..., Guard], sandbox: Sandbox
) -> None:
    """It is level 4 then: what asked above runs, and what is denied does not."""
    reviewer = ScriptedReviewer("reject")
    async with hitl_guard(level=2, data={"settings": {"allow_bypass": True}}) as guard:
        run = await agent(
            tool_use("Bash", command="touch made"),
            tool_use("Bash", command="touch .claude/settings.json"),
            options=ClaudeAgentOptions(permission_mode="bypassPermissions"),
            guard=guard,
            reviewer=reviewer,
        )
    assert [c.ran for c in run.calls] == [True, False]
    assert reviewer.requests == []
    assert sandbox.files() == {"made"}


def every_call(sandbox: Sandbox) -> list[dict[str, Any]]:
    """One call of each kind that the CLI treats in a way of its own."""
    sandbox.write("f.txt", SECRET)
    sandbox.write("x/y", "1")
    outside = sandbox.root / "outside.txt"
    outside.write_text(SECRET)
    return [
        tool_use("Read", file_path="f.txt"),
        tool_use("Read", file_path=str(outside)),
        tool_use("Write", file_path="new.txt", content="x"),
        tool_use("Write", file_path=str(sandbox.root / "new.txt"), content="x"),
        tool_use("Write", file_path=".claude/settings.json", content="{}"),
        tool_use("Bash", command="echo the-content-of-the-$(echo file)"),
        tool_use("Bash", command="cat f.txt"),
        tool_use("Bash", command=f"cat {outside}"),
        tool_use("Bash", command="touch t"),
        tool_use("Bash", command="rm -rf x"),
        tool_use("Bash", command="rm -rf /nonexistent-directory/../"),
        tool_use("Bash", command="python3 -c 'print(1)'"),
        tool_use("Bash", command="sleep 0; touch background", run_in_background=True),
        tool_use("Monitor", command="touch monitor", description="x", timeout_ms=1000),
        tool_use("AskUserQuestion", questions=QUESTIONS),
        tool_use("mcp__lab__ping"),
        tool_use("Agent", description="x", prompt="ERRAND", subagent_type="general-purpose"),
        tool_use("Skill", skill="nothing"),
        tool_use("NoSuchTool"),
        tool_use("Bash", command="touch invalid", bogus=1),
    ]


@pytest.mark.parametrize("answer", ["deny", "reject", "nobody"])
@pytest.mark.parametrize("mode", MODES)
async def test_truth_table(
    agent: Any, make_guard: Callable[..., Guard], sandbox: Sandbox, mode: str, answer: str
) -> None:
    calls = every_call(sandbox)
    before = sandbox.files()
    pinged: list[Any] = []

    @sdk_tool("ping", "Ping.", {})
    async def ping(arguments: dict[str, Any]) -> dict[str, Any]:
        pinged.append(arguments)
        return {"content": []}

    run = await agent(
        *calls,
        options=ClaudeAgentOptions(
            permission_mode=mode,
            mcp_servers={"lab": create_sdk_mcp_server("lab", tools=[ping])},
            allowed_tools=["Bash", "Read", "Write", "mcp__lab__ping", "Agent"],
        ),
        guard=make_guard(decision("deny", "high") if answer == "deny" else ask("high")),
        reviewer=None if answer == "nobody" else ScriptedReviewer("reject"),
        agents={"ERRAND": ["the subagent ran"]},
    )
    assert len(run.calls) == len(calls)
    assert run.executed == []
    assert pinged == []
    assert sandbox.files() == before
    assert not (sandbox.root / "new.txt").exists()
    told = json.dumps([call.told for call in run.calls])
    assert SECRET not in told
    assert "the subagent ran" not in told


async def test_the_table_can_fail(agent: Any, guard: Guard, sandbox: Sandbox) -> None:
    """What policy allows does run, so that nothing running above is the guard's doing."""
    calls = [call for call in every_call(sandbox) if not call["input"].get("command", "").startswith("rm -rf /")]
    run = await agent(
        *calls,
        options=ClaudeAgentOptions(permission_mode="bypassPermissions"),
        guard=guard,
        reviewer=ScriptedReviewer("approve"),
        agents={"ERRAND": ["the subagent ran"]},
    )
    assert [c.tool for c in run.denied] == ["mcp__lab__ping", "Skill", "NoSuchTool", "Bash"]
    assert {"new.txt", "t"} <= sandbox.files()
    assert SECRET in run.calls[0].told


async def test_mode_changes_at_run_time(agent: Any, guard: Guard, sandbox: Sandbox) -> None:
    """Policy hears the mode that holds at each call, and decides whatever it is."""
    engine: Any = guard.engine
    modes = ["acceptEdits", "plan", "dontAsk", "auto", "default"]
    reached: list[str] = []

    async def change(client: Any) -> None:
        for mode in modes:
            await client.set_permission_mode(mode)
            reached.append(mode)

    run = await agent(
        tool_use("Bash", command="sleep 2"),
        tool_use("Bash", command="touch DENY"),
        tool_use("Bash", command="ls"),
        guard=guard,
        during=change,
    )
    assert reached == modes
    assert [c.ran for c in run.calls] == [True, False, True]
    assert "DENY" not in sandbox.files()
    assert [d["agent"]["mode"] for d in engine.asked][1:] == ["default", "default"]


async def test_bypass_cannot_be_entered_at_run_time(agent: Any, guard: Guard) -> None:
    async def change(client: Any) -> None:
        with pytest.raises(Exception, match="bypassPermissions"):
            await client.set_permission_mode("bypassPermissions")

    run = await agent(tool_use("Bash", command="touch DENY"), guard=guard, during=change)
    assert run.executed == []
