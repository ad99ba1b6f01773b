"""What an approval is: a call that waits for people, and what they said."""

from __future__ import annotations

from typing import Any

import msgspec

from hitl_opa.approvals.states import State


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """How policy wants it approved. Times in seconds.

    ``each``: lists of approvers, one of each list has to agree; ``quorum`` people in all.
    ``permission``: ``confirm``, or ``approve``, which takes a typed phrase.
    """

    permission: str = "confirm"
    quorum: int = 1
    approvers: list[str] = []
    each: list[list[str]] = []
    expires_in: float = 86_400
    execution_expires_in: float = 900


class Vote(msgspec.Struct, frozen=True, kw_only=True):
    """What one reviewer said, with the groups that gave them the right. ``at``: seconds since the epoch."""

    reviewer: str
    groups: list[str]
    approves: bool
    reason: str
    at: float


class Approval(msgspec.Struct, frozen=True, kw_only=True):
    """One approval. ``digest`` is what it binds to; times are seconds since the epoch, 0 where not reached.

    ``document`` and ``decision`` are what reviewers are shown (JSON-like, secrets replaced), ``stakes``
    what the decision was when it was asked: a later one that is stricter voids the approval.
    """

    id: str
    digest: str
    state: State
    session: str
    tool: str
    agent: str
    principal: str
    call_id: str
    decision_id: str
    risk: str
    terms: Terms
    document: dict[str, Any]
    decision: dict[str, Any]
    rationale: str
    requested_at: float
    expires_at: float
    decided_at: float = 0.0
    execution_expires_at: float = 0.0
    started_at: float = 0.0
    ended_at: float = 0.0
    reason: str = ""
    votes: list[Vote] = []

    @property
    def reviewers(self) -> str:
        """Who decided, for a sentence."""
        approves = self.state is not State.DENIED
        return ", ".join(vote.reviewer for vote in self.votes if vote.approves == approves)
