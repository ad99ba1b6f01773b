"""What a transport is: the way to one channel."""

from __future__ import annotations

from typing import Literal, Protocol

from hitl_opa.notify.message import Message

Ref = dict[str, str]
"""Where a message is, as its transport needs it to change or follow it; kept with the message."""

TIMEOUT = 20.0  # seconds for one message


class Transport(Protocol):
    """Carries messages to one channel.

    ``updates``: ``all`` versions of a message are carried, only its ``end`` once nothing of it waits, or ``never``
    more than the first.
    """

    updates: Literal["all", "end", "never"]

    async def send(self, message: Message, ref: Ref | None, *, again: bool = False) -> Ref:
        """Carry a message; with ``ref``, bring the one there up to date. ``again``: an earlier try may have arrived.

        Raises NotifyError where it did not arrive, or nobody knows.
        """
        ...
