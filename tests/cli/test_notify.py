"""``hitl-opa notify test``: against receivers on real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from click.testing import Result
from receivers import FakeSlack, MailReceiver

from hitl_opa.config import load_config
from hitl_opa.guard import Guard
from hitl_opa.notify.opening import open_delivery

Run = Callable[..., Result]


@pytest.fixture
def slack() -> Iterator[FakeSlack]:
    with FakeSlack().running() as receiver:
        assert isinstance(receiver, FakeSlack)
        yield receiver


def settings(tmp_path: Path, *channels: dict[str, Any], **rest: Any) -> None:
    notify = {"base_url": "http://127.0.0.1:8282", "channels": list(channels), **rest}
    (tmp_path / "hitl.yaml").write_text(yaml.safe_dump({"notify": notify}))


def test_a_message_to_slack(run: Run, tmp_path: Path, slack: FakeSlack, monkeypatch: pytest.MonkeyPatch) -> None:
    settings(tmp_path, {"name": "ops", "type": "slack", "token": "${T}", "channel": "C1", "api": f"{slack.url}/api/"})
    monkeypatch.setenv("T", "xoxb-test")
    done = run("notify", "test", "ops")
    assert done.exit_code == 0
    assert done.output.startswith("sent      ops  channel C1  ts 17")
    assert [m["text"] for m in slack.messages.values()] == ["hitl-opa can reach you here"]


def test_what_went_wrong_is_said_and_the_secret_is_not(
    run: Run, tmp_path: Path, slack: FakeSlack, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings(tmp_path, {"name": "ops", "type": "slack", "token": "${T}", "channel": "C1", "api": f"{slack.url}/api/"})
    monkeypatch.delenv("T", raising=False)
    done = run("notify", "test", "ops")
    assert (done.exit_code, "environment variable T is not set" in done.output) == (1, True)
    monkeypatch.setenv("T", "xoxb-wrong")
    done = run("notify", "test", "ops", "--json")
    assert done.exit_code == 1
    said = msgspec.json.decode(done.output)
    assert (said["type"], said["results"][0]["problem"]) == ("slack", "Slack refused chat.postMessage: invalid_auth")
    assert "xoxb" not in done.output


def test_mail_goes_to_each_and_says_to_whom(run: Run, tmp_path: Path) -> None:
    people = [{"account": "rita", "email": "rita@example.com"}, {"account": "omar", "email": "omar@example.com"}]
    with MailReceiver().running() as mail:
        channel = {"name": "mail", "type": "email", "server": "127.0.0.1", "port": mail.port, "tls": "none"}
        settings(tmp_path, {**channel, "sender": "hitl@example.com"}, people=people)
        done = run("notify", "test", "mail", "--json")
        assert done.exit_code == 0
        assert [r["to"] for r in msgspec.json.decode(done.output)["results"]] == ["rita", "omar"]
        assert [got["To"] for got in mail.got] == ["rita@example.com", "omar@example.com"]


@pytest.mark.parametrize(
    ("channel", "said"),
    [("nope", "no channel 'nope'"), ("mail", "writes to nobody")],
)
def test_a_channel_that_is_not_there_or_reaches_nobody(run: Run, tmp_path: Path, channel: str, said: str) -> None:
    settings(tmp_path, {"name": "mail", "type": "email", "server": "localhost", "sender": "hitl@example.com"})
    done = run("notify", "test", channel)
    assert (done.exit_code, said in done.output) == (2, True)


async def undelivered(tmp_path: Path, url: str, **fields: Any) -> None:
    """An approval of which a webhook at this address should have been told."""
    hook = {"name": "siem", "type": "webhook", "url": url, "keys": ["${HOOK}"]}
    notify = {"base_url": "http://127.0.0.1:8282", "channels": [hook], "window": 0, **fields}
    (tmp_path / "hitl.yaml").write_text(yaml.safe_dump({"level": 2, "durable": True, "notify": notify}))
    config = load_config(tmp_path / "hitl.yaml")
    async with Guard.open(config) as guard:
        result = await guard.execute_with_approval(lambda: None, risk="high", name="deploy")
        assert result.status == "rejected"
        assert guard.approvals is not None
        await open_delivery(config, guard.approvals).once()


def test_what_did_not_arrive_is_shown_and_tried_again(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOOK", "whsec_" + "b3V0" * 8)
    asyncio.run(undelivered(tmp_path, "http://127.0.0.1:9/"))
    done = run("notify", "status")
    assert done.exit_code == 1
    assert "siem: siem: the webhook cannot be reached" in done.output
    (failing,) = msgspec.json.decode(run("notify", "status", "--json").output)
    assert (failing["channel"], failing["attempts"], len(failing["approvals"])) == ("siem", 1, 1)
    assert run("notify", "retry").output == "1 to be tried again.\n"
    done = run("notify", "status")
    assert (done.exit_code, done.output) == (0, "Every message arrived.\n")


def test_the_doctor_looks_at_channels_and_sends_nothing(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def said() -> list[tuple[str, str]]:
        found = msgspec.json.decode(run("doctor", "--json").stdout)["checks"]
        return [(check["status"], check["detail"]) for check in found if check["name"] == "notify"]

    monkeypatch.setenv("HOOK", "whsec_" + "b3V0" * 8)
    assert said() == []
    people = [{"account": "rita", "email": "rita@example.com"}]
    hook = {"name": "siem", "type": "webhook", "url": "http://127.0.0.1:9/", "keys": ["${HOOK}"]}
    settings(tmp_path, hook, people=people)
    assert [status for status, _ in said()] == ["warn"]  # nothing is kept that people could be told of
    asyncio.run(undelivered(tmp_path, "http://127.0.0.1:9/", people=people))
    assert said() == [
        ("ok", "siem is set up"),
        ("warn", "no account, and so no word on approvals: rita"),
        ("warn", "1 messages did not arrive"),
    ]
    monkeypatch.delenv("HOOK")
    assert said()[0] == ("fail", "siem: the environment variable HOOK is not set; hitl.yaml names it as a secret")


def test_without_settings_it_says_what_is_missing(run: Run) -> None:
    done = run("notify", "test", "ops")
    assert (done.exit_code, "has no part `notify`" in done.output) == (2, True)
