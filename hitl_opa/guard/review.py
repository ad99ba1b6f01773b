"""Putting an ask to a human, and keeping the obligations of a decision."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import msgspec

from hitl_opa.audit import Event, Kind, digest
from hitl_opa.errors import EngineError
from hitl_opa.guard import durable
from hitl_opa.guard.grants import equal_grant, plan_grant
from hitl_opa.guard.ruling import Outcome, Ruling
from hitl_opa.guard.sitting import barred
from hitl_opa.model import Answer, Choice, Decision, Question, Reviewer, ReviewRequest, Verdict

if TYPE_CHECKING:
    from hitl_opa.guard.guard import Guard

KNOWN_OBLIGATIONS = frozenset({"log", "monitor", "clarify", "approval", "context", "redact", "rewrite"})
MAX_ROUNDS = 5  # edits of edits, and rewrites, before the call is given up

APPROVE, REJECT, EDIT = "Approve", "Reject", "Edit"


async def resolve(guard: Guard, ruling: Ruling, reviewer: Reviewer | None, rationale: str) -> Outcome:
    """See `Guard.resolve`."""
    try:
        return await _resolve(guard, ruling, reviewer, rationale)
    except Exception as error:  # noqa: BLE001 - what fails on the way to an allow is a denial
        return durable.denied(
            ruling, "guard", f"The call could not be settled, so it is denied: {type(error).__name__}: {error}"
        )


async def _resolve(guard: Guard, ruling: Ruling, reviewer: Reviewer | None, rationale: str) -> Outcome:
    by, words = "policy", ""
    approved = False
    for _ in range(MAX_ROUNDS):
        decision = ruling.decision
        unknown = sorted({o.type for o in decision.obligations} - KNOWN_OBLIGATIONS)
        if unknown:
            return durable.denied(ruling, "guard", f"Policy demands what nobody here can do: {', '.join(unknown)}.")
        if decision.verdict is Verdict.DENY:
            if guard.approvals is not None and not decision.reasons[0].rule.startswith("guard."):
                durable.withdraw(guard.approvals, ruling, "Policy denies this call now.")
            return durable.denied(ruling, "policy", explain(decision))
        rewritten = _rewritten(ruling)
        if rewritten is not None:
            ruling = await guard.rule(msgspec.structs.replace(ruling.call, input=rewritten))
            continue
        if decision.verdict is Verdict.ALLOW or approved:
            return Outcome(allowed=True, input=ruling.call.input, message=words, ruling=ruling, by=by)
        # a question of no questions cannot be answered later either
        empty = ruling.document.call.kind == "question" and not ruling.call.input.get("questions")
        approvals = None if empty else guard.approvals
        known = ""
        if approvals is not None:
            outcome, known = await durable.carried(guard, approvals, ruling)
            if outcome is not None:
                return outcome
        if reviewer is None or (approvals is not None and _elsewhere(decision)):
            why = f"{known} {explain(decision)}".strip()
            if approvals is not None:
                return durable.pending(approvals, ruling, rationale, why)
            return durable.denied(ruling, "nobody", f"{why} Nobody is there to approve it.")
        answer, refused, later = await _ask(guard, ruling, reviewer, rationale)
        if answer is None:
            if later and approvals is not None:
                return durable.pending(approvals, ruling, rationale, refused)
            return durable.denied(ruling, "guard", refused)
        if approvals is not None:
            durable.withdraw(approvals, ruling, f"{reviewer.name} decided on it in the session.")
        by = f"reviewer:{reviewer.name}"
        words = _words(answer)
        match answer.choice:
            case Choice.APPROVE:
                now = guard.clock().timestamp()
                if answer.grant > 0 and (given := equal_grant(ruling, answer.grant, reviewer.name, now)):
                    guard.grants.add(given)
                if covered := plan_grant(ruling, reviewer.name, now):
                    guard.grants.add(covered)
                return Outcome(allowed=True, input=ruling.call.input, message=words, ruling=ruling, by=by)
            case Choice.REJECT:
                return durable.denied(ruling, by, f"The reviewer rejected this call. {words}".strip())
            case Choice.EDIT:
                edited = await guard.rule(msgspec.structs.replace(ruling.call, input=answer.input))
                approved = not _stricter(edited.decision, decision)
                ruling = edited
    return durable.denied(ruling, "guard", f"The call was changed {MAX_ROUNDS} times and is still not settled.")


def explain(decision: Decision) -> str:
    """Why, and what to do instead, in words for the model."""
    first = decision.reasons[0]
    remedy = f" {first.remedy}" if first.remedy else ""
    return f"{decision.reason}{remedy} [{first.rule}, risk {decision.risk}]"


def _rewritten(ruling: Ruling) -> dict[str, Any] | None:
    """The input that policy wants in place of this one, None where it is content."""
    obligation = ruling.decision.obligation("rewrite")
    if obligation is None:
        return None
    wanted = obligation.properties.get("input")
    if not isinstance(wanted, dict):
        raise EngineError("a rewrite obligation has no input object")
    merged = {**ruling.call.input, **wanted}
    return None if merged == ruling.call.input else merged


def _stricter(new: Decision, old: Decision) -> bool:
    """Whether an edit made it worse than what its editor was shown."""
    order = list(Verdict)
    risks = ["low", "medium", "high", "critical"]
    return order.index(new.verdict) > order.index(old.verdict) or risks.index(new.risk) > risks.index(old.risk)


def _words(answer: Answer) -> str:
    parts = [answer.reason] if answer.reason else []
    parts += [
        f'The reviewer was asked "{question}" and answered: {reply}' for question, reply in answer.replies.items()
    ]
    return " ".join(parts)


def request_for(ruling: Ruling, rationale: str) -> ReviewRequest:
    """What the reviewer is shown. The questions are written here, whatever the model wrote."""
    decision = ruling.decision
    confirm = Question(
        question=f"{ruling.call.tool}: {decision.reason}",
        header="Approve?",
        options=[
            {"label": APPROVE, "description": "Let it run as it is."},
            {"label": REJECT, "description": "Do not run it; your reason reaches the agent."},
            {"label": EDIT, "description": "Change the input; policy decides again."},
        ],
    )
    clarify = decision.obligation("clarify")
    asked = msgspec.convert(clarify.properties.get("questions", []), list[Question]) if clarify else []
    approval = decision.obligation("approval")
    typed = bool(approval and approval.properties.get("permission") == "approve")
    return ReviewRequest(
        id=ruling.id,
        call=ruling.call,
        document=ruling.document,
        decision=decision,
        questions=[confirm, *asked],
        typed=f"approve {ruling.call.tool}" if typed else "",
        rationale=rationale,
    )


async def _ask(guard: Guard, ruling: Ruling, reviewer: Reviewer, rationale: str) -> tuple[Answer | None, str, bool]:
    """The reviewer's recorded answer, or None, why there is none that counts, and whether one may come later."""
    refused, later = await barred(guard, ruling, reviewer), False
    if refused:
        return None, refused, ruling.decision.obligation("approval") is not None
    request = request_for(ruling, rationale)
    started = time.perf_counter()
    answer: Answer | None = None
    try:
        async with asyncio.timeout(guard.config.attended):
            said: object = await reviewer.review(request)
        if isinstance(said, Answer):
            answer = said
        else:
            refused = f"The reviewer gave no usable answer; the call {ruling.id} is denied."
    except TimeoutError:
        later = True
        refused = f"No reviewer answered within {guard.config.attended:g} s; the call {ruling.id} is denied for now."
    except Exception as error:  # noqa: BLE001 - a reviewer that fails has not approved
        refused = f"The reviewer could not answer ({type(error).__name__}: {error}); the call is denied."
    self_approved = bool(request.typed) and not _approvers(ruling)
    recorded = Event(
        kind=Kind.REVIEW,
        decision_id=ruling.id,
        call_id=ruling.call.id,
        tool=ruling.call.tool,
        session=ruling.call.session.id,
        agent=ruling.call.session.agent_id,
        principal=ruling.call.session.principal,
        verdict=str(answer.choice) if answer else "none",
        risk=str(ruling.decision.risk),
        decided_by="reviewer" if answer else "guard",
        reviewer=reviewer.name,
        digest=ruling.digest,
        seen=digest(msgspec.to_builtins(request)),
        elapsed_ms=round((time.perf_counter() - started) * 1000, 1),
        extra={"self_approved": self_approved},
        result=msgspec.to_builtins(answer) if answer else None,
        detail={"refused": refused} if refused else None,
    )
    try:
        guard.record(recorded)
    except Exception as error:  # noqa: BLE001 - an approval that left no trace does not count
        return None, f"The reviewer's answer could not be recorded, so the call is denied: {error}", False
    return answer, refused, later


def _elsewhere(decision: Decision) -> bool:
    """Whether policy wants the ask decided later, though somebody is there (``dontAsk``)."""
    approval = decision.obligation("approval")
    return bool(approval and approval.properties.get("durable"))


def _approvers(ruling: Ruling) -> set[str]:
    approval = ruling.decision.obligation("approval")
    return set(approval.properties.get("approvers", [])) if approval else set()
