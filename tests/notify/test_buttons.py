"""Buttons in Slack: signed by Slack, pressed by somebody with an account, once; everything else is on record."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import httpx2 as httpx
import msgspec
import pytest
from receivers import FakeSlack
from slack_sdk.signature import SignatureVerifier

from hitl_opa.approvals import Approval, State
from hitl_opa.approvals.approvals import Approvals
from hitl_opa.approvals.letter import Link
from hitl_opa.audit import AuditLog
from hitl_opa.notify.delivery import Delivery
from hitl_opa.notify.links import Signer

KEY = "k" * 32
Asks = Callable[..., Approval]
Serves = Callable[..., httpx.AsyncClient]


def token(asked: Approval, key: str = KEY, **changed: str) -> str:
    link = Link(nonce="letter", approval=asked.id, digest=asked.digest, reviewer="")
    return Signer([key]).sign("slack-button", msgspec.structs.replace(link, **changed))


def request(
    value: str,
    user: str = "U1",
    action: str = "hitl.approve",
    secret: str = "signing",
    at: float | None = None,
    **said: Any,
) -> tuple[bytes, dict[str, str]]:
    """A press as Slack sends it."""
    payload = {
        "type": "block_actions",
        "user": {"id": user},
        "channel": {"id": "C1"},
        "actions": [{"action_id": action, "value": value}],
        **said,
    }
    return signed(urlencode({"payload": msgspec.json.encode(payload).decode()}).encode(), secret, at)


def signed(body: bytes, secret: str = "signing", at: float | None = None) -> tuple[bytes, dict[str, str]]:
    when = str(int(time.time() if at is None else at))
    signature = SignatureVerifier(secret).generate_signature(timestamp=when, body=body) or ""
    return body, {"x-slack-request-timestamp": when, "x-slack-signature": signature}


async def post(http: httpx.AsyncClient, made: tuple[bytes, dict[str, str]]) -> int:
    return (await http.post("/notify/slack", content=made[0], headers=made[1])).status_code


def refused(audit: AuditLog) -> list[str]:
    """Why, of each request that was; policy's own words about votes stand in records of their own."""
    details = [r.payload["detail"] for r in audit.records() if r.kind == "note" and r.payload is not None]
    return [detail["why"] for detail in details if "why" in detail]


async def test_the_button_that_was_sent_decides_and_is_gone(
    serves: Serves,
    to_slack: Any,
    slack: FakeSlack,
    delivers: Callable[..., Delivery],
    asks: Asks,
    approvals: Approvals,
) -> None:
    asked, delivery = asks(approvers=("ops",)), delivers(to_slack)
    await delivery.once()
    (message,) = slack.messages.values()
    (value,) = [b["value"] for block in message["blocks"] for b in block.get("elements", []) if "style" in b][:1]
    async with serves(to_slack) as http:
        assert await post(http, request(value)) == 200
    found = approvals.get(asked.id)
    assert (found.state, [(v.reviewer, v.groups) for v in found.votes]) == (State.APPROVED, [("rita", ["ops"])])
    await delivery.once()
    (message,) = slack.messages.values()
    assert message["text"] == "Bash: approved by rita"
    assert "hitl.approve" not in str(message["blocks"])


async def test_a_rejection(serves: Serves, to_slack: Any, asks: Asks, approvals: Approvals) -> None:
    asked = asks()
    async with serves(to_slack) as http:
        assert await post(http, request(token(asked), action="hitl.reject")) == 200
    assert approvals.get(asked.id).state is State.DENIED


@pytest.mark.parametrize(
    "change",
    [
        lambda: {"secret": "another"},
        lambda: {"at": time.time() - 400},
        lambda: {"at": time.time() + 400},
    ],
    ids=["forged", "old", "early"],
)
async def test_what_slack_did_not_sign_now_is_refused(
    serves: Serves,
    to_slack: Any,
    asks: Asks,
    approvals: Approvals,
    audit: AuditLog,
    change: Callable[[], dict[str, Any]],
) -> None:
    asked = asks()
    async with serves(to_slack) as http:
        assert await post(http, request(token(asked), **change())) == 403
    assert approvals.get(asked.id) == asked
    assert refused(audit) == ["the request is not signed by Slack, or too old"]


@pytest.mark.parametrize("header", ["x-slack-request-timestamp", "x-slack-signature"])
@pytest.mark.parametrize("value", ["", "x", "é", "9" * 400, None])
async def test_junk_in_place_of_a_signature(
    serves: Serves, to_slack: Any, asks: Asks, approvals: Approvals, header: str, value: str | None
) -> None:
    asked = asks()
    body, headers = request(token(asked))
    sent = {name: text.encode() for name, text in headers.items() if name != header}
    if value is not None:
        sent[header] = value.encode()
    async with serves(to_slack) as http:
        assert (await http.post("/notify/slack", content=body, headers=sent)).status_code == 403
    assert approvals.get(asked.id) == asked


async def test_a_replay_is_refused(
    serves: Serves, to_slack: Any, asks: Asks, approvals: Approvals, audit: AuditLog
) -> None:
    asked = asks(quorum=2)
    made = request(token(asked))
    async with serves(to_slack) as http, serves(to_slack) as another_process:
        assert await post(http, made) == 200
        assert await post(http, made) == 403
        assert await post(another_process, made) == 403
    assert [v.reviewer for v in approvals.get(asked.id).votes] == ["rita"]
    assert refused(audit) == ["the very same request came before"] * 2


async def test_pressed_twice_it_counts_once(serves: Serves, to_slack: Any, asks: Asks, approvals: Approvals) -> None:
    asked = asks(quorum=2)
    async with serves(to_slack) as http:
        for seconds in range(3):
            assert await post(http, request(token(asked), at=time.time() - seconds)) == 200
    assert [v.reviewer for v in approvals.get(asked.id).votes] == ["rita"]


def of_another_digest(asked: Approval) -> str:
    return token(asked, digest="sha256:other")


def of_no_approval(asked: Approval) -> str:
    return token(asked, approval="nothing")


def of_a_mail(asked: Approval) -> str:
    return Signer([KEY]).sign("review-link", Link(nonce="n", approval=asked.id, digest=asked.digest, reviewer=""))


@pytest.mark.parametrize(
    ("make", "user", "said"),
    [
        (token, "U9", "belongs to no account"),
        (lambda asked: token(asked, key="x" * 32), "U1", "not ours"),
        (of_a_mail, "U1", "not ours"),
        (of_another_digest, "U1", "has changed"),
        (of_no_approval, "U1", "no such approval"),
        (token, "U1", "needs an approver of sec"),
    ],
)
async def test_what_does_not_count_is_told_to_who_pressed_and_recorded(
    serves: Serves,
    to_slack: Any,
    slack: FakeSlack,
    asks: Asks,
    approvals: Approvals,
    audit: AuditLog,
    make: Callable[[Approval], str],
    user: str,
    said: str,
) -> None:
    asked = asks(approvers=("sec",))
    async with serves(to_slack) as http:
        assert await post(http, request(make(asked), user=user)) == 200
    assert approvals.get(asked.id) == asked
    (aside,) = slack.asides
    assert aside["user"] == user
    assert said in aside["text"]
    (why,) = refused(audit)
    assert said in why


@pytest.mark.parametrize("risk", ["high", "critical"])
async def test_high_risk_is_not_decided_in_slack(
    serves: Serves, to_slack: Any, slack: FakeSlack, asks: Asks, approvals: Approvals, risk: str
) -> None:
    asked = asks(risk=risk)
    async with serves(to_slack) as http:
        assert await post(http, request(token(asked))) == 200
    assert approvals.get(asked.id) == asked
    assert "after logging in" in slack.asides[0]["text"]


async def test_a_button_of_another_conversation(
    serves: Serves, to_slack: Any, asks: Asks, approvals: Approvals, audit: AuditLog
) -> None:
    asked = asks()
    async with serves(to_slack) as http:
        assert await post(http, request(token(asked), channel={"id": "C2"})) == 403
    assert approvals.get(asked.id) == asked
    assert refused(audit) == ["the button stands in another conversation"]


async def test_a_link_that_was_opened_and_other_events_are_acknowledged(serves: Serves, to_slack: Any) -> None:
    async with serves(to_slack) as http:
        assert await post(http, request("x", action="hitl.open")) == 200
        assert await post(http, request("x", type="view_closed")) == 200


@pytest.mark.parametrize(
    "body",
    [b"", b"payload", b"payload=", b"payload=[]", b"payload={}", b"\xff", b"payload=" + b"[" * 5_000, b"x" * 1_100_000],
)
async def test_signed_junk_is_refused(serves: Serves, to_slack: Any, body: bytes) -> None:
    made = signed(body) if body != b"\xff" else (body, signed(b"")[1])
    async with serves(to_slack) as http:
        assert await post(http, made) == 403


async def test_slack_is_answered_in_time_and_the_vote_goes_on(
    serves: Serves, to_slack: Any, asks: Asks, approvals: Approvals, monkeypatch: pytest.MonkeyPatch
) -> None:
    import threading

    go, done = threading.Event(), threading.Event()
    vote = approvals.vote

    def slow(*args: Any, **named: Any) -> Approval:
        go.wait(30)
        try:
            return vote(*args, **named)
        finally:
            done.set()

    monkeypatch.setattr(approvals, "vote", slow)
    monkeypatch.setattr("hitl_opa.notify.buttons.ACK", 0.05)
    asked = asks()
    async with serves(to_slack) as http:
        assert await post(http, request(token(asked))) == 200
        assert approvals.get(asked.id).state is State.PENDING
        go.set()
        assert await asyncio.to_thread(done.wait, 30)
    assert approvals.get(asked.id).state is State.APPROVED
