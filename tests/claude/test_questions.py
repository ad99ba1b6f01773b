"""AskUserQuestion: the reviewer answers, and the question grants nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from claude_agent_sdk import ClaudeAgentOptions
from doubles import ask, decision

from hitl_opa.audit import AuditLog
from hitl_opa.guard import Guard
from hitl_opa.model import PermissionMode, Question
from hitl_opa.testing import Sandbox, ScriptedReviewer, tool_use

pytestmark = pytest.mark.cli


def question(text: str, *labels: str) -> dict[str, Any]:
    options = [{"label": label, "description": label} for label in labels]
    return {"question": text, "header": "Pick", "multiSelect": False, "options": options}


COLOUR = question("Which colour?", "Red", "Blue")
APPROVAL = question("May I touch it?", "Approve", "Reject")


@pytest.mark.parametrize("mode", [str(m) for m in PermissionMode])
async def test_the_reviewer_answers_in_every_mode(agent: Any, guard: Guard, audit: AuditLog, mode: str) -> None:
    reviewer = ScriptedReviewer(replies={"Which colour?": "Blue"})
    run = await agent(
        tool_use("AskUserQuestion", questions=[COLOUR]),
        options=ClaudeAgentOptions(permission_mode=mode),
        guard=guard,
        reviewer=reviewer,
    )
    assert '"Which colour?"="Blue"' in run.calls[0].told
    assert [q.question for q in reviewer.questions] == ["Which colour?"]
    kinds = [(r.kind, r.get("outcome"), r.get("matches")) for r in audit.records()]
    assert kinds == [("decision", "", ""), ("note", "", ""), ("outcome", "ran", True)]


async def test_a_question_of_the_model_grants_nothing(agent: Any, guard: Guard, sandbox: Sandbox) -> None:
    run = await agent(
        tool_use("AskUserQuestion", questions=[APPROVAL]),
        tool_use("Bash", command="touch DENY"),
        guard=guard,
        reviewer=ScriptedReviewer(replies={APPROVAL["question"]: "Approve"}),
    )
    assert '="Approve"' in run.calls[0].told
    assert not run.calls[1].ran
    assert sandbox.files() == set()


class Slow(ScriptedReviewer):
    async def answer(self, questions: list[Question]) -> dict[str, str]:
        await asyncio.sleep(30)
        return {}


@pytest.mark.parametrize(
    ("reviewer", "told"),
    [
        (None, "Nobody is there"),
        (ScriptedReviewer(replies=RuntimeError("gone")), "gone"),
        (ScriptedReviewer(replies={"Which colour?": 7}), "could not be answered"),  # type: ignore[dict-item]
        (Slow(), "Nobody answered within"),
    ],
    ids=["nobody", "raises", "junk", "slow"],
)
async def test_no_answer_is_said(agent: Any, make_guard: Callable[..., Guard], reviewer: Any, told: str) -> None:
    run = await agent(
        tool_use("AskUserQuestion", questions=[COLOUR]), guard=make_guard(attended=0.5), reviewer=reviewer
    )
    assert not run.calls[0].ran
    assert told in run.calls[0].told


async def test_policy_may_ask_about_a_question(agent: Any, make_guard: Callable[..., Guard]) -> None:
    reviewer = ScriptedReviewer("reject", replies={"Which colour?": "Blue"})
    run = await agent(tool_use("AskUserQuestion", questions=[COLOUR]), guard=make_guard(ask()), reviewer=reviewer)
    assert not run.calls[0].ran
    assert reviewer.questions == []


@pytest.mark.parametrize("approved", [True, False])
async def test_leaving_plan_mode_is_an_action(agent: Any, make_guard: Callable[..., Guard], approved: bool) -> None:
    guard = make_guard(lambda d: ask() if b'"ExitPlanMode"' in d else decision())
    run = await agent(
        tool_use("ExitPlanMode", plan="Do it."),
        tool_use("Bash", command="touch made"),
        options=ClaudeAgentOptions(permission_mode="plan"),
        guard=guard,
        reviewer=ScriptedReviewer("approve" if approved else "reject"),
    )
    assert [c.ran for c in run.calls] == [approved, approved]
