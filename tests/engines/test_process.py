"""Policies that hang, crash or exhaust the process: the question fails in time, and the next one is answered."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from typing import Any

import pytest

from hitl_opa.engines import open_isolated
from hitl_opa.errors import EngineError, EngineTimeout, EngineUnavailable, PolicyError

HEAVY = """package hitl.main

decision := {"n": n} if {
	input.heavy
	n := count([1 | some a in numbers.range(1, 2000); some b in numbers.range(1, 2000); a * b == 0])
}

decision := {"x": 1} if not input.heavy
"""
CHAIN = (
    'package hitl.main\n\ndecision := {"x": r0} if input.deep\n\ndecision := {"x": 1} if not input.deep\n\n'
    + "".join(f"r{i} := r{i + 1}\n" for i in range(15_000))
    + "r15000 := 1\n"
)


@pytest.fixture
def isolated() -> Any:
    engines: list[Any] = []

    def start(source: str, **arguments: Any) -> Any:
        engines.append(open_isolated({"p.rego": source}, **arguments))
        return engines[-1]

    yield start
    for engine in engines:
        engine.close_sync()


def test_a_rule_that_takes_too_long_is_ended(isolated: Any) -> None:
    engine = isolated(HEAVY, timeout=0.5)
    started = time.monotonic()
    with pytest.raises(EngineTimeout, match=r"within 0\.5 s"):
        engine.evaluate_sync(b'{"heavy": true}')
    assert time.monotonic() - started < 3
    engine._timeout = 5
    assert json.loads(engine.evaluate_sync(b'{"heavy": false}')) == {"x": 1}


def test_a_crash_is_an_error_and_the_next_call_is_answered(isolated: Any) -> None:
    engine = isolated(CHAIN, timeout=20)
    with pytest.raises(EngineUnavailable, match="the engine process died"):
        engine.evaluate_sync(b'{"deep": true}')
    assert json.loads(engine.evaluate_sync(b'{"deep": false}')) == {"x": 1}


def test_killed_from_outside(isolated: Any) -> None:
    engine = isolated(HEAVY, timeout=20)
    threading.Timer(0.3, os.kill, (engine._worker._process.pid, signal.SIGKILL)).start()
    with pytest.raises(EngineUnavailable, match="signal 9"):
        engine.evaluate_sync(b'{"heavy": true}')


def test_waiting_counts(isolated: Any) -> None:
    engine = isolated(HEAVY, timeout=0.6)
    failures: list[BaseException] = []

    def ask() -> None:
        try:
            engine.evaluate_sync(b'{"heavy": true}')
        except EngineError as error:
            failures.append(error)

    started = time.monotonic()
    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert time.monotonic() - started < 5
    assert [type(failure) for failure in failures] == [EngineTimeout] * 3


def test_a_stopped_process_that_does_not_read_is_ended(isolated: Any) -> None:
    engine = isolated(HEAVY, timeout=0.5)
    os.kill(engine._worker._process.pid, signal.SIGSTOP)
    started = time.monotonic()
    with pytest.raises(EngineTimeout):
        engine.evaluate_sync(b'{"heavy": false, "x": "' + b"x" * 5_000_000 + b'"}')
    assert time.monotonic() - started < 3


def test_policies_that_do_not_load(isolated: Any) -> None:
    with pytest.raises(PolicyError, match=r"^p\.rego:2:7: "):
        isolated("package a\nr := [")


def test_the_process_goes_with_the_engine(isolated: Any) -> None:
    engine = isolated(HEAVY)
    process: subprocess.Popen[bytes] = engine._worker._process
    engine.close_sync()
    assert process.poll() is not None
