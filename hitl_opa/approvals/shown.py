"""Approvals as JSON, for programs."""

from __future__ import annotations

from typing import Any

import msgspec

from hitl_opa.approvals.approval import Approval
from hitl_opa.approvals.states import State


def brief(approval: Approval) -> dict[str, Any]:
    """An approval without what reviewers are shown. ``outcome``: ``executed``, ``failed``, ``unknown`` where it was let
    through and nobody reported back, else ``""``. ``canary``: what a planted request discloses once it is over."""
    known: dict[str, Any] = msgspec.to_builtins(approval)
    known["canary"] = approval.disclosed
    known["run"] = approval.run or approval.session  # of a planted one there is none, which must not tell it
    known["outcome"] = outcome(approval.state)
    known["escalated_to"] = approval.escalated_to
    return {name: value for name, value in known.items() if name not in ("document", "decision", "edit")}


def full(approval: Approval) -> dict[str, Any]:
    """All there is of an approval."""
    edit = msgspec.to_builtins(approval.edit)
    return {**brief(approval), "document": approval.document, "decision": approval.decision, "edit": edit}


def outcome(state: State) -> str:
    """How a call that used its approval ended."""
    if state in (State.EXECUTING, State.UNKNOWN):
        return "unknown"
    return str(state) if state in (State.EXECUTED, State.FAILED) else ""
