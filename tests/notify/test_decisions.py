"""Another system decides in a signed request: as its own account, once, for low and medium risk."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2 as httpx
import msgspec
import pytest
from standardwebhooks import Webhook

from hitl_opa.approvals import Approval, State
from hitl_opa.approvals.approvals import Approvals
from hitl_opa.audit import AuditLog
from hitl_opa.errors import AuditBusy

INBOUND, OUTBOUND = "whsec_" + "aW4x" * 8, "whsec_" + "b3V0" * 8
Asks = Callable[..., Approval]
Serves = Callable[..., httpx.AsyncClient]


def decision(asked: Approval, verdict: str = "approve", **changed: Any) -> bytes:
    return msgspec.json.encode({"approval": asked.id, "digest": asked.digest, "verdict": verdict, **changed})


async def post(
    http: httpx.AsyncClient, body: bytes, id: str = "msg_1", key: str = INBOUND, age: float = 0
) -> httpx.Response:
    now = datetime.now(UTC) - timedelta(seconds=age)
    headers = {
        "webhook-id": id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(key).sign(id, now, body.decode()),
    }
    return await http.post("/notify/webhook", content=body, headers=headers)


def refused(audit: AuditLog) -> list[str]:
    """Why, of each request that was; policy's own words about votes stand in records of their own."""
    details = [r.payload["detail"] for r in audit.records() if r.kind == "note" and r.payload is not None]
    return [detail["why"] for detail in details if "why" in detail]


async def test_it_decides_as_its_account(serves: Serves, to_hook: Any, asks: Asks, approvals: Approvals) -> None:
    asked = asks(approvers=("sec",))
    async with serves(to_hook) as http:
        answer = await post(http, decision(asked, reason="CHG0042"))
    assert (answer.status_code, answer.json()) == (200, {"approval": asked.id, "state": "approved"})
    found = approvals.get(asked.id)
    assert (found.state, found.reason, [v.reviewer for v in found.votes]) == (State.APPROVED, "CHG0042", ["omar"])


async def test_a_replay_gets_the_same_answer_and_does_nothing(
    serves: Serves, to_hook: Any, asks: Asks, approvals: Approvals
) -> None:
    asked = asks(quorum=2)
    async with serves(to_hook) as http, serves(to_hook) as another_process:
        answers = [(await post(h, decision(asked))).json() for h in (http, http, another_process)]
        approvals.cancel(asked.id, "rita")
        answers.append((await post(http, decision(asked))).json())
    assert answers == [{"approval": asked.id, "state": "pending"}] * 4
    assert len(approvals.get(asked.id).votes) == 1


async def test_an_id_that_comes_with_another_body(
    serves: Serves, to_hook: Any, asks: Asks, approvals: Approvals, audit: AuditLog
) -> None:
    asked = asks(quorum=2)
    async with serves(to_hook) as http:
        await post(http, decision(asked))
        assert (await post(http, decision(asked, "reject"))).status_code == 403
    assert [v.approves for v in approvals.get(asked.id).votes] == [True]
    assert refused(audit) == ["this webhook-id came before, with another body"]


@pytest.mark.parametrize(
    "how",
    [{"key": OUTBOUND}, {"key": "whsec_" + "Zm9y" * 8}, {"age": 400}, {"age": -400}],
    ids=["outbound key", "forged", "old", "early"],
)
async def test_what_is_not_signed_now_is_refused(
    serves: Serves, to_hook: Any, asks: Asks, approvals: Approvals, audit: AuditLog, how: dict[str, Any]
) -> None:
    asked = asks()
    async with serves(to_hook) as http:
        assert (await post(http, decision(asked), **how)).status_code == 403
        assert (await http.post("/notify/webhook", content=decision(asked))).status_code == 403
    assert approvals.get(asked.id) == asked
    assert len(refused(audit)) == 2


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"digest": "sha256:other"}, "has changed"),
        ({"approval": "nothing"}, "no such approval"),
        ({"verdict": "maybe"}, "no decision"),
        ({"reviewer": "rita"}, "no decision"),
    ],
)
async def test_what_it_may_not_say(
    serves: Serves, to_hook: Any, asks: Asks, approvals: Approvals, changed: dict[str, str], said: str
) -> None:
    asked = asks()
    async with serves(to_hook) as http:
        answer = await post(http, decision(asked, **changed))
    assert answer.status_code == 403
    assert said in answer.json()["problem"]
    assert approvals.get(asked.id) == asked


@pytest.mark.parametrize("risk", ["high", "critical"])
async def test_high_risk_needs_a_person_who_logs_in(
    serves: Serves, to_hook: Any, asks: Asks, approvals: Approvals, risk: str
) -> None:
    asked = asks(risk=risk)
    async with serves(to_hook) as http:
        assert (await post(http, decision(asked))).status_code == 403
    assert approvals.get(asked.id) == asked


async def test_what_policy_refuses(serves: Serves, to_hook: Any, asks: Asks, audit: AuditLog) -> None:
    async with serves(to_hook) as http:
        answer = await post(http, decision(asks(approvers=("ops",))))
    assert (answer.status_code, "needs an approver of ops" in answer.json()["problem"]) == (409, True)
    assert len(refused(audit)) == 1


async def test_what_cannot_be_written_is_not_decided_and_may_be_tried_again(
    serves: Serves, to_hook: Any, asks: Asks, audit: AuditLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = asks()

    def busy(*_: Any, **__: Any) -> None:
        raise AuditBusy("another process writes")

    async with serves(to_hook) as http:
        with monkeypatch.context() as patch:
            patch.setattr(AuditLog, "append", busy)
            assert (await post(http, decision(asked))).status_code == 503
        assert (await post(http, decision(asked))).json()["state"] == "approved"


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b"[" * 5_000, b'"' + b"x" * 1_100_000 + b'"'])
async def test_signed_junk_is_refused(serves: Serves, to_hook: Any, body: bytes) -> None:
    async with serves(to_hook) as http:
        if body == b"\xff":
            assert (await http.post("/notify/webhook", content=body)).status_code == 403
        else:
            assert (await post(http, body)).status_code == 403
