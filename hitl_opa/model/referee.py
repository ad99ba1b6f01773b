"""What approvals ask policy: who may say what on them, and what of an input that was changed."""

from __future__ import annotations

from typing import Any, Literal, Protocol

import msgspec

from hitl_opa.model.decision import Decision
from hitl_opa.model.document import Document


class Matter(msgspec.Struct, frozen=True, kw_only=True):
    """The approval that is voted on. ``principal``: whom its agent works for; ``edited_by``: whose input it is, ``""``
    for the agent's own. ``escalated_to``: who may decide too by now."""

    id: str
    kind: Literal["call", "question", "plan"]
    tool: str
    risk: Literal["low", "medium", "high", "critical"]
    agent: str
    principal: str
    edited_by: str
    quorum: int
    approvers: list[str]
    each: list[list[str]]
    escalated_to: list[str]


class Cast(msgspec.Struct, frozen=True, kw_only=True):
    """A vote: who, with which groups that count here, and whether they approve."""

    reviewer: str
    groups: list[str]
    approves: bool


class Voter(msgspec.Struct, frozen=True, kw_only=True):
    """Who votes now. ``authenticated_at``: seconds since the epoch, 0 for never."""

    name: str
    groups: list[str]
    roles: list[str]
    auth: str
    authenticated_at: float


class Ballot(msgspec.Struct, frozen=True, kw_only=True):
    """What ``data.hitl.approvals.vote`` judges: one vote, and those cast before. ``time``: seconds since the epoch."""

    version: str = "1"
    time: float
    matter: Matter
    voter: Voter
    approves: bool
    channel: str
    cast: list[Cast]


class Judgement(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What policy says of a vote: whether it counts (else ``rule`` and ``reason`` say why not), what it leads to."""

    counts: bool
    rule: str
    reason: str
    outcome: Literal["pending", "approved", "denied"]


class Redecided(msgspec.Struct, frozen=True, kw_only=True):
    """What policy says of a changed input. ``digest`` is what an approval of it binds to."""

    id: str
    document: Document
    decision: Decision
    digest: str


class Referee(Protocol):
    """Policy, for approvals. Whatever it raises means no."""

    def judge(self, ballot: Ballot) -> Judgement:
        """Whether a vote counts, and what comes of it."""
        ...

    def redecide(self, document: Document, input: dict[str, Any], *, canary: bool = False) -> Redecided:
        """The recorded decision on the call of ``document`` with another input, in the same circumstances.

        ``canary``: it was planted, and its decision is marked as such on the record.
        """
        ...
