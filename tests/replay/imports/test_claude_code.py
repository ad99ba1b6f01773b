"""A transcript that the real CLI wrote is imported and replayed."""

from __future__ import annotations

import pytest

from hitl_opa import Guard, ToolCall
from hitl_opa.config import Config
from hitl_opa.guard.opening import open_engine
from hitl_opa.replay import Replay, summarise
from hitl_opa.replay.imports import read
from hitl_opa.replay.reading import Reading
from hitl_opa.testing import Sandbox, run_agent, tool_use

COMMANDS = ["echo one > one.txt", "ls", "rm -rf /"]


@pytest.mark.cli
async def test_a_session_of_the_real_cli() -> None:
    config = Config(level=3, audit=":memory:")
    with Sandbox() as sandbox:
        guard = Guard.open(config)
        turns = [*(tool_use("Bash", command=command) for command in COMMANDS), "done"]
        run = await run_agent(turns, guard=guard, sandbox=sandbox)
        assert run.error is None
        recorded = [(r.get("call_id"), r.get("verdict")) for r in guard.audit.records() if r.kind == "decision"]
        await guard.close()
        calls = [item for item in read(sandbox.config / "projects") if isinstance(item, ToolCall)]
        engine = open_engine(config)
        reading = Reading(config)
        replayed = list(Replay(engine).all(map(reading, calls)))
        engine.close_sync()
        assert [call.input["command"] for call in calls] == COMMANDS
        assert {call.cwd for call in calls} == {str(sandbox.cwd)}
    assert [(one.call.id, one.said.verdict) for one in replayed if one.said] == recorded
    assert [verdict for _, verdict in recorded] == ["allow", "allow", "deny"]
    assert summarise(replayed).undecided == 3
