"""Every channel says what is so: a burst is one message, changes are made in place, failures are tried again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from receivers import FakeSlack, HttpReceiver, MailReceiver

from hitl_opa.approvals import Approval
from hitl_opa.approvals.approvals import Approvals
from hitl_opa.approvals.letters import Letters
from hitl_opa.channels import Notify
from hitl_opa.errors import NotifyError
from hitl_opa.notify.delivery import Delivery
from hitl_opa.notify.routing import Address

Asks = Callable[..., Approval]
Delivers = Callable[..., Delivery]


async def told(delivery: Delivery, *asked: Approval) -> None:
    """What the outbox does: route each, then deliver to each reader once."""
    for address in dict.fromkeys(address for approval in asked for address in delivery.route(approval.id)):
        await delivery.deliver(address)


def texts(slack: FakeSlack) -> list[str]:
    return [message["text"] for message in slack.messages.values()]


async def test_a_burst_is_one_message(delivers: Delivers, to_slack: Any, slack: FakeSlack, asks: Asks) -> None:
    delivery = delivers(to_slack)
    await told(delivery, *(asks(f"rm -rf {n}", "high" if n < 2 else "low") for n in range(7)))
    assert texts(slack) == ["7 approvals wait, 2 high"]


async def test_said_twice_it_is_sent_once(delivers: Delivers, to_slack: Any, slack: FakeSlack, asks: Asks) -> None:
    delivery, asked = delivers(to_slack), asks()
    for _ in range(3):
        await told(delivery, asked)
    assert [got.path for got in slack.got] == ["/api/chat.postMessage"]


async def test_each_audience_has_its_own(delivers: Delivers, to_slack: Any, slack: FakeSlack, asks: Asks) -> None:
    delivery = delivers(to_slack)
    await told(delivery, asks("rm -rf a", approvers=("ops",)), asks("rm -rf b", approvers=("sec",)))
    assert len(slack.messages) == 2


async def test_what_is_decided_is_edited_in_place_until_it_is_over(
    delivers: Delivers, to_slack: Any, slack: FakeSlack, asks: Asks, approvals: Approvals, letters: Letters
) -> None:
    delivery, one, two = delivers(to_slack), asks("rm -rf a"), asks("rm -rf b")
    await told(delivery, one, two)
    approvals.cancel(one.id, "rita")
    await told(delivery, one)
    assert texts(slack) == ["1 approval waits, 1 decided or over"]
    approvals.cancel(two.id, "rita")
    await told(delivery, two)
    assert texts(slack) == ["2 approvals, none waits any more"]
    assert letters.open("ops", "") == []


async def test_what_expires_is_edited_too(
    delivers: Delivers, to_slack: Any, slack: FakeSlack, asks: Asks, clock: Any
) -> None:
    delivery, asked = delivers(to_slack), asks(expires_in=60)
    await told(delivery, asked)
    clock.forward(61)
    await told(delivery, asked)
    assert texts(slack) == ["Bash: expired: nobody decided in time"]


async def test_what_is_decided_before_anybody_was_told_is_not_told(
    delivers: Delivers, to_slack: Any, slack: FakeSlack, asks: Asks, approvals: Approvals
) -> None:
    delivery, asked = delivers(to_slack), asks()
    (address,) = delivery.route(asked.id)
    approvals.cancel(asked.id, "rita")
    await delivery.deliver(address)
    assert slack.got == []


async def test_a_receiver_that_is_down_is_tried_again_and_the_approval_is_unaffected(
    delivers: Delivers, to_slack: Any, slack: FakeSlack, asks: Asks, approvals: Approvals
) -> None:
    delivery, asked = delivers(to_slack), asks()
    slack.fails = [(500, {}, b""), (500, {}, b"")]
    for _ in range(2):
        with pytest.raises(NotifyError, match="500"):
            await told(delivery, asked)
    assert approvals.get(asked.id) == asked
    await told(delivery, asked)
    assert len(slack.messages) == 1


async def test_a_message_whose_answer_was_lost_is_not_sent_twice(
    delivers: Delivers, to_slack: Any, slack: FakeSlack, asks: Asks, approvals: Approvals
) -> None:
    delivery, asked = delivers(to_slack), asks()
    slack.loses_answers = 1
    with pytest.raises(NotifyError):
        await told(delivery, asked)
    await told(delivery, asked)
    approvals.cancel(asked.id, "rita")
    await told(delivery, asked)
    assert texts(slack) == ["Bash: cancelled"]


async def test_two_workers_send_it_once(delivers: Delivers, to_slack: Any, slack: FakeSlack, asks: Asks) -> None:
    one, two = delivers(to_slack), delivers(to_slack)
    (address,) = one.route(asks().id)
    results = await asyncio.gather(one.deliver(address), two.deliver(address), return_exceptions=True)
    assert len(slack.messages) == 1
    assert [type(r) for r in results if r is not None] in ([], [NotifyError])
    await two.deliver(address)
    assert len(slack.messages) == 1


async def test_a_worker_that_died_while_sending_is_followed(
    delivers: Delivers, to_slack: Any, slack: FakeSlack, asks: Asks, letters: Letters, monkeypatch: pytest.MonkeyPatch
) -> None:
    delivery = delivers(to_slack)
    (address,) = delivery.route(asks().id)
    (letter,) = letters.open(*address)
    assert letters.trying(letter.id, 90)  # and then it died
    with pytest.raises(NotifyError, match="another worker"):
        await delivery.deliver(address)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 91)
    await delivery.deliver(address)
    assert [got.path.partition("?")[0] for got in slack.got] == ["/api/conversations.history", "/api/chat.postMessage"]


async def test_a_webhook_hears_of_every_change(
    delivers: Delivers, to_hook: Any, hook: HttpReceiver, asks: Asks, approvals: Approvals
) -> None:
    delivery, asked = delivers(to_hook), asks()
    await told(delivery, asked)
    approvals.cancel(asked.id, "rita")
    await told(delivery, asked)
    await told(delivery, asked)
    heard = [(got.json["type"], got.json["data"]["items"][0]["state"]) for got in hook.got]
    assert heard == [("approvals.waiting", "pending"), ("approvals.changed", "cancelled")]
    assert len({got.json["data"]["id"] for got in hook.got}) == 1


async def test_mail_goes_to_who_may_decide_once_and_is_followed_once(
    delivers: Delivers, to_mail: Any, mail: MailReceiver, asks: Asks, approvals: Approvals
) -> None:
    delivery, asked = delivers(to_mail), [asks(f"rm -rf {n}", approvers=("ops",)) for n in range(3)]
    await told(delivery, *asked)
    assert [(got["To"], got["Subject"]) for got in mail.got] == [("rita@example.com", "3 approvals wait")]
    for approval in asked:
        approvals.cancel(approval.id, "rita")
        await told(delivery, approval)
    assert [got["Subject"] for got in mail.got][1:] == ["Re: 3 approvals, none waits any more"]


async def test_nobody_is_asked_about_a_call_of_their_own(
    delivers: Delivers, to_mail: Any, mail: MailReceiver, asks: Asks
) -> None:
    await told(delivers(to_mail), asks())  # of anna, whom anybody else may approve
    assert sorted(got["To"] for got in mail.got) == ["omar@example.com", "rita@example.com"]


async def test_a_link_in_a_mail_is_the_same_however_often_it_is_sent(
    delivers: Delivers, to_mail: Any, mail: MailReceiver, asks: Asks
) -> None:
    delivery, asked = delivers(to_mail), asks(approvers=("ops",))
    mail.refuses = ["451 later"]
    with pytest.raises(NotifyError, match="451"):
        await told(delivery, asked)
    await told(delivery, asked)
    body = mail.got[0].get_body(("plain",))
    assert body is not None
    assert body.get_content().count("https://hitl.example.com/links/") == 1


async def test_an_escalation_is_a_new_message_where_policy_says(
    delivers: Delivers, to_slack: Notify, to_hook: Notify, slack: FakeSlack, hook: HttpReceiver, asks: Asks, clock: Any
) -> None:
    steps = [{"after": 60, "to": ["boss"], "channel": "siem"}, {"after": 120, "to": ["board"], "channel": "nowhere"}]
    routed = msgspec.structs.replace(to_hook.channels[0], risks=["critical"])
    delivery = delivers(msgspec.structs.replace(to_slack, channels=[*to_slack.channels, routed]))
    asked = asks(approvers=("ops",), escalation=steps)
    await told(delivery, asked)
    assert (len(slack.messages), len(hook.got)) == (1, 0)
    clock.forward(61)
    await told(delivery, asked)
    assert texts(slack) == ["Bash waits for approval, risk medium"]
    assert "escalated to boss" in str(slack.messages)
    assert hook.got[-1].json["data"]["items"][0]["status"] == "waits, escalated to boss"
    clock.forward(60)
    await told(delivery, asked)  # a channel that the settings do not have: those that fit are told again
    assert len(slack.messages) == 2


@pytest.mark.parametrize(
    ("routed", "risk", "approvers", "told_of"),
    [
        ({}, "low", (), True),
        ({"risks": ["high", "critical"]}, "high", (), True),
        ({"risks": ["high", "critical"]}, "low", (), False),
        ({"groups": ["ops"]}, "low", ("ops", "sec"), True),
        ({"groups": ["ops"]}, "low", ("sec",), False),
        ({"groups": ["ops"]}, "low", (), False),
    ],
)
def test_which_channel(
    delivers: Delivers, to_slack: Notify, asks: Asks, routed: Any, risk: str, approvers: tuple[str, ...], told_of: bool
) -> None:
    channels = [msgspec.structs.replace(to_slack.channels[0], **routed)]
    delivery = delivers(msgspec.structs.replace(to_slack, channels=channels))
    found = delivery.route(asks("rm -rf a", risk, approvers).id)
    assert found == ([Address("ops", ",".join(approvers))] if told_of else [])
