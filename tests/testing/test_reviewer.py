"""The scripted reviewer."""

from __future__ import annotations

from typing import Any

import pytest

from hitl_opa.model import (
    Answer,
    CallFacts,
    Choice,
    Decision,
    Document,
    Question,
    ReviewRequest,
    Risk,
    ToolCall,
    Verdict,
)
from hitl_opa.testing import ScriptedReviewer


def request() -> ReviewRequest:
    return ReviewRequest(
        id="r",
        call=ToolCall(tool="Bash"),
        document=Document(call=CallFacts(id="c", tool="Bash", kind="shell", input={})),
        decision=Decision(verdict=Verdict.ASK, risk=Risk.LOW, reason="because"),
        questions=[],
    )


async def test_answers_come_in_turn_and_the_last_one_stays() -> None:
    async def later(_: ReviewRequest) -> str:
        return "reject"

    edit = Answer(choice=Choice.EDIT, input={"a": 1})
    reviewer = ScriptedReviewer("approve", Choice.REJECT, lambda _: edit, later)
    choices = [(await reviewer.review(request())).choice for _ in range(5)]
    assert choices == ["approve", "reject", "edit", "reject", "reject"]
    assert len(reviewer.requests) == 5


async def test_exceptions_are_raised_and_junk_is_handed_on() -> None:
    with pytest.raises(RuntimeError, match="x"):
        await ScriptedReviewer(RuntimeError("x")).review(request())
    junk: Any = await ScriptedReviewer({"choice": "approve"}).review(request())
    assert junk == {"choice": "approve"}
    with pytest.raises(AssertionError, match="Bash"):
        await ScriptedReviewer().review(request())


async def test_questions_get_their_reply_or_the_first_option() -> None:
    reviewer = ScriptedReviewer(replies={"Two?": "b"}, name="rita", groups=["ops"])
    options = [{"label": "a", "description": ""}, {"label": "b", "description": ""}]
    questions = [Question(question=q, options=options) for q in ("One?", "Two?")]
    assert await reviewer.answer([*questions, Question(question="Open?")]) == {"One?": "a", "Two?": "b", "Open?": ""}
    assert (reviewer.name, reviewer.groups) == ("rita", frozenset({"ops"}))
