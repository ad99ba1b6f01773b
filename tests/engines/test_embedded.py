"""What the adapter makes of regorus' own ways."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
from importlib.metadata import version
from typing import Any

import pytest

from hitl_opa.engines import builtins, embedded, open_embedded
from hitl_opa.engines.embedded import explain
from hitl_opa.errors import EngineError, EngineUnavailable, PolicyError, Undefined

ECHO = 'package hitl.main\n\ndecision := {"x": input.x}\n'


def test_a_policy_that_does_not_load_says_where() -> None:
    with pytest.raises(PolicyError, match=r"^dir/bad\.rego:4:1: "):
        open_embedded({"dir/bad.rego": "package a\n\nr := [1,\n"})


@pytest.mark.parametrize("data", [b"[1]", b"nope", b'{"a": "\\ud800"}', b"\xff"])
def test_data_that_is_no_object_is_refused(data: bytes) -> None:
    with pytest.raises(PolicyError):
        open_embedded({"a.rego": ECHO}, data)


def test_an_entrypoint_that_is_nowhere_is_an_error_not_a_decision() -> None:
    engine = open_embedded({"a.rego": ECHO}, entrypoint="data.hitl.main.nothing")
    with pytest.raises(EngineError):
        engine.evaluate_sync(b"{}")


def test_another_entrypoint() -> None:
    engine = open_embedded({"a.rego": ECHO + 'other := {"y": 1}\n'}, entrypoint="data.hitl.main.other")
    assert engine.evaluate_sync(b"{}") == b'{\n  "y": 1\n}'


def test_a_panic_is_an_error_and_the_next_call_has_a_fresh_engine(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    class Panic(BaseException):
        """As regorus' PanicException: no Exception."""

    def explode(_: Any) -> None:
        raise Panic("assertion failed")

    engine = open_embedded({"a.rego": ECHO})
    mine = engine._mine()
    monkeypatch.setattr(mine, "_interpreter", type("E", (), {"set_input_json": staticmethod(explode)}))
    with pytest.raises(EngineError, match="assertion failed"):
        engine.evaluate_sync(b'{"x": 1}')
    monkeypatch.undo()
    assert engine.evaluate_sync(b'{"x": 1}')
    assert engine._mine() is not mine


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_interruption_is_passed_on(monkeypatch: pytest.MonkeyPatch, error: type[BaseException]) -> None:
    def interrupted(_: Any) -> None:
        raise error

    engine = open_embedded({"a.rego": ECHO})
    monkeypatch.setattr(engine._mine(), "_interpreter", type("E", (), {"set_input_json": staticmethod(interrupted)}))
    with pytest.raises(error):
        engine.evaluate_sync(b"{}")


def test_engines_come_and_go_on_many_threads_without_a_word(capfd: pytest.CaptureFixture[str]) -> None:
    """regorus complains on standard error, and pyo3 as an unraisable error, where a thread drops another's engine."""
    shared = [open_embedded({"a.rego": ECHO})]
    go_on = threading.Event()
    used = threading.Barrier(5)
    failures: list[BaseException] = []

    def work() -> None:
        try:
            assert shared[0].evaluate_sync(b'{"x": 1}')
            used.wait(10)
            go_on.wait(10)
            assert open_embedded({"a.rego": ECHO}).evaluate_sync(b'{"x": 2}')
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    used.wait(10)
    shared[0].close_sync()
    shared.clear()
    gc.collect()
    go_on.set()
    for thread in threads:
        thread.join(10)
    assert failures == []
    assert capfd.readouterr().err == ""


def test_an_error_that_outlives_its_thread_holds_no_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    complaints: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda said: complaints.append(said.exc_value))
    engine = open_embedded({"a.rego": ECHO})
    kept: list[BaseException] = []

    def work() -> None:
        for attempt in (
            lambda: engine.evaluate_sync(b"{}"),
            lambda: engine.evaluate_sync(b"junk"),
            lambda: engine.evaluate_sync(b'{"x": 1}', "data.hitl.main.nothing"),
            lambda: open_embedded({"a.rego": "package a\n\nr := [1,\n"}),
        ):
            try:
                attempt()
            except Exception as error:
                kept.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(10)
    assert [type(error) for error in kept] == [Undefined, EngineError, EngineError, PolicyError]
    kept.clear()
    gc.collect()
    assert complaints == []


def test_a_closed_engine_answers_on_no_thread() -> None:
    engine = open_embedded({"a.rego": ECHO})
    engine.close_sync()
    caught: list[BaseException] = []

    def work() -> None:
        try:
            engine.evaluate_sync(b"{}")
        except BaseException as error:
            caught.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(10)
    assert [type(error) for error in caught] == [EngineUnavailable]


def test_errors_are_one_line_without_a_native_backtrace() -> None:
    code = (
        "from hitl_opa.engines import open_embedded\n"
        "engine = open_embedded({'a.rego': 'package hitl.main\\n\\ndecision := {\"x\": 1 / input.x}\\n'})\n"
        "try: engine.evaluate_sync(b'{\"x\": 0}')\n"
        "except Exception as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"RUST_BACKTRACE": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout == "embedded engine: a.rego:3:21: divide by zero\n"


def test_explain_of_an_error_without_text() -> None:
    assert explain(ValueError()) == "ValueError"


def test_undefined_names_the_entrypoint() -> None:
    with pytest.raises(Undefined, match=r"data\.hitl\.main\.decision is undefined"):
        open_embedded({"a.rego": ECHO}).evaluate_sync(b"{}")


def test_an_override_that_raises_is_an_engine_error() -> None:
    engine = open_embedded({"a.rego": 'package hitl.main\n\ndecision := {"x": glob.match("[", [], "a")}\n'})
    with pytest.raises(EngineError, match="bad character class"):
        engine.evaluate_sync(b"{}")


def test_every_override_is_a_built_in_of_opa_with_its_arity(opa_arities: dict[str, int]) -> None:
    assert {name: arity for name, (arity, _) in builtins.OVERRIDES.items()}.items() <= opa_arities.items()


def test_the_version_is_that_of_the_library() -> None:
    assert f"regorus {version('gordon-to-regorus')}" == embedded.VERSION
