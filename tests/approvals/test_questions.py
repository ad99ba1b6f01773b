"""The model's own questions: kept, answered by people later, and given to whoever asks them again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from doubles import Says, ask, decision

from hitl_opa.approvals import Person, State
from hitl_opa.approvals.approvals import Approvals
from hitl_opa.errors import ApprovalError
from hitl_opa.guard import Guard, Outcome
from hitl_opa.model import Session, ToolCall

Make = Callable[..., Guard]
RITA = Person(name="rita")
WHICH = "Which database?"
ALLOWED, ASKED = decision("allow"), ask("low")


@pytest.fixture
def call(tmp_path: Path) -> ToolCall:
    questions = [{"question": WHICH, "header": "DB", "multiSelect": False, "options": [{"label": "a"}, {"label": "b"}]}]
    return ToolCall(tool="AskUserQuestion", input={"questions": questions}, cwd=str(tmp_path), session=Session(id="s1"))


async def tries(guard: Guard, call: ToolCall, reviewer: Any = None) -> Outcome:
    return await guard.answered(await guard.resolve(await guard.rule(call), reviewer), reviewer)


@pytest.mark.parametrize("policy", [ALLOWED, ASKED], ids=["allowed", "asked"])
async def test_asked_now_answered_later(make_guard: Make, approvals: Approvals, call: ToolCall, policy: bytes) -> None:
    first = await tries(make_guard(policy), call)
    (waiting,) = approvals.search()
    assert (first.allowed, first.pending, waiting.kind) == (False, waiting.id, "question")
    assert f"pending, approval {waiting.id}" in first.message
    with pytest.raises(ApprovalError, match="answer it"):
        approvals.vote(waiting.id, RITA, approves=True)
    with pytest.raises(ApprovalError, match="not edited"):
        approvals.edit(waiting.id, RITA, {})
    for wrong in ({}, {WHICH: ""}, {"Which one?": "a"}, {WHICH: "a", "More?": "b"}):
        with pytest.raises(ApprovalError, match="answer each of: Which database"):
            approvals.answer(waiting.id, RITA, wrong)
    given = approvals.answer(waiting.id, RITA, {WHICH: "b, of course"}, channel="inbox")
    assert (given.state, given.answers) == (State.APPROVED, {WHICH: "b, of course"})
    assert approvals.answer(waiting.id, RITA, {WHICH: "b, of course"}) == given  # said again
    with pytest.raises(ApprovalError, match="is approved already"):
        approvals.answer(waiting.id, RITA, {WHICH: "a"})
    later = make_guard(policy)
    got = await tries(later, msgspec.structs.replace(call, id="c2"))
    assert (got.allowed, got.answers, got.by) == (True, {WHICH: "b, of course"}, "reviewer:rita")
    later.close_call(got.ruling, "ran")
    assert approvals.get(waiting.id).state is State.EXECUTED
    assert (await tries(later, call)).pending  # a new question


async def test_declined(make_guard: Make, approvals: Approvals, call: ToolCall) -> None:
    await tries(make_guard(ALLOWED), call)
    approvals.vote(approvals.search()[0].id, RITA, approves=False, reason="Find out yourself.")
    outcome = await tries(make_guard(ALLOWED), call)
    assert not outcome.allowed
    assert "Find out yourself." in outcome.message
    assert len(approvals.search()) == 1


async def test_who_is_there_answers_now(make_guard: Make, approvals: Approvals, call: ToolCall) -> None:
    class Answers(Says):
        async def answer(self, questions: Any) -> dict[str, str]:
            return {WHICH: "a"}

    await tries(make_guard(ALLOWED), call)
    outcome = await tries(make_guard(ALLOWED), call, Answers())
    assert (outcome.allowed, outcome.answers) == (True, {WHICH: "a"})
    assert [a.state for a in approvals.search()] == [State.SUPERSEDED]


async def test_who_does_not_answer_in_time_leaves_it_to_others(
    make_guard: Make, approvals: Approvals, call: ToolCall
) -> None:
    class Sleeps(Says):
        async def answer(self, questions: Any) -> dict[str, str]:
            import asyncio

            await asyncio.sleep(30)
            return {}

    outcome = await tries(make_guard(ALLOWED), call, Sleeps())
    assert "Nobody answered within" in outcome.message
    assert outcome.pending == approvals.search()[0].id


async def test_only_questions_are_answered(make_guard: Make, approvals: Approvals, call: ToolCall) -> None:
    shell = msgspec.structs.replace(call, tool="Bash", input={"command": "make deploy"})
    guard = make_guard(ask())
    await guard.resolve(await guard.rule(shell))
    with pytest.raises(ApprovalError, match="not a question"):
        approvals.answer(approvals.search()[0].id, RITA, {})


@pytest.mark.parametrize("questions", ["none", [{"header": "x"}], [7], None])
async def test_malformed_questions_are_not_asked(
    make_guard: Make, approvals: Approvals, call: ToolCall, questions: Any
) -> None:
    broken = msgspec.structs.replace(call, input={"questions": questions})
    outcome = await tries(make_guard(ALLOWED), broken)
    assert not outcome.allowed
    assert "malformed" in outcome.message
    assert approvals.search() == []
