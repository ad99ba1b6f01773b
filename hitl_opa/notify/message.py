"""What people are told: the approvals that wait, what each will do, and where to decide."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from hitl_opa.approvals import Approval, State
from hitl_opa.approvals.approval import ERASED
from hitl_opa.model import Document, Risk
from hitl_opa.terminal.text import visible
from hitl_opa.terminal.words import happenings, shorten

MAX_SENTENCES = 6
MAX_ITEMS = 10  # approvals that one message shows; the rest is a number and the queue
BY_LINK = frozenset({Risk.LOW, Risk.MEDIUM})
"""Risks that may be decided without logging in."""
MAX_INPUT = 20_000  # characters of an input that is decided without logging in: a longer one takes a page made for it

_UNKNOWN = "Policy knows nothing about what this tool does."
_WANTED = {"call": "approval", "plan": "approval", "question": "an answer"}
_RISKS = [str(risk) for risk in Risk]
_UNDECIDED = frozenset({State.PENDING})
_WORDS = {
    State.PENDING: "waits",
    State.APPROVED: "approved",
    State.DENIED: "rejected",
    State.EXPIRED: "expired: nobody decided in time",
    State.CANCELLED: "cancelled",
    State.SUPERSEDED: "void: policy or the call changed",
    State.LAPSED: "approved, and not used in time",
    State.EXECUTING: "approved, and used",
    State.EXECUTED: "approved, and it ran",
    State.FAILED: "approved, and it failed",
    State.UNKNOWN: "approved; how it ended is not known",
}


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """One approval in words. ``what``: a sentence an effect, those to look at twice first, with a mark.

    Everything an agent wrote has passed `visible`; secrets were taken out when the approval was made.
    ``direct``: it may be decided without logging in.
    """

    id: str
    digest: str
    tool: str
    kind: str
    agent: str
    risk: str
    state: str
    status: str
    waits: bool
    direct: bool
    what: list[tuple[str, bool]]
    more: int
    who: str
    until: str
    link: str


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """One message to one channel. ``id`` is the same for every version of it. ``queue`` links to the inbox."""

    id: str
    title: str
    items: list[Item]
    more: int
    waiting: int
    queue: str

    @property
    def fingerprint(self) -> str:
        """That of an earlier version is different exactly where what it says is; links are signed anew each time."""
        said = msgspec.structs.replace(self, items=[msgspec.structs.replace(one, link="") for one in self.items])
        return hashlib.sha256(msgspec.json.encode(said, order="sorted")).hexdigest()


def item(approval: Approval, base_url: str, link: str = "") -> Item:
    """An approval in words; ``link`` in place of its page in the inbox."""
    document = msgspec.convert(approval.shown[0], Document)
    found = happenings(document.facts, document.context.workspace)
    said = _asked(document.call.input) if approval.kind == "question" else found
    return Item(
        id=approval.id,
        digest=bound(approval),
        tool=visible(shorten(approval.tool)),
        kind=approval.kind,
        agent=visible(shorten(approval.agent or approval.principal or approval.session)),
        risk=approval.risk,
        state=str(approval.state),
        status=_status(approval),
        waits=approval.state in _UNDECIDED,
        direct=not indirect(approval),
        what=said[:MAX_SENTENCES] or [(ERASED if approval.erased else _UNKNOWN, True)],
        more=max(len(said) - MAX_SENTENCES, 0),
        who=_who(approval),
        until=_time(approval.expires_at),
        link=link or review_url(base_url, approval.id),
    )


def message(id: str, approvals: Sequence[Approval], base_url: str, links: Mapping[str, str] | None = None) -> Message:
    """One message about these approvals: those that wait first, the riskiest first. ``links``: approval -> its link."""
    ordered = sorted(approvals, key=lambda a: (a.state not in _UNDECIDED, -_RISKS.index(a.risk), a.requested_at, a.id))
    shown = [item(a, base_url, (links or {}).get(a.id, "")) for a in ordered[:MAX_ITEMS]]
    return Message(
        id=id,
        title=title(approvals),
        items=shown,
        more=len(ordered) - len(shown),
        waiting=sum(a.state in _UNDECIDED for a in approvals),
        queue=f"{base_url.rstrip('/')}/inbox",
    )


def notice(id: str, title: str, base_url: str) -> Message:
    """A message about no approval."""
    return Message(id=id, title=title, items=[], more=0, waiting=0, queue=f"{base_url.rstrip('/')}/inbox")


def title(approvals: Sequence[Approval]) -> str:
    """``7 approvals wait, 2 high``."""
    waiting = [a for a in approvals if a.state in _UNDECIDED]
    if len(approvals) == 1:
        (only,) = approvals
        tool = visible(shorten(only.tool))
        if not waiting:
            return f"{tool}: {_status(only)}"
        return f"{tool} waits for {_WANTED[only.kind]}, risk {only.risk}"
    over = len(approvals) - len(waiting)
    if not waiting:
        return f"{over} approvals, none waits any more"
    risky = [(risk, sum(a.risk == risk for a in waiting)) for risk in (Risk.CRITICAL, Risk.HIGH)]
    parts = [f"{len(waiting)} approval{'s wait' if len(waiting) > 1 else ' waits'}"]
    parts += [f"{count} {risk}" for risk, count in risky if count]
    parts += [f"{over} decided or over"] if over else []
    return ", ".join(parts)


def bound(approval: Approval) -> str:
    """What the call binds to that would run now: another one once somebody has edited it."""
    return approval.edit.digest if approval.edit else approval.digest


def indirect(approval: Approval) -> str:
    """Why it takes a login to decide on this, ``""`` where it does not."""
    if approval.risk not in BY_LINK:
        return f"a call of {approval.risk} risk is decided in the inbox, after logging in"
    if approval.kind == "question":
        return "questions are answered in the inbox"
    if approval.terms.permission == "approve" and not approval.terms.approvers:
        return "this takes a typed phrase: it is decided in the inbox"
    if len(msgspec.json.encode(approval.shown[0]["call"]["input"])) > MAX_INPUT:
        return "the input is long: it is decided in the inbox"
    return ""


def review_url(base_url: str, approval: str) -> str:
    """The approval's page in the inbox."""
    return f"{base_url.rstrip('/')}/inbox/approvals/{approval}"


def _status(approval: Approval) -> str:
    if approval.disclosed:
        return visible(approval.disclosed)
    word = _WORDS[approval.state]
    if approval.state is State.PENDING:
        given = sum(vote.approves for vote in approval.votes)
        parts = [word]
        parts += [f"{given} of {approval.terms.quorum} approved"] if given else []
        parts += [f"edited by {visible(shorten(approval.edit.by))}"] if approval.edit else []
        parts += [f"escalated to {visible(shorten(', '.join(approval.escalated_to)))}"] if approval.escalated else []
        return ", ".join(parts)
    if approval.state in (State.APPROVED, State.DENIED) and approval.votes:
        word = f"{word} by {visible(shorten(approval.reviewers))}"
    return word


def _who(approval: Approval) -> str:
    """Who may decide, in words."""
    terms = approval.terms
    names = "one of each: " + "; ".join(", ".join(n) for n in terms.each) if len(terms.each) > 1 else ""
    names = names or ", ".join(terms.approvers)
    people = visible(shorten(names)) if names else "whoever runs the agent"
    return f"{terms.quorum} of {people}" if terms.quorum > 1 else people


def _asked(input: dict[str, Any]) -> list[tuple[str, bool]]:
    """The agent's questions; it wrote them, so they are quoted."""
    asked = input.get("questions")
    texts = [q.get("question", "") for q in asked if isinstance(q, dict)] if isinstance(asked, list) else []
    return [(f"asks: {visible(shorten(str(text)))}", False) for text in texts]


def _time(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"
