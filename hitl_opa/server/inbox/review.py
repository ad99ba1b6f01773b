"""What a reviewer is shown of one approval: a page's worth of values, and nothing decided here."""

from __future__ import annotations

import difflib
import json
from typing import Any

import msgspec

from hitl_opa.approvals import Approval, State
from hitl_opa.model import Document, ToolCall
from hitl_opa.server.inbox.visitor import Visitor
from hitl_opa.terminal.edits import MAX_LINES, change
from hitl_opa.terminal.text import hidden
from hitl_opa.terminal.words import happenings, setting, shorten

MOST_SAID = 12  # sentences before the rest is folded away
HIGH = frozenset({"high", "critical"})
CATEGORIES = (
    ("classification-miss", "it should not have been asked, or not have been tried"),
    ("missing-context", "the agent did not know something"),
    ("tool-failure", "the tool does something else than it says"),
    ("policy-violation", "the agent tried what it must not"),
)
_STATES = {
    State.PENDING: "waits for a decision",
    State.APPROVED: "approved, not used yet",
    State.DENIED: "rejected",
    State.EXPIRED: "expired: nobody decided in time",
    State.CANCELLED: "withdrawn",
    State.SUPERSEDED: "void: policy became stricter",
    State.LAPSED: "approved, and not used in time",
    State.EXECUTING: "approved and used; it may be running",
    State.EXECUTED: "approved, and it ran",
    State.FAILED: "approved, and it failed or did not run",
    State.UNKNOWN: "approved; how it ended is not known",
}


def phrase(approval: Approval) -> str:
    """What has to be typed to approve it, ``""`` where a button is enough."""
    return f"approve {approval.tool}" if approval.terms.permission == "approve" else ""


def page(approval: Approval, visitor: Visitor, similar: Approval | None, now: float) -> dict[str, Any]:
    """The values of the page. ``similar`` is the last one like it that was approved."""
    document = msgspec.convert(approval.shown[0], Document)
    decision = approval.shown[1]
    said = happenings(document.facts, document.context.workspace)
    pending = approval.state is State.PENDING
    reviewer = visitor.may("reviewer")
    question = approval.kind == "question"
    notes = setting(document)
    return {
        "a": approval,
        "state": "planted; it could never run" if approval.disclosed else _STATES[approval.state],
        "pending": pending,
        "remains": approval.expires_at - now,
        "what": said[:MOST_SAID],
        "rest": said[MOST_SAID:],
        "taint": [line for line in notes if line.startswith("this session has read")],
        "setting": notes,
        "given": given(document.call.input),
        "change": None if question else change(_call(document)),
        "edited_by": approval.edit.by if approval.edit else "",
        "edit_diff": _diff(approval.document, approval.edit.document) if approval.edit else [],
        "similar_diff": _diff(similar.shown[0], approval.shown[0]) if similar and not question else [],
        "similar_at": similar.requested_at if similar else 0.0,
        "reasons": [r for r in decision.get("reasons", []) if r["verdict"] != "allow"],
        "irreversible": any("irreversible" in e.traits for e in document.facts.effects),
        "questions": _questions(document) if question else [],
        "careful": approval.risk in HIGH,
        "phrase": phrase(approval),
        "editable": _spelled(msgspec.json.format(msgspec.json.encode(document.call.input), indent=2).decode()),
        "categories": CATEGORIES,
        "can_decide": pending and reviewer and not question,
        "can_edit": pending and reviewer and approval.kind == "call",
        "can_answer": pending and reviewer and question,
        "can_cancel": approval.state in (State.PENDING, State.APPROVED) and reviewer,
        "can_reconcile": approval.state in (State.EXECUTING, State.UNKNOWN) and reviewer,
    }


def row(approval: Approval, now: float) -> dict[str, Any]:
    """One line of the queue."""
    document = msgspec.convert(approval.shown[0], Document)
    said = happenings(document.facts, document.context.workspace)
    if approval.kind == "question":
        said = [(str(q.get("question", "")), False) for q in _questions(document)]
    whole = max(approval.expires_at - approval.requested_at, 1.0)
    return {
        "id": approval.id,
        "tool": approval.tool,
        "principal": approval.principal or "nobody named",
        "risk": approval.risk,
        "state": "planted" if approval.disclosed else str(approval.state),
        "what": said or [("does something that policy does not know", True)],
        "brief": "" if approval.kind == "question" else brief(document.call.input),
        "who": ", ".join(approval.terms.approvers),
        "quorum": approval.terms.quorum,
        "agreed": sum(v.approves for v in approval.votes),
        "requested_at": approval.requested_at,
        "age": now - approval.requested_at,
        "left": approval.expires_at - now,
        "spent": round(min(1.0, (now - approval.requested_at) / whole), 3),
        "several": several(approval),
    }


def several(approval: Approval) -> bool:
    """Whether it may be decided together with others."""
    plain = approval.kind == "call" and not phrase(approval) and approval.terms.quorum == 1
    return approval.state is State.PENDING and approval.risk not in HIGH and plain


def alike(approval: Approval) -> tuple[str, str, str]:
    """What calls that are decided together have to share."""
    reasons = approval.decision.get("reasons", [])
    return approval.tool, approval.risk, str(reasons[0]["rule"]) if reasons else ""


def brief(input: dict[str, Any]) -> str:
    """An input in one line: its first text, which is the command, the path or the address of most tools."""
    text = next((value for value in input.values() if isinstance(value, str) and value.strip()), "")
    return shorten(" ".join(text.split()))


def given(input: dict[str, Any]) -> list[tuple[str, str]]:
    """Each field of an input and its text."""
    return [
        (name, value if isinstance(value, str) else msgspec.json.format(msgspec.json.encode(value)).decode())
        for name, value in input.items()
    ]


def _spelled(text: str) -> str:
    """JSON in which nothing is invisible, and which still means the same."""
    return "".join(json.dumps(c)[1:-1] if hidden(c) and c != "\n" else c for c in text)


def _call(document: Document) -> ToolCall:
    return ToolCall(tool=document.call.tool, input=document.call.input, cwd=document.context.cwd)


def _questions(document: Document) -> list[dict[str, Any]]:
    asked = document.call.input.get("questions")
    found = [q for q in asked if isinstance(q, dict)] if isinstance(asked, list) else []
    return [{"multiSelect": False, "options": [], "question": "", **q} for q in found]


def _diff(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """Between the inputs of two calls."""
    before, after = (
        [line for name, text in given(shown["call"]["input"]) for line in [f"{name}:", *text.split("\n")]]
        for shown in (old, new)
    )
    if len(before) + len(after) > MAX_LINES:
        return [f"@@ {len(before)} and {len(after)} lines: too long to compare @@"]
    return list(difflib.unified_diff(before, after, lineterm="", n=3))[2:]
