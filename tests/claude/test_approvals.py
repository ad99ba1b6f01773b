"""On the real CLI: an agent asks, its process ends, a person decides, a later session runs the call, once."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from claude_agent_sdk import ClaudeAgentOptions

from hitl_opa.guard import Guard
from hitl_opa.testing import Sandbox, tool_use

pytestmark = pytest.mark.cli


def approvals(config: Path, *arguments: str, said: str = "") -> Any:
    program = "from hitl_opa.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", program, "approvals", *arguments, "--json", "--config", str(config)],
        input=said,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return json.loads(done.stdout)


def ran(sandbox: Sandbox) -> str:
    return Path(sandbox.cwd, "ran").read_text()


async def test_asked_today_approved_later_run_once(agent: Any, sandbox: Sandbox, tmp_path: Path) -> None:
    config = tmp_path / "settings" / "hitl.yaml"
    config.parent.mkdir()
    config.write_text("level: 2\ndurable: true\n")
    ids = iter("abcd")  # a model does not use an id again

    async def session(**resumed: Any) -> Any:
        turn = tool_use("Bash", _id=f"toolu_{next(ids)}", command="echo once >> ran")
        async with Guard.open(config) as guard:  # each time what another process would open
            return await agent(turn, options=ClaudeAgentOptions(**resumed), guard=guard, pause=False)

    first = await session()
    assert sandbox.files() == set()
    (waiting,) = approvals(config, "list")
    assert f"pending, approval {waiting['id']}" in first.calls[0].told
    id = first.result.session_id
    assert waiting["session"] == id

    still = await session(resume=id)
    assert waiting["id"] in still.calls[0].told
    assert sandbox.files() == set()

    assert approvals(config, "approve", waiting["id"], "--reason", "Go.", said="y\n")["state"] == "approved"
    second = await session(resume=id)
    assert [call.ran for call in second.calls] == [True]
    assert ran(sandbox) == "once\n"
    (done,) = approvals(config, "list", "--all")
    assert (done["id"], done["state"]) == (waiting["id"], "executed")

    third = await session(resume=id)
    assert [call.ran for call in third.calls] == [False]
    (new,) = approvals(config, "list")
    assert new["id"] != waiting["id"]
    assert f"pending, approval {new['id']}" in third.calls[0].told
    assert ran(sandbox) == "once\n"


async def test_rejected_runs_nothing(agent: Any, sandbox: Sandbox, tmp_path: Path) -> None:
    config = tmp_path / "settings" / "hitl.yaml"
    config.parent.mkdir()
    config.write_text("level: 2\ndurable: true\n")
    async with Guard.open(config) as guard:
        turns = [[tool_use("Bash", _id=f"{n}_{name}", command=f"touch {name}") for name in "ab"] for n in ("t1", "t2")]
        first = await agent(turns[0], guard=guard)  # two calls in one message, each its own approval
        assert len(approvals(config, "list")) == 2
        for waiting in approvals(config, "list"):
            approvals(config, "reject", waiting["id"], "--reason", "Not on a Friday.")
        later = await agent(turns[1], guard=guard, options=ClaudeAgentOptions(resume=first.result.session_id))
    assert sandbox.files() == set()
    assert [("rejected" in call.told, "Not on a Friday." in call.told) for call in later.calls] == [(True, True)] * 2
