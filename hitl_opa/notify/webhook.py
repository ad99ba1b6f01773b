"""Webhooks with Standard Webhooks signatures, out and in. The only module that knows standardwebhooks."""

from __future__ import annotations

import binascii
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec

from hitl_opa.channels import Webhook
from hitl_opa.errors import NotifyError
from hitl_opa.notify.message import Message
from hitl_opa.notify.transport import TIMEOUT, Ref

_encoder = msgspec.json.Encoder(order="sorted")


class WebhookTransport:
    """One HTTP endpoint. Every version of a message is an event of its own, with an id of its own."""

    updates: Literal["all", "end", "never"] = "all"

    def __init__(self, channel: Webhook, keys: Sequence[str]) -> None:
        self._channel = channel
        self._keys = [_key(key, channel.name) for key in keys]

    async def send(self, message: Message, ref: Ref | None, *, again: bool = False) -> Ref:
        """``webhook-id`` is the same each time this version is tried: the receiver drops what it has seen."""
        import aiohttp

        now = datetime.now(UTC)
        id = f"msg_{message.id}_{message.fingerprint[:16]}"
        body = _encoder.encode(_event(message, now, first=ref is None)).decode()
        headers = {
            "content-type": "application/json",
            "webhook-id": id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": " ".join(key.sign(id, now, body) for key in self._keys),
        }
        try:
            async with (
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT)) as session,
                # a redirect would carry the message to where the settings do not say
                session.post(self._channel.url, data=body.encode(), headers=headers, allow_redirects=False) as answer,
            ):
                status, later = answer.status, answer.headers.get("Retry-After", "")
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise NotifyError(f"{self._channel.name}: the webhook cannot be reached: {type(error).__name__}") from None
        if not 200 <= status < 300:
            retry_after = float(later) if later.isdecimal() else 0.0
            raise NotifyError(f"{self._channel.name}: the webhook answered {status}", retry_after)
        return ref or {"id": id}


def verify(body: bytes, headers: Mapping[str, str], key: str, channel: str) -> str | None:
    """The ``webhook-id`` of a request signed with ``key`` within the last five minutes, None for any other."""
    from standardwebhooks import WebhookVerificationError

    try:
        _key(key, channel).verify(body, dict(headers), json_parse=False)
    except (WebhookVerificationError, ValueError, TypeError, UnicodeError):  # ValueError: a signature without a comma
        return None
    return headers["webhook-id"]


def _key(key: str, channel: str) -> Any:
    from standardwebhooks import Webhook as Key
    from standardwebhooks.webhooks import EmptyWebhookSecretError

    try:
        made = Key(key)
    except (EmptyWebhookSecretError, binascii.Error, ValueError):
        raise NotifyError(f"channel {channel!r}: a webhook key is whsec_ and 24 to 64 bytes in base64") from None
    return made


def _event(message: Message, now: datetime, *, first: bool) -> dict[str, Any]:
    return {
        "type": "approvals.waiting" if first else "approvals.changed",
        "timestamp": now.isoformat(),
        "data": message,
    }
