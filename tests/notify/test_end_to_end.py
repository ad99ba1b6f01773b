"""The whole way, between processes: an agent asks and ends, Slack shows it, a button decides, the next try runs."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlencode

import httpx2 as httpx
import msgspec
import yaml
from receivers import FakeSlack
from slack_sdk.signature import SignatureVerifier

from hitl_opa.approvals.accounts import Accounts
from hitl_opa.config import load_config
from hitl_opa.guard import Guard
from hitl_opa.model import ToolCall


@contextmanager
def running(tmp_path: Path, *arguments: str) -> Iterator[str]:
    """A process of ours; gives the first line that it says of itself."""
    command = [str(Path(sys.executable).with_name("hitl-opa")), *arguments]
    with (
        (tmp_path / f"{arguments[0]}.log").open("wb") as log,
        subprocess.Popen(command, cwd=tmp_path, stdout=log, stderr=subprocess.PIPE, text=True) as process,
    ):
        try:
            assert process.stderr is not None
            yield process.stderr.readline()
        finally:
            process.kill()


async def attempt(tmp_path: Path) -> bool:
    """Whether the call may run, in a process that does not wait for anybody."""
    call = ToolCall(tool="Bash", input={"command": "mkdir build"}, cwd=str(tmp_path), workspace=str(tmp_path))
    async with Guard.open(load_config(tmp_path / "hitl.yaml")) as guard:
        return (await guard.resolve(await guard.rule(call))).allowed


def pressed(value: str) -> tuple[bytes, dict[str, str]]:
    payload = {
        "type": "block_actions",
        "user": {"id": "U1"},
        "channel": {"id": "C1"},
        "actions": [{"action_id": "hitl.approve", "value": value}],
    }
    body, when = urlencode({"payload": msgspec.json.encode(payload).decode()}).encode(), str(int(time.time()))
    signature = SignatureVerifier("signing").generate_signature(timestamp=when, body=body) or ""
    return body, {"x-slack-request-timestamp": when, "x-slack-signature": signature}


def test_from_the_ask_to_the_run(tmp_path: Path, slack: FakeSlack, secrets: None) -> None:
    channel = {"name": "ops", "type": "slack", "token": "${TOKEN}", "channel": "C1", "signing_secret": "${SIGNING}"}
    notify = {
        "base_url": "http://127.0.0.1:8282",
        "channels": [{**channel, "api": f"{slack.url}/api/"}],
        "people": [{"account": "rita", "slack": "U1"}],
        "keys": ["${KEY}"],
        "window": 0,
    }
    (tmp_path / "hitl.yaml").write_text(yaml.safe_dump({"level": 2, "durable": True, "notify": notify}))
    assert not asyncio.run(attempt(tmp_path))
    guard = Guard.open(load_config(tmp_path / "hitl.yaml"))
    assert guard.approvals is not None
    Accounts(guard.approvals.store).add("rita", "reviewer", [], time.time())
    guard.close_sync()
    with ExitStack() as stack:
        shown = slack.arrived()
        served = stack.enter_context(running(tmp_path, "serve", "--port", "0"))
        stack.enter_context(running(tmp_path, "worker"))
        assert shown.wait(30)
        (url,) = re.findall(r"http://\S+", served)
        blocks = next(iter(slack.messages.values()))["blocks"]
        value = next(b["value"] for block in blocks for b in block.get("elements", []) if b.get("style") == "primary")
        changed = slack.arrived()
        body, headers = pressed(value)
        assert httpx.post(f"{url}/notify/slack", content=body, headers=headers).status_code == 200
        assert changed.wait(30)
    assert [message["text"] for message in slack.messages.values()] == ["Bash: approved by rita"]
    assert [asyncio.run(attempt(tmp_path)) for _ in range(2)] == [True, False]
