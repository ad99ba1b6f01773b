"""What people are told, and what comes back: a letter, the links in it, a reply."""

from __future__ import annotations

import msgspec


class Letter(msgspec.Struct, frozen=True, kw_only=True):
    """One message to one reader (``audience``) of a channel, about one approval or about many of a burst.

    ``ref``: where it is, None before it was sent; ``shown``: the version that was sent last; ``tried``: it
    may have arrived although nobody knows where. ``stamp`` is that of the approvals as they are now.
    ``attempts`` have failed since one succeeded, the last of them because of ``problem``; the next is at
    ``next_at``, in seconds since the epoch.
    """

    id: str
    channel: str
    audience: str
    approvals: list[str]
    ref: dict[str, str] | None
    shown: str
    tried: bool
    stamp: str
    attempts: int
    next_at: float
    problem: str


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """A request that was answered: the digest of its body, and the answer."""

    body: str
    answer: dict[str, str]


class Link(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a link or button stands for: an approval, as it was when it bound to ``digest``, for a reviewer.

    ``reviewer`` is ``""`` on a button, which whoever sees it may press: Slack says who did.
    """

    nonce: str
    approval: str
    digest: str
    reviewer: str
