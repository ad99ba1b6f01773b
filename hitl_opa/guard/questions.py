"""The model's own questions: answered by whoever is there now, or later by whoever answers their approval."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec

from hitl_opa.guard import durable
from hitl_opa.guard.ruling import Outcome
from hitl_opa.model import Question, Reviewer

if TYPE_CHECKING:
    from hitl_opa.guard.guard import Guard

NOBODY = "Nobody is there to answer questions. Go on with what you know, or stop and say what you need."


async def answered(guard: Guard, outcome: Outcome, reviewer: Reviewer | None, rationale: str) -> Outcome:
    """See `Guard.answered`."""
    if not outcome.allowed or outcome.answers is not None:
        return outcome
    ruling = outcome.ruling
    try:
        questions = msgspec.convert(outcome.input.get("questions"), list[Question])
    except msgspec.ValidationError as error:
        return durable.denied(ruling, "guard", f"The questions are malformed: {error}.")
    approvals = guard.approvals if questions else None
    try:
        known = ""
        if approvals is not None:
            carried, known = await durable.carried(guard, approvals, ruling)
            if carried is not None:
                return carried
        if reviewer is None:
            if approvals is None:
                return durable.denied(ruling, "nobody", NOBODY)
            return durable.pending(approvals, ruling, rationale, known)
        try:
            async with asyncio.timeout(guard.config.attended):
                answers = msgspec.convert(await reviewer.answer(questions), dict[str, str])
        except TimeoutError:
            said = f"Nobody answered within {guard.config.attended:g} s."
            if approvals is None:
                return durable.denied(ruling, "nobody", said)
            return durable.pending(approvals, ruling, rationale, said)
        guard.note("note", ruling.call, answered_by=reviewer.name, answers=answers)
        if approvals is not None:
            durable.withdraw(approvals, ruling, f"{reviewer.name} answered in the session.")
    except Exception as error:  # noqa: BLE001 - a reviewer may raise anything; no answer is no answer
        return durable.denied(
            ruling, "guard", f"The questions could not be answered ({type(error).__name__}: {error})."
        )
    return msgspec.structs.replace(outcome, answers=answers)
