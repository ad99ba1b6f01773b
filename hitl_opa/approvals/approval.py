"""What an approval is: a call that waits for people, and what they said."""

from __future__ import annotations

from typing import Any, Literal, get_args

import msgspec

from hitl_opa.approvals.states import State
from hitl_opa.approvals.terms import Terms

Order = Literal["newest", "urgent"]
ORDERS: tuple[Order, ...] = get_args(Order)

CATEGORIES = ("classification-miss", "missing-context", "tool-failure", "policy-violation")
"""What a reviewer may say was wrong with a call that they reject or edit."""

ERASED = "What was asked was erased."
"""Stands in the place of what it was."""

KINDS = ("call", "question", "plan")


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """Who decides. ``auth`` says how they are known (``login``, ``session``, ``key``, ``link`` …),
    ``authenticated_at`` when they last proved it, in seconds since the epoch (0: never).

    ``roles`` are what they may do here (viewer, reviewer, admin), ``groups`` whom they may speak for.
    """

    name: str
    groups: frozenset[str] = frozenset()
    roles: frozenset[str] = frozenset({"reviewer"})
    auth: str = ""
    authenticated_at: float = 0.0


class Vote(msgspec.Struct, frozen=True, kw_only=True):
    """What one reviewer said, with the groups that gave them the right. ``at``: seconds since the epoch.

    ``channel``: where they said it (cli, inbox, api, slack, email, session); ``category``: one of
    `CATEGORIES` or ``""``; ``look_ms``: how long they looked, 0 where nobody measured it; ``seen``:
    digest of what they were shown.
    """

    reviewer: str
    groups: list[str]
    approves: bool
    reason: str
    at: float
    channel: str = ""
    category: str = ""
    look_ms: float = 0.0
    seen: str = ""


class Edit(msgspec.Struct, frozen=True, kw_only=True):
    """Who put another input in place of the asked one, and what policy said of it (secrets replaced).

    ``digest`` is what the edited call binds to.
    """

    by: str
    at: float
    digest: str
    document: dict[str, Any]
    decision: dict[str, Any]


class Approval(msgspec.Struct, frozen=True, kw_only=True):
    """One approval. ``digest`` is what it binds to; times are seconds since the epoch, 0 where not reached.

    ``kind``: one of `KINDS`. ``document`` and ``decision`` are what reviewers are shown (JSON-like,
    secrets replaced); a later decision that is stricter voids the approval. ``run`` finds the session
    again. ``edited`` runs in place of the asked input, and ``edit`` says who wanted it so; ``answers``
    are those to a question. ``escalated``: how many steps of the escalation were taken; ``scope``:
    what calls equal to this one share, whatever their session. ``canary``: of a request that was planted,
    why it has to be rejected; nothing ever runs it.
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
    kind: str = "call"
    run: str = ""
    scope: str = ""
    edited: dict[str, Any] | None = None
    edit: Edit | None = None
    answers: dict[str, str] | None = None
    escalated: int = 0
    canary: str = ""
    viewed_at: float = 0.0
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

    @property
    def erased(self) -> bool:
        """Whether what was asked is not there any more."""
        return self.decision.get("reason") == ERASED

    @property
    def disclosed(self) -> str:
        """What everybody is told of a planted request once it is over; ``""`` of all others, and until then."""
        if not self.canary or self.state is State.PENDING:
            return ""
        words = ", ".join(f"{vote.reviewer} {'approved' if vote.approves else 'rejected'} it" for vote in self.votes)
        words = words or f"nobody decided on it: it was {self.state}"
        return (
            f"Planted, to see whether bad requests are noticed; it could never run. Here {words}. "
            f"It had to be rejected: {self.canary}"
        )

    @property
    def shown(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Document and decision of what would run: the edited input's, where there is one."""
        return (self.edit.document, self.edit.decision) if self.edit else (self.document, self.decision)

    @property
    def escalated_to(self) -> list[str]:
        """Who may decide too, since nobody did in time."""
        return sorted({name for step in self.terms.escalation[: self.escalated] for name in step.to})


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """Which approvals to list: all that are given must hold.

    ``text`` is searched for in what reviewers are shown; ``after`` is the id of the last one of the page before.
    ``order``: ``newest`` first, or the most ``urgent`` first (highest risk, then what expires soonest).
    """

    states: frozenset[State] = frozenset()
    text: str = ""
    agent: str = ""
    tool: str = ""
    risk: str = ""
    session: str = ""
    after: str = ""
    order: Order = "newest"
    limit: int = 200
