"""How policy wants an approval given: its terms, from the decision's obligation."""

from __future__ import annotations

from typing import Any

import msgspec

from hitl_opa.errors import ApprovalError
from hitl_opa.model import Decision, Risk

RISKS = [str(risk) for risk in Risk]


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """A step of the escalation: ``after`` so many seconds, ``to`` (logins, groups) are told, and may decide too."""

    after: float
    to: list[str]
    channel: str = ""


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """How policy wants it approved. Times in seconds.

    ``each``: lists of approvers, one of each list has to agree; ``quorum`` people in all.
    ``permission``: ``confirm``, or ``approve``, which takes a typed phrase. ``on_timeout``: what
    ``expires_in`` without a decision means: ``deny``, ``escalate`` (the next step, with as much time
    again), ``park`` (it goes on waiting), or ``allow``, for what is of low risk. ``lease``: how long
    a call may run before its outcome counts as unknown. ``channels``: where people are told, by the
    names of the settings; none: where the settings say.
    """

    permission: str = "confirm"
    quorum: int = 1
    approvers: list[str] = []
    each: list[list[str]] = []
    expires_in: float = 86_400
    execution_expires_in: float = 900
    lease: float = 3_600
    on_timeout: str = "deny"
    escalation: list[Step] = []
    channels: list[str] = []


def terms_of(decision: Decision) -> Terms:
    """How policy wants this ask approved. Raises ApprovalError where it does not say, or says what cannot be."""
    obligation = decision.obligation("approval")
    if obligation is None:
        raise ApprovalError("policy asks, but says not how it is approved")
    known = {name: obligation.properties[name] for name in Terms.__struct_fields__ if name in obligation.properties}
    try:
        terms = msgspec.convert(known, Terms)
    except msgspec.ValidationError as error:
        raise ApprovalError(f"the approval that policy asks for makes no sense: {error}") from None
    if terms.quorum < 1 or min(terms.expires_in, terms.execution_expires_in, terms.lease) <= 0:
        raise ApprovalError("the approval that policy asks for can never be given")
    if terms.on_timeout not in ("deny", "escalate", "park", "allow"):
        raise ApprovalError(f"policy says on_timeout {terms.on_timeout!r}: it is deny, escalate, park or allow")
    if terms.on_timeout == "allow" and decision.risk is not Risk.LOW:
        raise ApprovalError(f"policy lets a call of {decision.risk} risk run because nobody decided: only low may")
    everybody = sorted({*terms.approvers, *(name for names in terms.each for name in names)})
    steps = sorted(terms.escalation, key=lambda step: step.after)
    return msgspec.structs.replace(terms, approvers=everybody, escalation=steps)


def stricter(new: Decision, old: dict[str, Any]) -> bool:
    """Whether policy asks for more now than for what was approved (``Approval.decision``)."""
    before = msgspec.convert(old, Decision)
    verdicts = ["allow", "ask", "deny"]
    if verdicts.index(new.verdict) > verdicts.index(before.verdict):
        return True
    if RISKS.index(new.risk) > RISKS.index(before.risk):
        return True
    if before.obligation("approval") is None or new.obligation("approval") is None:
        return False
    now, then = terms_of(new), terms_of(before)
    groups = [set(names) for names in then.each] or ([set(then.approvers)] if then.approvers else [])
    wanted = [set(names) for names in now.each] or ([set(now.approvers)] if now.approvers else [])
    return (
        now.quorum > then.quorum
        or (now.permission == "approve") > (then.permission == "approve")
        or any(not any(had <= want for had in groups) for want in wanted)
    )
