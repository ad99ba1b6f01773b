from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial

import msgspec
import pytest
from doubles import FakeEngine

from hitl_opa.config import Config
from hitl_opa.errors import EngineError, PolicyError
from hitl_opa.guard.opening import open_engine
from hitl_opa.model import Engine
from hitl_opa.replay import Recorded, Replay, Said
from hitl_opa.replay.replay import replay_in

Make = Callable[..., Recorded]
ANSWER = b'{"verdict":"deny","risk":"high","reasons":[{"rule":"x","verdict":"deny"}]}'


def test_a_call_is_put_to_the_engine_as_it_was_recorded(call: Make) -> None:
    engine = FakeEngine(ANSWER)
    (found,) = Replay(engine).all([call()])
    assert found.said == Said(verdict="deny", risk="high", rules=("x",))
    assert engine.asked == [msgspec.json.decode(call().document)]


def test_another_level_stands_in_for_the_recorded_one(call: Make) -> None:
    engine = FakeEngine(ANSWER)
    Replay(engine, level=4).one(call())
    assert engine.asked[0]["agent"]["level"] == 4


def test_an_engine_that_fails_denies_as_the_guard_would(call: Make) -> None:
    found = Replay(FakeEngine(EngineError("broken"))).one(call())
    assert found.said == Said(verdict="deny", risk="critical", rules=("engine: broken",))


def test_what_cannot_be_replayed_is_not_put_to_the_engine(call: Make) -> None:
    engine = FakeEngine()
    found = Replay(engine).one(call(why_not="erased", document=b""))
    assert (found.said, found.why_not, engine.asked) == (None, "erased", [])


def test_a_document_that_lacks_what_the_policy_needs_is_no_change_of_verdict(call: Make) -> None:
    malformed = ANSWER.replace(b'"x"', b'"main.malformed-input"')
    found = Replay(FakeEngine(malformed)).one(call())
    assert found.said is None
    assert "does not have" in found.why_not
    again = Replay(FakeEngine(malformed)).one(call(said=Said(verdict="deny", rules=("main.malformed-input",))))
    assert again.said is not None


def test_several_processes_give_what_one_gives_in_order(call: Make) -> None:
    from documents import CALLS, read

    pick = random.Random(1)
    calls = [call(n, document=msgspec.json.encode(read(given, pick))) for n, given in enumerate(CALLS)] * 30
    engine = open_engine(Config())
    alone = list(Replay(engine, level=2).all(calls))
    engine.close_sync()
    assert list(replay_in(2, partial(open_engine, Config()), calls, level=2)) == alone
    assert {one.said.verdict for one in alone if one.said} == {"allow", "ask", "deny"}


def _broken() -> Engine:
    raise PolicyError("policy.rego:1:1: broken")


def test_a_policy_that_does_not_load_says_so_from_a_worker(call: Make) -> None:
    with pytest.raises(PolicyError, match="broken"):
        list(replay_in(2, _broken, [call()]))
