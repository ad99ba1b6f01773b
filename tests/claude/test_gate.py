"""The guide's gate with the shipped policies: three tiers, destruction blocked, AskUserQuestion demonstrated."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from claude_agent_sdk import ClaudeAgentOptions

from hitl_opa.guard import Guard
from hitl_opa.model import PermissionMode
from hitl_opa.testing import Sandbox, ScriptedReviewer, tool_use

pytestmark = pytest.mark.cli

QUESTION = {
    "question": "Which environment?",
    "header": "Where",
    "multiSelect": False,
    "options": [{"label": "staging", "description": "safe"}, {"label": "production", "description": "real"}],
}
DESTRUCTIVE = ["rm -rf /", "sudo rm -rf --no-preserve-root /", "sh -c 'rm -rf /'", "mkfs.ext4 /dev/sda"]
NET = ["Bash(rm:*)", "Bash(sudo:*)", "Bash(sh:*)", "Bash(mkfs.ext4:*)"]


@pytest.mark.parametrize("mode", [str(m) for m in PermissionMode])
@pytest.mark.parametrize("level", [1, 2, 3, 4])
async def test_destruction_is_blocked(
    agent: Any, hitl_guard: Callable[..., Guard], sandbox: Sandbox, mode: Any, level: int
) -> None:
    """At each level and in each mode, even with a reviewer who approves everything.

    Rules of the CLI are the net below: they would stop what the guard let through, with other words.
    """
    calls = [tool_use("Bash", command=command) for command in DESTRUCTIVE]
    run = await agent(
        *calls,
        options=ClaudeAgentOptions(permission_mode=mode, disallowed_tools=NET),
        guard=hitl_guard(level=level),
        reviewer=ScriptedReviewer("approve"),
    )
    assert run.executed == []
    assert len(run.denied) == len(DESTRUCTIVE)
    assert all("risk critical" in call.told for call in run.denied)


async def test_three_tiers(agent: Any, hitl_guard: Callable[..., Guard], sandbox: Sandbox) -> None:
    sandbox.write("app.py", "print('hello')\n")
    sandbox.write(".env", "TOKEN=sample\n")
    reviewer = ScriptedReviewer(
        lambda request: "approve" if "app.txt" in str(request.call.input) else "reject",
        replies={"Which environment?": "staging"},
    )
    run = await agent(
        tool_use("Read", file_path="app.py"),
        tool_use("Write", file_path="notes.txt", content="fine"),
        tool_use("Write", file_path=".env", content="TOKEN=stolen"),
        tool_use("Bash", command="echo TOKEN=stolen > .env"),
        tool_use("Bash", command="rm -rf /"),
        tool_use("AskUserQuestion", questions=[QUESTION]),
        tool_use("Bash", command="git push origin main"),
        options=ClaudeAgentOptions(
            allowed_tools=["Read", "Write", "Bash", "AskUserQuestion"], disallowed_tools=[*NET, "Bash(git push:*)"]
        ),
        guard=hitl_guard(level=3),
        reviewer=reviewer,
    )
    read, write, env, env_by_shell, destroy, question, push = run.calls
    assert read.ran
    assert write.ran
    assert not env.ran
    assert not env_by_shell.ran
    assert not destroy.ran
    assert '="staging"' in question.told
    assert not push.ran
    assert "rejected" in push.told
    assert (sandbox.cwd / ".env").read_text() == "TOKEN=sample\n"
    assert (sandbox.cwd / "notes.txt").read_text() == "fine"
    assert "git push origin main" in {r.call.input.get("command") for r in reviewer.requests}
    assert "rm -rf /" not in {r.call.input.get("command") for r in reviewer.requests}


async def test_levels_one_to_four(agent: Any, hitl_guard: Callable[..., Guard], sandbox: Sandbox) -> None:
    """The same calls, with nobody to ask: each level lets more run, and none lets destruction run."""
    sandbox.write("app.py", "print('hello')\n")
    calls = [
        tool_use("Read", file_path="app.py"),
        tool_use("Write", file_path="notes.txt", content="fine"),
        tool_use("Bash", command="git push origin feature"),
        tool_use("Bash", command="rm -rf /"),
    ]
    ran = []
    for level in (1, 2, 3, 4):
        run = await agent(*calls, options=ClaudeAgentOptions(disallowed_tools=NET), guard=hitl_guard(level=level))
        ran.append([call.ran for call in run.calls[:2]] + [run.calls[3].ran])
    assert ran == [[False, False, False], [True, False, False], [True, True, False], [True, True, False]]


async def test_the_agent_may_not_disarm_its_guard(
    agent: Any, hitl_guard: Callable[..., Guard], sandbox: Sandbox
) -> None:
    sandbox.write("hitl.yaml", "level: 1\n")
    run = await agent(
        tool_use("Write", file_path="hitl.yaml", content="level: 4\n"),
        tool_use("Bash", command="sed -i s/1/4/ hitl.yaml"),
        tool_use("Write", file_path=".claude/settings.json", content="{}"),
        tool_use("Write", file_path=".claude/skills/x/SKILL.md", content="!`touch made`"),
        guard=hitl_guard(str(sandbox.cwd / "hitl.yaml"), level=4),
    )
    assert run.executed == []
    assert sandbox.files() == {"hitl.yaml"}
