"""Every channel says what is so: a burst is one message, changes are made in place, failures are tried again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from receivers import FakeSlack, HttpReceiver, MailReceiver

from hitl_opa.approvals import Approval
from hitl_opa.approvals.approvals import Approvals
from hitl_opa.approvals.letters import GIVEN_UP, Letters
from hitl_opa.audit import AuditLog
from hitl_opa.channels import Notify
from hitl_opa.notify.delivery import LEASE, Delivery
from hitl_opa.notify.slack import SlackTransport

Asks = Callable[..., Approval]
Delivers = Callable[..., Delivery]


def texts(slack: FakeSlack) -> list[str]:
    return [message["text"] for message in slack.messages.values()]


async def test_a_burst_is_one_message(delivers: Delivers, to_slack: Any, slack: FakeSlack, asks: Asks) -> None:
    for n in range(7):
        asks(f"rm -rf {n}", "high" if n < 2 else "low")
    await delivers(to_slack).once()
    assert texts(slack) == ["7 approvals wait, 2 high"]


async def test_a_window_is_waited_for_and_one_message_comes_in_each(
    delivers: Delivers, to_slack: Notify, slack: FakeSlack, asks: Asks, clock: Any
) -> None:
    delivery = delivers(msgspec.structs.replace(to_slack, window=10))
    said, waits = list[int](), list[float]()
    for second in range(35):
        if second < 20:
            asks(f"rm -rf {second}")
        await delivery.once()
        waits.append(delivery.wait(15))
        clock.forward(1)
        said.append(len(slack.messages))
    assert (said[9], said[10], said[-1]) == (0, 1, 2)
    assert waits[:11] == pytest.approx([*range(10, 0, -1), 15])
    assert texts(slack) == ["11 approvals wait", "9 approvals wait"]


async def test_what_is_so_already_is_left_alone(
    delivers: Delivers, to_slack: Any, slack: FakeSlack, asks: Asks
) -> None:
    delivery = delivers(to_slack)
    asks()
    assert [await delivery.once() for _ in range(3)] == [1, 0, 0]
    assert [got.path for got in slack.got] == ["/api/chat.postMessage"]


async def test_who_was_told_of_what_is_on_record(
    delivers: Delivers, to_slack: Any, asks: Asks, audit: AuditLog, slack: FakeSlack
) -> None:
    asked = asks(approvers=("ops",))
    await delivers(to_slack).once()
    (note,) = [r for r in audit.records() if r.kind == "note"]
    assert (note.get("extra")["notified"], note.get("extra")["result"]) == ("ops", "sent")
    assert note.payload == {
        "detail": {"approvals": [asked.id], "for": "ops", "title": "Bash waits for approval, risk medium"}
    }


async def test_each_audience_has_its_own(delivers: Delivers, to_slack: Any, slack: FakeSlack, asks: Asks) -> None:
    asks("rm -rf a", approvers=("ops",))
    asks("rm -rf b", approvers=("sec",))
    await delivers(to_slack).once()
    assert len(slack.messages) == 2


async def test_what_is_decided_is_edited_in_place_until_it_is_over(
    delivers: Delivers, to_slack: Any, slack: FakeSlack, asks: Asks, approvals: Approvals
) -> None:
    delivery, one, two = delivers(to_slack), asks("rm -rf a"), asks("rm -rf b")
    await delivery.once()
    approvals.cancel(one.id, "rita")
    await delivery.once()
    assert texts(slack) == ["1 approval waits, 1 decided or over"]
    approvals.cancel(two.id, "rita")
    await delivery.once()
    assert texts(slack) == ["2 approvals, none waits any more"]
    assert await delivery.once() == 0


async def test_what_expires_is_edited_too(
    delivers: Delivers, to_slack: Any, slack: FakeSlack, asks: Asks, clock: Any
) -> None:
    delivery = delivers(to_slack)
    asks(expires_in=60)
    await delivery.once()
    clock.forward(61)
    await delivery.once()
    assert texts(slack) == ["Bash: expired: nobody decided in time"]


async def test_what_is_decided_before_anybody_was_told_is_not_told(
    delivers: Delivers, to_slack: Any, slack: FakeSlack, asks: Asks, approvals: Approvals, clock: Any
) -> None:
    delivery, asked = delivers(msgspec.structs.replace(to_slack, window=10)), asks()
    await delivery.once()
    approvals.cancel(asked.id, "rita")
    clock.forward(11)
    await delivery.once()
    assert await delivery.once() == 0
    assert slack.got == []


async def test_a_receiver_that_is_down_is_tried_again_and_the_approval_is_unaffected(
    delivers: Delivers, to_slack: Any, slack: FakeSlack, asks: Asks, approvals: Approvals, letters: Letters, clock: Any
) -> None:
    delivery, asked = delivers(to_slack), asks()
    slack.fails = [(500, {}, b""), (429, {"Retry-After": "60"}, b"")]
    waited = []
    while not slack.messages:
        await delivery.once()
        for failing in letters.failing():
            waited.append(failing.next_at - clock().timestamp())
            assert delivery.wait(100) == pytest.approx(waited[-1])
            assert await delivery.once() == 0  # not before its time
            clock.forward(waited[-1])
    assert waited == pytest.approx([5, 60])
    assert approvals.get(asked.id) == asked
    assert letters.failing() == []


async def test_it_is_given_up_in_the_end_and_that_is_seen_and_on_record(
    delivers: Delivers, to_slack: Any, slack: FakeSlack, asks: Asks, letters: Letters, audit: AuditLog, clock: Any
) -> None:
    delivery, asked = delivers(to_slack), asks(expires_in=10**6)
    reply = slack.reply
    slack.reply = lambda _: (500, {}, b"")
    for _ in range(GIVEN_UP + 5):
        await delivery.once()
        clock.forward(3_600)
    (failing,) = letters.failing()
    assert (failing.attempts, failing.approvals, failing.problem) == (
        GIVEN_UP,
        [asked.id],
        "Slack refused conversations.history: 500",  # a message that may be there is looked for first
    )
    assert len(slack.got) == GIVEN_UP
    *failed, last = [r.get("extra") for r in audit.records() if r.kind == "note"]
    assert {note["result"] for note in failed} == {"failed"}
    assert last == {"notified": "ops", "result": "given-up", "letter": failing.id}
    slack.reply = reply
    assert letters.retry() == 1
    await delivery.once()
    assert len(slack.messages) == 1


async def test_a_channel_that_fails_delays_no_other(
    delivers: Delivers, to_slack: Notify, to_hook: Notify, slack: FakeSlack, hook: HttpReceiver, asks: Asks
) -> None:
    slack.fails = [(500, {}, b"")] * 3
    delivery = delivers(msgspec.structs.replace(to_slack, channels=[*to_slack.channels, *to_hook.channels]))
    asks()
    await delivery.once()
    assert (len(slack.messages), len(hook.got)) == (0, 1)


async def test_a_transport_that_breaks_keeps_no_other_from_being_told(
    delivers: Delivers,
    to_slack: Notify,
    to_hook: Notify,
    hook: HttpReceiver,
    asks: Asks,
    letters: Letters,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def breaks(*_: Any, **__: Any) -> None:
        raise RuntimeError("with a secret in it")

    monkeypatch.setattr(SlackTransport, "send", breaks)
    asks()
    await delivers(msgspec.structs.replace(to_slack, channels=[*to_slack.channels, *to_hook.channels])).once()
    assert len(hook.got) == 1
    assert [one.problem for one in letters.failing()] == ["ops: it cannot be sent: RuntimeError"]


async def test_a_channel_without_its_secret_says_so(
    delivers: Delivers, to_slack: Any, asks: Asks, letters: Letters, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TOKEN")
    asks()
    await delivers(to_slack).once()
    (failing,) = letters.failing()
    assert failing.problem == "the environment variable TOKEN is not set; hitl.yaml names it as a secret"


async def test_a_message_whose_answer_was_lost_is_not_sent_twice(
    delivers: Delivers, to_slack: Any, slack: FakeSlack, asks: Asks, approvals: Approvals, clock: Any
) -> None:
    delivery, asked = delivers(to_slack), asks()
    slack.loses_answers = 1
    await delivery.once()
    clock.forward(10)
    await delivery.once()
    approvals.cancel(asked.id, "rita")
    await delivery.once()
    assert texts(slack) == ["Bash: cancelled"]


async def test_workers_that_race_send_it_once(delivers: Delivers, to_slack: Any, slack: FakeSlack, asks: Asks) -> None:
    for n in range(3):
        asks(f"rm -rf {n}", approvers=(f"group {n}",))
    await asyncio.gather(*(delivers(to_slack).once() for _ in range(4)))
    assert len(slack.messages) == 3


async def test_a_worker_that_died_while_sending_is_followed(
    delivers: Delivers, to_slack: Any, slack: FakeSlack, asks: Asks, letters: Letters, clock: Any
) -> None:
    delivery, asked = delivers(to_slack), asks()
    letters.address([(asked.id, 0, [("ops", "")])])
    letters.gather(0)
    (letter,) = letters.due()
    assert letters.trying(letter, LEASE)  # and then it died
    await delivery.once()
    assert slack.got == []
    clock.forward(LEASE)
    await delivery.once()
    assert [got.path.partition("?")[0] for got in slack.got] == ["/api/conversations.history", "/api/chat.postMessage"]


async def test_a_webhook_hears_of_every_change(
    delivers: Delivers, to_hook: Any, hook: HttpReceiver, asks: Asks, approvals: Approvals
) -> None:
    delivery, asked = delivers(to_hook), asks()
    await delivery.once()
    approvals.cancel(asked.id, "rita")
    await delivery.once()
    await delivery.once()
    heard = [(got.json["type"], got.json["data"]["items"][0]["state"]) for got in hook.got]
    assert heard == [("approvals.waiting", "pending"), ("approvals.changed", "cancelled")]
    assert len({got.json["data"]["id"] for got in hook.got}) == 1


async def test_mail_goes_to_who_may_decide_once_and_is_followed_once(
    delivers: Delivers, to_mail: Any, mail: MailReceiver, asks: Asks, approvals: Approvals
) -> None:
    delivery, asked = delivers(to_mail), [asks(f"rm -rf {n}", approvers=("ops",)) for n in range(3)]
    await delivery.once()
    assert [(got["To"], got["Subject"]) for got in mail.got] == [("rita@example.com", "3 approvals wait")]
    for approval in asked:
        approvals.cancel(approval.id, "rita")
        await delivery.once()
    assert [got["Subject"] for got in mail.got][1:] == ["Re: 3 approvals, none waits any more"]


async def test_nobody_is_asked_about_a_call_of_their_own(
    delivers: Delivers, to_mail: Any, mail: MailReceiver, asks: Asks
) -> None:
    asks()  # of anna, whom anybody else may approve
    await delivers(to_mail).once()
    assert sorted(got["To"] for got in mail.got) == ["omar@example.com", "rita@example.com"]


async def test_a_link_in_a_mail_is_the_same_however_often_it_is_tried(
    delivers: Delivers, to_mail: Any, mail: MailReceiver, asks: Asks, letters: Letters, clock: Any
) -> None:
    delivery = delivers(to_mail)
    asks(approvers=("ops",))
    mail.refuses = ["451 later"]
    await delivery.once()
    assert "451" in letters.failing()[0].problem
    clock.forward(10)
    await delivery.once()
    body = mail.got[0].get_body(("plain",))
    assert body is not None
    assert body.get_content().count("https://hitl.example.com/links/") == 1


async def test_an_escalation_is_a_new_message_where_policy_says(
    delivers: Delivers, to_slack: Notify, to_hook: Notify, slack: FakeSlack, hook: HttpReceiver, asks: Asks, clock: Any
) -> None:
    steps = [{"after": 60, "to": ["boss"], "channel": "siem"}, {"after": 120, "to": ["board"], "channel": "nowhere"}]
    routed = msgspec.structs.replace(to_hook.channels[0], risks=["critical"])
    delivery = delivers(msgspec.structs.replace(to_slack, channels=[*to_slack.channels, routed]))
    asks(approvers=("ops",), escalation=steps)
    await delivery.once()
    assert (len(slack.messages), len(hook.got)) == (1, 0)
    clock.forward(61)
    await delivery.once()
    assert texts(slack) == ["Bash waits for approval, risk medium"]
    assert "escalated to boss" in str(slack.messages)
    assert hook.got[-1].json["data"]["items"][0]["status"] == "waits, escalated to boss"
    clock.forward(60)
    await delivery.once()  # a channel that the settings do not have: those that fit are told again
    assert len(slack.messages) == 2


async def test_policy_names_the_channels(
    delivers: Delivers, to_slack: Notify, to_hook: Notify, slack: FakeSlack, hook: HttpReceiver, asks: Asks
) -> None:
    delivery = delivers(msgspec.structs.replace(to_slack, channels=[*to_slack.channels, *to_hook.channels]))
    asks(channels=["siem"])
    await delivery.once()
    assert (len(slack.messages), len(hook.got)) == (0, 1)
    asks("rm -rf a", channels=["nowhere"])  # nobody would hear of it: as the settings say then
    await delivery.once()
    assert (len(slack.messages), len(hook.got)) == (1, 2)


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
async def test_which_channel(
    delivers: Delivers,
    to_slack: Notify,
    slack: FakeSlack,
    asks: Asks,
    routed: Any,
    risk: str,
    approvers: tuple[str, ...],
    told_of: bool,
) -> None:
    channels = [msgspec.structs.replace(to_slack.channels[0], **routed)]
    asks("rm -rf a", risk, approvers)
    delivery = delivers(msgspec.structs.replace(to_slack, channels=channels))
    assert [await delivery.once() for _ in range(2)] == [int(told_of), 0]
    assert len(slack.messages) == int(told_of)
