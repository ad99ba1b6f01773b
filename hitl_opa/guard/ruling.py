"""What the guard says: a ruling on a call, and the outcome once everybody has been asked."""

from __future__ import annotations

from typing import Any

import msgspec

from hitl_opa.model import Decision, Document, Obligation, Policy, Reason, Risk, ToolCall, Verdict


class Ruling(msgspec.Struct, frozen=True, kw_only=True):
    """A decision with what it was decided on. ``digest`` binds it to this exact call; ``approval`` is the id of
    the durable approval that the call uses up, ``""`` for none."""

    id: str
    call: ToolCall
    document: Document
    decision: Decision
    digest: str
    approval: str = ""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a ruling once everybody has been asked.

    ``input`` is what may run where ``allowed``; ``message`` is for the model: why not, or what the
    reviewer said. ``by``: ``policy``, ``reviewer:<name>``, ``nobody`` or ``guard``. ``pending`` is the id of
    the approval that the call waits for, ``""`` for none. ``answers`` are those to the model's own
    questions, None where there are none (yet).
    """

    allowed: bool
    input: dict[str, Any]
    message: str
    ruling: Ruling
    by: str
    answers: dict[str, str] | None = None
    pending: str = ""


class ActionResult(msgspec.Struct, frozen=True, kw_only=True):
    """What came of an action: ``status`` is ``executed`` or ``rejected``; ``value`` is what it returned."""

    status: str
    reason: str = ""
    value: Any = None


def refusal(rule: str, message: str, remedy: str = "", *, revision: str = "") -> Decision:
    """The guard's own deny: what it says when policy could not."""
    reason = Reason(rule=rule, pack="guard", verdict=Verdict.DENY, risk=Risk.CRITICAL, message=message, remedy=remedy)
    return Decision(
        verdict=Verdict.DENY,
        risk=Risk.CRITICAL,
        reason=message,
        reasons=[reason],
        obligations=[Obligation(id="hitl.log", type="log", properties={"level": "error"})],
        policy=Policy(revision=revision),
    )
