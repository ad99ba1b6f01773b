from __future__ import annotations

import msgspec
from doubles import FakeEngine

from hitl_opa import ToolCall
from hitl_opa.config import Config
from hitl_opa.errors import EngineError
from hitl_opa.model import Session
from hitl_opa.replay import Said
from hitl_opa.replay.reading import Reading

DENY = b'{"verdict":"deny","risk":"high","reasons":[{"rule":"x","verdict":"deny"}]}'


def test_what_was_called_counts_as_what_ran() -> None:
    reading = Reading(Config(level=3), FakeEngine(DENY).evaluate_sync)
    call = ToolCall(tool="Bash", input={"command": "ls"}, cwd="/w", session=Session(id="s", agent_type="subagent"))
    found = [reading(call) for _ in range(3)]
    counters = [msgspec.json.decode(one.document)["context"]["counters"] for one in found]
    assert [c["calls"] for c in counters] == [0, 1, 2]
    assert [c["repeats"] for c in counters] == [0, 1, 2]
    assert all(c["denied"] == 0 for c in counters)
    assert {one.said for one in found} == {Said(verdict="deny", risk="high", rules=("x",))}
    assert (found[0].session, found[0].agent, reading.count) == ("s", "subagent", 3)


def test_a_call_that_cannot_be_read_cannot_be_replayed() -> None:
    deep: dict[str, object] = {}
    for _ in range(2000):
        deep = {"x": deep}
    found = Reading(Config())(ToolCall(tool="Bash", input=deep))
    assert found.why_not.startswith("its facts cannot be read: ")


def test_a_policy_to_compare_with_that_fails_denies() -> None:
    found = Reading(Config(), FakeEngine(EngineError("down")).evaluate_sync)(ToolCall(tool="Bash", input={}))
    assert found.said == Said(verdict="deny", risk="critical", rules=("engine: down",))
