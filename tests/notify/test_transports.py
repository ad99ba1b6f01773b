"""Each transport against a receiver on a real socket: what arrives, what is changed, and what a failure says."""

from __future__ import annotations

import re
from collections.abc import Callable

import msgspec
import pytest
from receivers import FakeSlack, HttpReceiver, MailReceiver
from standardwebhooks import Webhook as StandardWebhook

from hitl_opa import channels
from hitl_opa.approvals import Approval
from hitl_opa.approvals.approvals import Approvals
from hitl_opa.errors import NotifyError
from hitl_opa.notify.apprise import AppriseTransport
from hitl_opa.notify.links import Signer
from hitl_opa.notify.mail import MailTransport
from hitl_opa.notify.message import Message, message
from hitl_opa.notify.slack import SlackTransport
from hitl_opa.notify.webhook import WebhookTransport, verify

BASE = "https://hitl.example.com"
KEY = "k" * 32
OLD, NEW = "whsec_" + "b2xk" * 8, "whsec_" + "bmV3" * 8
JSON = {"content-type": "application/json"}
Asks = Callable[..., Approval]


def to_slack(slack: FakeSlack, token: str = "xoxb-test") -> SlackTransport:
    channel = channels.Slack(name="ops", token="${T}", channel="C1", signing_secret="${S}", api=f"{slack.url}/api/")
    return SlackTransport(channel, token, Signer([KEY]))


def to_hook(hook: HttpReceiver, *keys: str) -> WebhookTransport:
    return WebhookTransport(channels.Webhook(name="siem", url=f"{hook.url}/in", keys=["${K}"]), keys or [NEW])


def to_mail(mail: MailReceiver) -> MailTransport:
    channel = channels.Email(name="mail", server="127.0.0.1", port=mail.port, tls="none", sender="hitl@example.com")
    return MailTransport(channel, "rita@example.com", "")


def buttons(slack: FakeSlack, ts: str) -> list[str]:
    blocks = slack.messages[ts]["blocks"]
    return [button["action_id"] for block in blocks for button in block.get("elements", [])]


def again(said: Message, approvals: Approvals) -> Message:
    return message(said.id, [approvals.get(item.id) for item in said.items], BASE)


# --- Slack


async def test_slack_gets_buttons_for_low_and_medium_risk_only(slack: FakeSlack, asks: Asks) -> None:
    said = message("m1", [asks("rm -rf a", "medium"), asks("rm -rf b", "high"), asks("rm -rf c", "critical")], BASE)
    ref = await to_slack(slack).send(said, None)
    assert buttons(slack, ref["ts"]) == ["hitl.open", "hitl.open", "hitl.approve", "hitl.reject", "hitl.open"]


async def test_slack_without_a_signing_secret_gets_no_buttons(slack: FakeSlack, asks: Asks) -> None:
    channel = channels.Slack(name="ops", token="${T}", channel="C1", api=f"{slack.url}/api/")
    ref = await SlackTransport(channel, "xoxb-test", Signer([KEY])).send(message("m1", [asks()], BASE), None)
    assert buttons(slack, ref["ts"]) == ["hitl.open"]


async def test_slack_text_is_never_markup(slack: FakeSlack, asks: Asks) -> None:
    ref = await to_slack(slack).send(
        message("m1", [asks("rm -rf '<!channel> *b* <http://evil.example|x>'")], BASE), None
    )
    sent = slack.messages[ref["ts"]]
    texts = [block["text"] for block in sent["blocks"] if "text" in block]
    assert {text["type"] for text in texts} == {"plain_text"}
    assert any("<!channel>" in text["text"] for text in texts)
    assert "<" not in sent["text"]


async def test_slack_is_edited_in_place_and_loses_its_buttons(
    slack: FakeSlack, asks: Asks, approvals: Approvals
) -> None:
    said, transport = message("m1", [asks()], BASE), to_slack(slack)
    ref = await transport.send(said, None)
    approvals.cancel(said.items[0].id, "rita")
    assert await transport.send(again(said, approvals), ref) == ref
    assert list(slack.messages) == [ref["ts"]]
    assert slack.messages[ref["ts"]]["text"] == "Bash: cancelled"
    assert buttons(slack, ref["ts"]) == ["hitl.open"]


async def test_slack_message_whose_answer_was_lost_is_found_again(slack: FakeSlack, asks: Asks) -> None:
    said, transport = message("m1", [asks()], BASE), to_slack(slack)
    slack.loses_answers = 1
    with pytest.raises(NotifyError, match=r"Slack refused chat[.]postMessage: 502"):
        await transport.send(said, None)
    ref = await transport.send(said, None, again=True)
    assert list(slack.messages) == [ref["ts"]]


async def test_slack_that_may_not_be_read_is_told_again(slack: FakeSlack, asks: Asks) -> None:
    slack.fails = [(200, {"content-type": "application/json"}, b'{"ok": false, "error": "missing_scope"}')]
    await to_slack(slack).send(message("m1", [asks()], BASE), None, again=True)
    assert len(slack.messages) == 1


@pytest.mark.parametrize(
    ("reply", "said", "later"),
    [
        (
            (429, {"Retry-After": "7", "content-type": "application/json"}, b'{"ok": false, "error": "ratelimited"}'),
            "ratelimited",
            7,
        ),
        ((200, {"content-type": "text/html"}, b"<html>"), "Slack refused", 0),
        ((200, {"content-type": "application/json"}, b"{"), "Slack refused", 0),
        ((500, {}, b""), "500", 0),
    ],
)
async def test_slack_failures_say_what(
    slack: FakeSlack, asks: Asks, reply: tuple[int, dict[str, str], bytes], said: str, later: float
) -> None:
    slack.fails = [reply]
    with pytest.raises(NotifyError, match=said) as caught:
        await to_slack(slack).send(message("m1", [asks()], BASE), None)
    assert caught.value.retry_after == later


async def test_no_failure_shows_the_token(slack: FakeSlack, asks: Asks) -> None:
    with pytest.raises(NotifyError, match="invalid_auth") as caught:
        await to_slack(slack, "xoxb-wrong").send(message("m1", [asks()], BASE), None)
    assert "xoxb" not in str(caught.value)


async def test_slack_that_is_down(asks: Asks) -> None:
    channel = channels.Slack(name="ops", token="${T}", channel="C1", api="http://127.0.0.1:9/api/")
    with pytest.raises(NotifyError, match="Slack cannot be reached"):
        await SlackTransport(channel, "xoxb-test", None).send(message("m1", [asks()], BASE), None)


# --- mail


async def test_mail_is_text_and_html_with_one_link_an_approval(mail: MailReceiver, asks: Asks) -> None:
    asked = asks("rm -rf '<b>x</b>'")
    link = f"{BASE}/links/token"
    await to_mail(mail).send(message("m1", [asked], BASE, {asked.id: link}), None)
    (got,) = mail.got
    assert (got["To"], got["Subject"]) == ("rita@example.com", "Bash waits for approval, risk medium")
    text, html = (got.get_body((kind,)) for kind in ("plain", "html"))
    assert text is not None
    assert html is not None
    assert re.findall(r"https?://\S+", text.get_content()) == [link, f"{BASE}/inbox"]
    assert re.findall(r'href="([^"]+)"', html.get_content()) == [link, f"{BASE}/inbox"]
    assert "<b>x" not in html.get_content()
    assert "<b>x" in text.get_content()


async def test_mail_is_followed_in_its_thread(mail: MailReceiver, asks: Asks, approvals: Approvals) -> None:
    said, transport = message("m1", [asks()], BASE), to_mail(mail)
    ref = await transport.send(said, None)
    approvals.cancel(said.items[0].id, "rita")
    await transport.send(again(said, approvals), ref)
    first, second = mail.got
    assert first["Message-ID"] == "<m1@example.com>"
    assert (second["In-Reply-To"], second["Subject"]) == (first["Message-ID"], "Re: Bash: cancelled")


async def test_mail_sent_twice_has_one_id(mail: MailReceiver, asks: Asks) -> None:
    said, transport = message("m1", [asks()], BASE), to_mail(mail)
    await transport.send(said, None)
    await transport.send(said, None, again=True)
    assert len({got["Message-ID"] for got in mail.got}) == 1


async def test_mail_that_is_refused_or_down(mail: MailReceiver, asks: Asks) -> None:
    said = message("m1", [asks()], BASE)
    mail.refuses = ["451 Try later"]
    with pytest.raises(NotifyError, match="451"):
        await to_mail(mail).send(said, None)
    gone = channels.Email(name="mail", server="127.0.0.1", port=9, tls="none", sender="hitl@example.com")
    with pytest.raises(NotifyError, match=r"mail server 127[.]0[.]0[.]1:9"):
        await MailTransport(gone, "rita@example.com", "").send(said, None)


async def test_mail_is_not_sent_in_clear_where_tls_is_wanted(mail: MailReceiver, asks: Asks) -> None:
    channel = channels.Email(name="mail", server="127.0.0.1", port=mail.port, sender="hitl@example.com")
    with pytest.raises(NotifyError, match="STARTTLS"):
        await MailTransport(channel, "rita@example.com", "").send(message("m1", [asks()], BASE), None)
    assert mail.got == []


# --- webhooks


async def test_a_webhook_verifies_with_each_key(hook: HttpReceiver, asks: Asks) -> None:
    said = message("m1", [asks()], BASE)
    await to_hook(hook, NEW, OLD).send(said, None)
    (got,) = hook.got
    for key in (OLD, NEW):
        event = StandardWebhook(key).verify(got.body, got.headers)
        assert (event["type"], event["data"]["title"]) == ("approvals.waiting", said.title)
        assert event["data"]["items"][0]["digest"] == said.items[0].digest
    assert got.headers["webhook-id"] == verify(got.body, got.headers, NEW, "siem")
    assert verify(got.body + b" ", got.headers, NEW, "siem") is None


async def test_a_webhook_that_is_tried_again_has_the_same_id_and_a_new_version_another(
    hook: HttpReceiver, asks: Asks, approvals: Approvals
) -> None:
    said, transport = message("m1", [asks()], BASE), to_hook(hook)
    ref = await transport.send(said, None)
    await transport.send(said, None, again=True)
    approvals.cancel(said.items[0].id, "rita")
    await transport.send(again(said, approvals), ref)
    ids = [got.headers["webhook-id"] for got in hook.got]
    assert ids[0] == ids[1] != ids[2]
    assert [got.json["type"] for got in hook.got][2] == "approvals.changed"


async def test_a_webhook_does_not_follow_redirects(hook: HttpReceiver, asks: Asks) -> None:
    hook.reply = lambda _: (307, {"location": f"{hook.url}/elsewhere"}, b"")
    with pytest.raises(NotifyError, match="answered 307"):
        await to_hook(hook).send(message("m1", [asks()], BASE), None)
    assert [got.path for got in hook.got] == ["/in"]


async def test_a_webhook_that_fails(hook: HttpReceiver, asks: Asks) -> None:
    said = message("m1", [asks()], BASE)
    hook.reply = lambda _: (503, {"retry-after": "30"}, b"")
    with pytest.raises(NotifyError, match="answered 503") as caught:
        await to_hook(hook).send(said, None)
    assert caught.value.retry_after == 30
    gone = channels.Webhook(name="siem", url="http://127.0.0.1:9/", keys=["${K}"])
    with pytest.raises(NotifyError, match="cannot be reached"):
        await WebhookTransport(gone, [NEW]).send(said, None)


@pytest.mark.parametrize("header", ["webhook-id", "webhook-timestamp", "webhook-signature"])
@pytest.mark.parametrize("value", [None, "", "x", "v1,", "v1,é", "1e400", "v1,a b"])
async def test_a_webhook_with_junk_in_its_headers_is_not_genuine(
    hook: HttpReceiver, asks: Asks, header: str, value: str | None
) -> None:
    await to_hook(hook).send(message("m1", [asks()], BASE), None)
    headers = dict(hook.got[0].headers)
    headers.pop(header)
    if value is not None:
        headers[header] = value
    assert verify(hook.got[0].body, headers, NEW, "siem") is None


def test_a_webhook_key_that_is_none_is_named_by_its_channel() -> None:
    with pytest.raises(NotifyError, match=r"'siem'.*whsec_"):
        WebhookTransport(channels.Webhook(name="siem", url="http://x", keys=["${K}"]), ["whsec_"])


# --- Apprise


@pytest.mark.filterwarnings("ignore:'imghdr':DeprecationWarning")
async def test_apprise_carries_a_title_and_links(hook: HttpReceiver, asks: Asks) -> None:
    channel = channels.Apprise(name="phone", urls=["${U}"])
    url = f"json://{hook.url.removeprefix('http://')}"
    said = message("m1", [asks("rm -rf build")], BASE)
    await AppriseTransport(channel, [url]).send(said, None)
    (got,) = hook.got
    body = msgspec.json.decode(got.body)
    assert body["title"] == said.title
    assert said.items[0].link in body["message"]
    assert "build" not in body["message"]
    hook.reply = lambda _: (500, {}, b"")
    with pytest.raises(NotifyError, match="did not get it through"):
        await AppriseTransport(channel, [url]).send(said, None)
    with pytest.raises(NotifyError, match="does not know one of its URLs") as caught:
        AppriseTransport(channel, ["nosuch://token"])
    assert "token" not in str(caught.value)
