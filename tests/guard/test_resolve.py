"""An ask ends as the reviewer says, and in no other way as allowed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from doubles import APPROVES, REJECTS, Says, ask, decision, never

from hitl_opa.audit import AuditLog
from hitl_opa.errors import AuditError
from hitl_opa.guard import Guard
from hitl_opa.model import Answer, Choice, Session, ToolCall

CALL = ToolCall(tool="Bash", input={"command": "make deploy"}, session=Session(id="s", principal="dev"))


async def resolved(guard: Guard, reviewer: Any) -> Any:
    return await guard.resolve(await guard.rule(CALL), reviewer)


async def test_allow_and_deny_ask_nobody(make_guard: Callable[..., Guard]) -> None:
    reviewer = Says()
    assert (await resolved(make_guard(decision("allow")), reviewer)).allowed
    assert not (await resolved(make_guard(decision("deny")), reviewer)).allowed
    assert reviewer.shown == []


async def test_approve_runs_what_was_shown(make_guard: Callable[..., Guard], audit: AuditLog) -> None:
    reviewer = Says(APPROVES)
    outcome = await resolved(make_guard(ask()), reviewer)
    assert outcome.allowed
    assert outcome.by == "reviewer:rita"
    assert outcome.input == CALL.input
    assert [q.header for q in reviewer.shown[0].questions] == ["Approve?"]
    review = list(audit.records())[-1]
    assert (review.kind, review.get("verdict"), review.get("reviewer")) == ("review", "approve", "rita")


async def test_reject_reaches_the_model(make_guard: Callable[..., Guard]) -> None:
    outcome = await resolved(make_guard(ask()), Says(REJECTS))
    assert not outcome.allowed
    assert "Not on a Friday." in outcome.message


@pytest.mark.parametrize(
    ("reviewer", "why"),
    [
        (None, "Nobody is there"),
        (Says(RuntimeError("crashed")), "crashed"),
        (Says("approve"), "no usable answer"),
        (Says(None), "no usable answer"),
        (Says({"choice": "approve"}), "no usable answer"),
    ],
    ids=["nobody", "raises", "string", "none", "dict"],
)
async def test_whatever_is_no_approval_is_a_denial(make_guard: Callable[..., Guard], reviewer: Any, why: str) -> None:
    outcome = await resolved(make_guard(ask()), reviewer)
    assert not outcome.allowed
    assert why in outcome.message


async def test_a_reviewer_who_does_not_answer_denies(make_guard: Callable[..., Guard]) -> None:
    outcome = await resolved(make_guard(ask(), attended=0.1), Says(never()))
    assert not outcome.allowed
    assert "No reviewer answered" in outcome.message


async def test_an_approval_that_cannot_be_recorded_does_not_count(
    make_guard: Callable[..., Guard], audit: AuditLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    guard = make_guard(ask())
    ruling = await guard.rule(CALL)

    def full(*_: Any, **__: Any) -> None:
        raise AuditError("disk full")

    monkeypatch.setattr(audit, "append", full)
    outcome = await guard.resolve(ruling, Says(APPROVES))
    assert not outcome.allowed
    assert "disk full" in outcome.message


EDIT = Answer(choice=Choice.EDIT, input={"command": "make check"})


async def test_an_edit_is_decided_again(make_guard: Callable[..., Guard]) -> None:
    outcome = await resolved(make_guard(ask(), decision("allow")), Says(EDIT))
    assert outcome.allowed
    assert outcome.input == {"command": "make check"}
    assert outcome.ruling.call.input == {"command": "make check"}


async def test_an_edit_that_policy_denies_is_denied(make_guard: Callable[..., Guard]) -> None:
    assert not (await resolved(make_guard(ask(), decision("deny")), Says(EDIT))).allowed


async def test_an_edit_that_is_no_worse_is_approved_by_its_editor(make_guard: Callable[..., Guard]) -> None:
    reviewer = Says(EDIT)
    assert (await resolved(make_guard(ask("high"), ask("high")), reviewer)).allowed
    assert len(reviewer.shown) == 1


async def test_an_edit_that_is_worse_is_shown_again(make_guard: Callable[..., Guard]) -> None:
    reviewer = Says(EDIT, REJECTS)
    assert not (await resolved(make_guard(ask("medium"), ask("critical")), reviewer)).allowed
    assert len(reviewer.shown) == 2


async def test_edits_without_end_are_given_up(make_guard: Callable[..., Guard]) -> None:
    risks = ["low", "medium", "high", "critical"]
    guard = make_guard(*[ask(risks[i % 4]) for i in range(40)])
    outcome = await resolved(guard, Says(*[EDIT] * 20))
    assert outcome.allowed or "not settled" in outcome.message


async def test_unknown_obligations_deny(make_guard: Callable[..., Guard]) -> None:
    step_up = {"id": "x", "type": "step-up", "properties": {}}
    outcome = await resolved(make_guard(decision("allow", obligations=[step_up])), Says(APPROVES))
    assert not outcome.allowed
    assert "step-up" in outcome.message


async def test_a_rewrite_is_decided_again_and_is_what_runs(make_guard: Callable[..., Guard]) -> None:
    rewrite = {"id": "x", "type": "rewrite", "properties": {"input": {"command": "make deploy --dry-run"}}}
    guard = make_guard(decision("allow", obligations=[rewrite]))
    outcome = await resolved(guard, None)
    assert outcome.allowed
    assert outcome.input == {"command": "make deploy --dry-run"}


@pytest.mark.parametrize("properties", [{}, {"input": "x"}])
async def test_a_rewrite_without_an_input_denies(make_guard: Callable[..., Guard], properties: dict[str, Any]) -> None:
    rewrite = {"id": "x", "type": "rewrite", "properties": properties}
    outcome = await resolved(make_guard(decision("allow", obligations=[rewrite])), None)
    assert not outcome.allowed


async def test_named_approvers(make_guard: Callable[..., Guard]) -> None:
    guard = make_guard(ask(permission="approve", approvers=["sec"]))
    assert not (await resolved(guard, Says(APPROVES))).allowed
    assert (await resolved(guard, Says(APPROVES, groups=frozenset({"sec"})))).allowed
    assert not (await resolved(guard, Says(APPROVES, name="dev", groups=frozenset({"sec"})))).allowed


async def test_a_quorum_is_not_met_by_one(make_guard: Callable[..., Guard]) -> None:
    assert not (await resolved(make_guard(ask(quorum=2)), Says(APPROVES))).allowed


async def test_an_ask_without_an_approval_obligation_denies(make_guard: Callable[..., Guard]) -> None:
    assert not (await resolved(make_guard(decision("ask")), Says(APPROVES))).allowed


async def test_clarifying_really_asks(make_guard: Callable[..., Guard]) -> None:
    question = {"question": "Which one?", "header": "Clarify", "options": []}
    clarify = {"id": "c", "type": "clarify", "properties": {"questions": [question]}}
    raw = ask()
    answer = Answer(choice=Choice.REJECT, replies={"Which one?": "staging"})
    reviewer = Says(answer)
    import msgspec

    document = msgspec.json.decode(raw)
    document["obligations"].append(clarify)
    outcome = await resolved(make_guard(msgspec.json.encode(document)), reviewer)
    assert [q.question for q in reviewer.shown[0].questions][1:] == ["Which one?"]
    assert "staging" in outcome.message


async def test_a_typed_approval_is_recorded_as_self_approved(make_guard: Callable[..., Guard], audit: AuditLog) -> None:
    reviewer = Says(APPROVES)
    assert (await resolved(make_guard(ask(permission="approve")), reviewer)).allowed
    assert reviewer.shown[0].typed == "approve Bash"
    assert list(audit.records())[-1].get("extra") == {"self_approved": True}
