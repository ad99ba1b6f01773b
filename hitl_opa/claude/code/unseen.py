"""The end of a call that another process let through: a server's earlier run, or a hook that decided by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from hitl_opa.audit import Event, Filter, Kind
from hitl_opa.facts import redact
from hitl_opa.guard.case import call_digest

if TYPE_CHECKING:
    from hitl_opa.approvals.approval import Approval
    from hitl_opa.guard import Guard
    from hitl_opa.model import ToolCall

LOOK_BACK = 200  # records, and approvals in use


def close_unseen(guard: Guard, call: ToolCall, hook: dict[str, Any]) -> None:
    """Record what became of it, and settle the approval that it used up. Raises AuditError or ApprovalError."""
    failed = hook.get("hook_event_name") == "PostToolUseFailure"
    status = "failed" if failed else "ran"
    decision = _decided(guard, call)
    event = Event(
        kind=Kind.OUTCOME,
        decision_id=decision,
        call_id=call.id,
        tool=call.tool,
        session=call.session.id,
        agent=call.session.agent_id,
        principal=call.session.principal,
        outcome=status,
        digest=call_digest(call),
        elapsed_ms=float(hook.get("duration_ms") or 0.0),
        detail={"error": str(hook.get("error") or "")} if failed else None,
        extra={} if decision else {"decided": "not on this record"},
    )
    used = _used(guard, call)
    if used is None or guard.approvals is None:
        guard.audit.append(event)
    else:
        guard.approvals.settle(used.id, status, event)


def _decided(guard: Guard, call: ToolCall) -> str:
    """The id of the latest decision that let this call run, ``""`` where the record has none."""
    only = Filter(kind="decision", session=call.session.id, tool=call.tool)
    for record in reversed(list(guard.audit.tail(LOOK_BACK, only=only))):
        if record.get("call_id") == call.id:
            return str(record.leaf["decision_id"]) if record.get("verdict") != "deny" else ""
    return ""


def _used(guard: Guard, call: ToolCall) -> Approval | None:
    """The approval that this call uses up: of the same run, tool and input, and not settled yet."""
    if guard.approvals is None:
        return None
    from hitl_opa.approvals.states import State

    shown = redact(msgspec.to_builtins(call.input))
    for approval in guard.approvals.listed(frozenset({State.EXECUTING}), LOOK_BACK):
        same = (approval.session, approval.tool) == (call.session.id, call.tool)
        if same and shown in (approval.document["call"]["input"], approval.edited):
            return approval
    return None
