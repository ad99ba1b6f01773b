"""``hitl-opa worker``: people are told, once or until it is interrupted."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from click.testing import Result
from receivers import HttpReceiver

from hitl_opa.config import load_config
from hitl_opa.guard import Guard

Run = Callable[..., Result]
KEY = "whsec_" + "b3V0" * 8


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Iterator[HttpReceiver]:
    monkeypatch.setenv("HOOK", KEY)
    with HttpReceiver().running() as receiver:
        yield receiver


def settings(tmp_path: Path, hook: HttpReceiver | None, window: float = 3_600) -> None:
    channel = {"name": "siem", "type": "webhook", "url": hook.url if hook else "", "keys": ["${HOOK}"]}
    notify = {"base_url": "http://127.0.0.1:8282", "channels": [channel], "window": window}
    fields: dict[str, Any] = {"level": 2, "durable": True, **({"notify": notify} if hook else {})}
    (tmp_path / "hitl.yaml").write_text(yaml.safe_dump(fields))


async def ask(tmp_path: Path) -> None:
    async with Guard.open(load_config(tmp_path / "hitl.yaml")) as guard:
        await guard.execute_with_approval(lambda: None, risk="high", name="deploy")


def test_once(run: Run, tmp_path: Path, hook: HttpReceiver) -> None:
    settings(tmp_path, hook)
    asyncio.run(ask(tmp_path))
    assert run("worker", "--once").output == "sent      siem: deploy waits for approval, risk high\n"
    assert run("worker", "--once").output == ""
    assert [got.json["type"] for got in hook.got] == ["approvals.waiting"]


def test_once_as_json_says_what_did_not_arrive(run: Run, tmp_path: Path, hook: HttpReceiver) -> None:
    settings(tmp_path, hook)
    asyncio.run(ask(tmp_path))
    hook.reply = lambda _: (500, {}, b"")
    said = msgspec.json.decode(run("worker", "--once", "--json").output)
    assert said == {
        "kind": "letter",
        "channel": "siem",
        "for": "",
        "title": "",
        "problem": "siem: the webhook answered 500",
    }


def test_without_anybody_to_tell_it_sees_to_the_clocks(run: Run, tmp_path: Path) -> None:
    settings(tmp_path, None)
    asyncio.run(ask(tmp_path))
    assert (run("worker", "--once").output, run("worker", "--once").exit_code) == ("", 0)


def test_without_approvals_it_says_what_is_missing(run: Run, tmp_path: Path) -> None:
    done = run("worker", "--once")
    assert (done.exit_code, "durable: true" in done.output) == (2, True)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_it_works_until_it_is_told_to_stop(tmp_path: Path, hook: HttpReceiver, how: signal.Signals) -> None:
    settings(tmp_path, hook, window=0)
    arrived = hook.arrived()
    command = [str(Path(sys.executable).with_name("hitl-opa")), "worker"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as worker:
        try:
            assert worker.stderr is not None
            assert worker.stderr.readline().startswith("Sees to clocks and notifications")
            asyncio.run(ask(tmp_path))
            assert arrived.wait(60)
            worker.send_signal(how)
            said, problems = worker.communicate(timeout=60)
        finally:
            worker.kill()
    assert (worker.returncode, problems) == (0, "")
    assert said == "sent      siem: deploy waits for approval, risk high\n"
