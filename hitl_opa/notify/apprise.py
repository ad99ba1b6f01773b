"""Whatever Apprise reaches: told once, with a link. The only module that knows apprise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from hitl_opa.channels import Apprise
from hitl_opa.errors import NotifyError
from hitl_opa.notify.message import Message
from hitl_opa.notify.transport import TIMEOUT, Ref


class AppriseTransport:
    """Services behind Apprise URLs. Nothing can be decided there, and what was sent cannot be changed."""

    updates: Literal["all", "end", "never"] = "never"

    def __init__(self, channel: Apprise, urls: Sequence[str]) -> None:
        try:
            import apprise
        except ImportError:
            raise NotifyError(
                f"channel {channel.name!r} needs the extra `apprise`: pip install 'hitl-opa[apprise]'"
            ) from None

        self._channel = channel
        self._apprise = apprise.Apprise()
        for url in urls:
            if not self._apprise.add(url):
                raise NotifyError(f"channel {channel.name!r}: Apprise does not know one of its URLs")

    async def send(self, message: Message, ref: Ref | None, *, again: bool = False) -> Ref:
        """Title and links only: these services are other people's."""
        import asyncio

        lines = [f"{item.tool}, risk {item.risk}: {item.link}" for item in message.items]
        lines += [f"… and {message.more} more: {message.queue}"] if message.more else []
        try:
            sent: object = await asyncio.wait_for(
                self._apprise.async_notify(title=message.title, body="\n".join(lines), interpret_escapes=False), TIMEOUT
            )
        except TimeoutError:
            sent = False
        if not sent:
            raise NotifyError(f"{self._channel.name}: Apprise did not get it through")
        return {"id": message.id}
