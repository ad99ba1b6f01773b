"""Slack: messages with buttons, edited in place, and what pressing one sends. The only module that knows slack-sdk."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import parse_qs

import msgspec

from hitl_opa.approvals.letter import Link
from hitl_opa.channels import Slack
from hitl_opa.errors import NotifyError
from hitl_opa.notify.links import Signer
from hitl_opa.notify.message import Item, Message
from hitl_opa.notify.transport import TIMEOUT, Ref

_EVENT = "hitl_opa_message"
_LOOK_BACK = 30  # messages of the conversation in which one is looked for whose answer was lost
MAX_TEXT = 2_900  # characters of a block; Slack refuses more than 3,000
MAX_TITLE = 150


class Press(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody pressed a button: their Slack user id, the conversation it stands in, and the button's token."""

    user: str
    channel: str
    approves: bool
    token: str


class SlackTransport:
    """One Slack conversation. Buttons need ``signer`` and a signing secret."""

    updates: Literal["all", "end", "never"] = "all"

    def __init__(self, channel: Slack, token: str, signer: Signer | None) -> None:
        from slack_sdk.web.async_client import AsyncWebClient

        self._channel = channel
        self._signer = signer if channel.signing_secret else None
        # the outbox tries again, and knows when
        self._client = AsyncWebClient(token=token, base_url=channel.api, timeout=int(TIMEOUT), retry_handlers=[])

    async def send(self, message: Message, ref: Ref | None, *, again: bool = False) -> Ref:
        if ref is None and again:
            ref = await self._found(message.id)
        what = {"text": _escaped(message.title), "blocks": self._blocks(message), "unfurl_links": False}
        if ref is not None:
            answer = await self._call("chat.update", json={"channel": ref["channel"], "ts": ref["ts"], **what})
        else:
            metadata = {"event_type": _EVENT, "event_payload": {"message": message.id}}
            new = {"channel": self._channel.channel, "metadata": metadata, "link_names": False, **what}
            answer = await self._call("chat.postMessage", json=new)
        return {"channel": str(answer["channel"]), "ts": str(answer["ts"])}

    async def tell(self, user: str, text: str) -> None:
        """A line that only this user sees, in the conversation."""
        aside = {"channel": self._channel.channel, "user": user, "text": _escaped(text)}
        await self._call("chat.postEphemeral", json=aside)

    async def _found(self, id: str) -> Ref | None:
        """The message that an earlier try may have left. Without the scope to look for it nobody knows: None."""
        try:
            look = {"channel": self._channel.channel, "limit": _LOOK_BACK, "include_all_metadata": "true"}
            answer = await self._call("conversations.history", http_verb="GET", params=look)
        except NotifyError as error:
            if "missing_scope" in str(error):
                return None
            raise
        for found in answer.get("messages", []):
            about = found.get("metadata") or {}
            if about.get("event_type") == _EVENT and about.get("event_payload", {}).get("message") == id:
                return {"channel": self._channel.channel, "ts": str(found["ts"])}
        return None

    async def _call(self, method: str, **how: Any) -> dict[str, Any]:
        import aiohttp
        from slack_sdk.errors import SlackApiError, SlackClientError

        try:
            answer = await self._client.api_call(method, **how)
        except SlackApiError as error:
            raise _refused(method, error.response) from None
        except (TimeoutError, SlackClientError, aiohttp.ClientError, OSError, ValueError) as error:
            raise NotifyError(f"Slack cannot be reached: {type(error).__name__}") from None
        return dict(answer.data) if isinstance(answer.data, dict) else {}

    def _blocks(self, message: Message) -> list[dict[str, Any]]:
        blocks: list[dict[str, Any]] = [{"type": "header", "text": _text(message.title, MAX_TITLE)}]
        for item in message.items:
            blocks.append({"type": "section", "text": _text(_words(item))})
            blocks.append({"type": "actions", "elements": self._buttons(item, message)})
        if message.more:
            blocks.append({"type": "section", "text": _text(f"… and {message.more} more")})
            blocks.append({"type": "actions", "elements": [_open("Open the inbox", message.queue)]})
        return blocks

    def _buttons(self, item: Item, message: Message) -> list[dict[str, Any]]:
        buttons = [_open("Open to review" if item.waits else "Open", item.link)]
        if self._signer is None or not item.waits or not item.direct:
            return buttons
        link = Link(approval=item.id, digest=item.digest, reviewer="", nonce=message.id)
        token = self._signer.sign("slack-button", link)
        sure = {
            "title": _text("Approve this call?"),
            "text": _text("It runs once, exactly as shown."),
            "confirm": _text("Approve"),
            "deny": _text("Back"),
        }
        approve = {"action_id": "hitl.approve", "text": _text("Approve"), "style": "primary", "confirm": sure}
        reject = {"action_id": "hitl.reject", "text": _text("Reject"), "style": "danger"}
        return [{"type": "button", "value": token, **button} for button in (approve, reject)] + buttons


def genuine(body: bytes, headers: Mapping[str, str], signing_secret: str) -> bool:
    """Whether Slack signed this request within the last five minutes."""
    from slack_sdk.signature import SignatureVerifier

    try:
        return SignatureVerifier(signing_secret).is_valid_request(body, dict(headers))
    except (ValueError, TypeError, OverflowError):  # timestamps that are no numbers, text that is none
        return False


def press(body: bytes) -> Press | None:
    """What was pressed; None where the request is of another kind, or of a button that only opens a page.

    Raises NotifyError where it makes no sense.
    """
    try:
        (payload,) = parse_qs(body.decode(), strict_parsing=True)["payload"]
        said = msgspec.json.decode(payload)
        if said["type"] != "block_actions":
            return None
        (action,) = said["actions"]
        if action["action_id"] not in ("hitl.approve", "hitl.reject"):
            return None
        return msgspec.convert(
            {
                "user": said["user"]["id"],
                "channel": said["channel"]["id"],
                "approves": action["action_id"] == "hitl.approve",
                "token": action["value"],
            },
            Press,
        )
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise NotifyError(f"it is no button press: {type(error).__name__}") from None


def _refused(method: str, answer: Any) -> NotifyError:
    """Slack's error; ``answer`` is slack-sdk's response, or aiohttp's where that could not be read."""
    known = isinstance(getattr(answer, "data", None), dict)
    said = answer.data.get("error", "") if known else ""
    status = getattr(answer, "status_code", None) or getattr(answer, "status", "no answer")
    later = str(answer.headers.get("Retry-After", ""))
    return NotifyError(f"Slack refused {method}: {said or status}", float(later) if later.isdecimal() else 0.0)


def _words(item: Item) -> str:
    lines = [f"{item.tool}, risk {item.risk}: {item.status}"]
    lines += [f"{'⚠' if bad else '•'} {text}" for text, bad in item.what]
    lines += [f"… and {item.more} more"] if item.more else []
    lines += [f"For {item.agent}"] if item.agent else []
    lines += [f"May decide: {item.who}, until {item.until}"] if item.waits else []
    return "\n".join(lines)


def _text(text: str, limit: int = MAX_TEXT) -> dict[str, Any]:
    """Plain text: nothing an agent wrote becomes a mention, a link or formatting."""
    return {"type": "plain_text", "text": text if len(text) <= limit else f"{text[: limit - 1]}…", "emoji": False}


def _open(text: str, url: str) -> dict[str, Any]:
    return {"type": "button", "action_id": "hitl.open", "text": _text(text), "url": url}


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
