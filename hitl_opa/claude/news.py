"""What a session that was away has to know: which of its calls were decided, and how, in words for the model."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from hitl_opa.approvals.approval import Approval, Query
from hitl_opa.approvals.states import State
from hitl_opa.audit import Event, Filter, Kind
from hitl_opa.errors import ApprovalError

if TYPE_CHECKING:
    from hitl_opa.guard import Guard

AGAINST = frozenset({State.DENIED, State.EXPIRED, State.LAPSED, State.CANCELLED})
"""Ends of an approval that a session may not have heard of."""
USED = frozenset({State.EXECUTING, State.UNKNOWN})
MOST = 1_000  # approvals of one session
MARK = "resumed"


class News(msgspec.Struct, frozen=True, kw_only=True):
    """The approvals of a session: ``decided`` since it was told last, oldest first; ``waiting`` for people; and
    ``unsure``, used by calls whose end nobody recorded. ``first`` is the id of its first one, ``""`` for none."""

    first: str = ""
    decided: list[Approval] = []
    waiting: list[Approval] = []
    unsure: list[Approval] = []


def news_of(guard: Guard, session: str) -> News:
    """What there is to tell a session. Raises ApprovalError where the guard keeps no approvals, or AuditError."""
    if guard.approvals is None:
        raise ApprovalError("this guard keeps no approvals: set `durable: true` in hitl.yaml")
    found = guard.approvals.search(Query(session=session, limit=MOST))
    found.sort(key=lambda approval: approval.requested_at)
    told = _told(guard, session)
    return News(
        first=found[0].id if found else "",
        decided=[a for a in found if a.state is State.APPROVED or (a.state in AGAINST and a.id not in told)],
        waiting=[a for a in found if a.state is State.PENDING],
        unsure=[a for a in found if a.state in USED],
    )


def tell(guard: Guard, session: str, news: News) -> None:
    """Put on record that the session was told; calls that were approved are told again until they have run."""
    event = Event(kind=Kind.NOTE, session=session, extra={MARK: [approval.id for approval in news.decided]})
    guard.audit.append(event)


def _told(guard: Guard, session: str) -> set[str]:
    notes = guard.audit.records(only=Filter(kind=str(Kind.NOTE), session=session))
    return {id for note in notes for id in note.get("extra", {}).get(MARK, [])}


def words(news: News) -> str:
    """The prompt that goes on with a session."""
    parts = ["[hitl-opa] What you waited for was decided:"]
    parts += [_decided(approval) for approval in news.decided]
    parts += [
        f"- {_call(a)} was let through before, and how it ended is not on record (approval {a.id}): find out whether "
        "it had its effect before you do anything about it."
        for a in news.unsure
    ]
    parts += [f"- {_call(a)} still waits (approval {a.id}): do not issue it again yet." for a in news.waiting]
    parts.append("Then go on with what you were doing.")
    return "\n".join(parts)


def _decided(approval: Approval) -> str:
    call, id = _call(approval), approval.id
    said = f" They said: {approval.reason}" if approval.votes and approval.reason else ""
    who = approval.reviewers or "Policy, as nobody decided in time,"
    match approval.state:
        case State.APPROVED if approval.kind == "question":
            return (
                f"- {approval.reviewers} answered {call} (approval {id}).{said} Ask the very same questions again, "
                "word for word, and the answers come at once as the result."
            )
        case State.APPROVED:
            until = f"{datetime.fromtimestamp(approval.execution_expires_at, UTC):%Y-%m-%d %H:%M} UTC"
            again = "Issue this very call again, unchanged, yourself: it runs, once"
            if approval.edited is not None:
                again += f", on this input, which {approval.edit.by if approval.edit else 'they'} put in its place: "
                again += _json(approval.edited)
            if approval.kind == "plan":
                again = "Write it to the plan file again, as it was, should that be gone; then leave plan mode again"
            return f"- {who} approved {call} (approval {id}, to be used by {until}).{said} {again}.{_asked(approval)}"
        case State.DENIED:
            return (
                f"- {approval.reviewers} rejected {call} (approval {id}).{said} It did not run. Do not issue it again, "
                "and do not work around it."
            )
        case State.EXPIRED:
            return (
                f"- Nobody decided on {call} in time (approval {id}), so it did not run. That is no rejection: ask "
                "again only if it is still needed."
            )
        case State.LAPSED:
            return f"- {who} approved {call} (approval {id}), and it was not used in time, so it did not run."
        case _:
            because = f": {approval.reason}" if approval.reason else "."
            return f"- Approval {id} for {call} was {approval.state}{because} It did not run."


def _call(approval: Approval) -> str:
    agent = " of a subagent" if approval.agent else ""
    if approval.kind == "question":
        return f"your questions{agent}"
    return f"your {approval.tool} call{agent}" if approval.kind == "call" else f"your plan{agent}"


def _asked(approval: Approval) -> str:
    """The call as it was issued; secrets are not in there, so the transcript's own wording counts."""
    return f" The call, as you issued it ({approval.call_id}): {_json(approval.document['call']['input'])}"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)
