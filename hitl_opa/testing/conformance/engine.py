"""What every `hitl_opa.model.Engine` must do. Inherit, and hand in the engine:

    class TestMyEngine(EngineConformance):
        @pytest.fixture
        def engine(self):
            return MyEngine(POLICY)      # however it gets the policy below

Needs pytest and pytest-asyncio. ``evaluate_sync`` is tested where the engine has one.
"""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from hitl_opa.errors import EngineError, EngineUnavailable, Undefined

POLICY = """package hitl.main

decision := {"echo": input.echo} if input.want == "echo"

decision := {"number": to_number(input.text)} if input.want == "error"

decision := input.echo if input.want == "bare"

other := {"other": input.echo} if input.want == "other"

decision := {"items": items} if {
	input.want == "data"
	items := data.suite.items
}
"""
DATA = {"suite": {"items": ["a", "b"]}}

_DEEP = 100_000
_JUNK = (b"", b"{", b"nope", b'{"want": "echo", "echo": "\xff"}', b'{"want": NaN}', b'{"want": "echo"} {}')


class EngineConformance:
    """The suite; see the module."""

    @pytest.fixture
    def engine(self) -> Any:
        raise NotImplementedError("hand in an engine that has loaded POLICY and DATA")

    async def ask(self, engine: Any, want: str, echo: Any = None, **more: Any) -> Any:
        return json.loads(await engine.evaluate(json.dumps({"want": want, "echo": echo, **more}).encode()))

    async def test_answers_with_the_decision_object(self, engine: Any) -> None:
        value = {"a": [1, -2, 0.5, True, False, None, ""], "é": {"日本": "🙂"}, "x": 'quote " and \\ and \n'}
        assert await self.ask(engine, "echo", value) == {"echo": value}

    async def test_has_the_data(self, engine: Any) -> None:
        assert await self.ask(engine, "data") == {"items": ["a", "b"]}

    async def test_another_entrypoint(self, engine: Any) -> None:
        document = json.dumps({"want": "other", "echo": 7}).encode()
        assert json.loads(await engine.evaluate(document, "data.hitl.main.other")) == {"other": 7}
        with pytest.raises(Undefined):
            await engine.evaluate(document)  # which is another question
        with pytest.raises(Undefined):
            await engine.evaluate(b'{"want": "echo", "echo": 1}', "data.hitl.main.other")
        assert await self.ask(engine, "echo", 1) == {"echo": 1}

    async def test_undefined_is_undefined(self, engine: Any) -> None:
        with pytest.raises(Undefined):
            await self.ask(engine, "nothing")

    @pytest.mark.parametrize("value", [1, True, False, "allow", "<undefined>", "{", ["allow"], None])
    async def test_only_an_object_is_a_decision(self, engine: Any, value: Any) -> None:
        with pytest.raises(EngineError):
            await self.ask(engine, "bare", value)

    async def test_an_error_in_a_built_in_is_an_error(self, engine: Any) -> None:
        with pytest.raises(EngineError) as caught:
            await self.ask(engine, "error", text="no number")
        assert not isinstance(caught.value, Undefined)
        assert str(caught.value)

    @pytest.mark.parametrize("document", _JUNK)
    async def test_what_is_no_json_is_an_error(self, engine: Any, document: bytes) -> None:
        with pytest.raises(EngineError):
            await engine.evaluate(document)

    async def test_a_lone_surrogate_is_an_error(self, engine: Any) -> None:
        with pytest.raises(EngineError):
            await engine.evaluate(b'{"want": "echo", "echo": "\\ud800"}')

    async def test_nul_passes(self, engine: Any) -> None:
        assert await self.ask(engine, "echo", "a\x00b") == {"echo": "a\x00b"}

    async def test_depth(self, engine: Any) -> None:
        deep: Any = 1
        for _ in range(100):
            deep = [deep]
        assert await self.ask(engine, "echo", deep) == {"echo": deep}
        with pytest.raises(EngineError):
            await engine.evaluate(b'{"want": "echo", "echo": ' + b"[" * _DEEP + b"]" * _DEEP + b"}")

    @pytest.mark.parametrize("number", [2**53 + 1, -(2**63), 2**63 - 1, 0.1, 1e-7, 1.5e300])
    async def test_numbers_pass(self, engine: Any, number: float) -> None:
        assert await self.ask(engine, "echo", number) == {"echo": number}

    async def test_a_number_beyond_floats_is_an_error(self, engine: Any) -> None:
        with pytest.raises(EngineError):
            await engine.evaluate(b'{"want": "echo", "echo": 1e400}')

    async def test_a_megabyte_passes(self, engine: Any) -> None:
        text = "x" * 1_000_000
        assert await self.ask(engine, "echo", text) == {"echo": text}

    async def test_works_on_after_errors(self, engine: Any) -> None:
        for document in _JUNK:
            with pytest.raises(EngineError):
                await engine.evaluate(document)
        assert await self.ask(engine, "echo", 1) == {"echo": 1}
        with pytest.raises(Undefined):
            await self.ask(engine, "nothing")  # and nothing of the call before is left

    async def test_many_at_once_on_one_loop(self, engine: Any) -> None:
        answers = await asyncio.gather(*(self.ask(engine, "echo", number) for number in range(50)))
        assert answers == [{"echo": number} for number in range(50)]

    async def test_many_at_once_on_many_threads(self, engine: Any) -> None:
        def ask(number: int) -> Any:
            return asyncio.run(self.ask(engine, "echo", number))

        def all_of_them() -> list[Any]:
            with ThreadPoolExecutor(8) as pool:
                return list(pool.map(ask, range(64)))

        assert await asyncio.to_thread(all_of_them) == [{"echo": number} for number in range(64)]

    async def test_the_synchronous_path_is_the_same(self, engine: Any) -> None:
        if not hasattr(engine, "evaluate_sync"):
            pytest.skip("this engine has no evaluate_sync")

        def ask(want: str) -> Any:
            return json.loads(engine.evaluate_sync(json.dumps({"want": want, "echo": 7}).encode()))

        assert await asyncio.to_thread(ask, "echo") == {"echo": 7}
        other = await asyncio.to_thread(engine.evaluate_sync, b'{"want": "other", "echo": 7}', "data.hitl.main.other")
        assert json.loads(other) == {"other": 7}
        with pytest.raises(Undefined):
            await asyncio.to_thread(ask, "nothing")
        with pytest.raises(EngineError):
            await asyncio.to_thread(ask, "bare")

    async def test_says_what_it_is(self, engine: Any) -> None:
        await self.ask(engine, "data")
        said = engine.describe()
        assert {"engine", "version", "revision"} <= said.keys()
        assert said["engine"]
        assert said["version"]
        assert all(isinstance(value, str) for value in said.values())

    async def test_closed_is_closed(self, engine: Any) -> None:
        await self.ask(engine, "data")
        await engine.close()
        with pytest.raises(EngineUnavailable):
            await self.ask(engine, "data")
        await engine.close()  # twice is no error
