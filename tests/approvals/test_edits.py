"""Edits, which policy decides again and which run in place of what was asked; and answers to questions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from doubles import FakeEngine, Says, ask, decision

from hitl_opa.approvals import Approval, Person, State
from hitl_opa.approvals.approvals import Approvals
from hitl_opa.approvals.events import seen
from hitl_opa.audit import AuditLog
from hitl_opa.config import Config
from hitl_opa.errors import ApprovalError, VoteRefused
from hitl_opa.facts import redact
from hitl_opa.guard import Guard, Outcome
from hitl_opa.guard.referee import GuardReferee
from hitl_opa.model import Document, Session, ToolCall

RITA = Person(name="rita")
BOB = Person(name="bob")
EDITED = {"command": "echo 1 > made"}


@pytest.fixture
def call(tmp_path: Path) -> ToolCall:
    return ToolCall(
        tool="Bash", input={"command": "echo 2 > made"}, id="c1", cwd=str(tmp_path), session=Session(id="s1")
    )


Make = Callable[..., tuple[Guard, Approvals]]


@pytest.fixture
def make(audit: AuditLog, clock: Any) -> Make:
    """A guard over an engine that answers as told, and approvals that it keeps and that ask it."""

    def make(answer: Any) -> tuple[Guard, Approvals]:
        approvals = Approvals.open(audit, redact=redact, clock=clock, referee=GuardReferee(lambda: guard))
        guard = Guard(
            engine=FakeEngine(answer), audit=audit, config=Config(attended=0.05), approvals=approvals, clock=clock
        )
        return guard, approvals

    return make


def by_command(**answers: bytes) -> Any:
    """Answers by a word of the command."""

    def answer(document: bytes) -> bytes:
        command = msgspec.json.decode(document)["call"]["input"].get("command", "")
        return next((said for word, said in answers.items() if word in command), ask())

    return answer


async def asked(guard: Guard, approvals: Approvals, call: ToolCall) -> Approval:
    await guard.resolve(await guard.rule(call))
    return approvals.search()[0]


async def tries(guard: Guard, call: ToolCall) -> Outcome:
    return await guard.resolve(await guard.rule(call))


def put(call: ToolCall, text: str) -> None:
    Path(call.cwd, "run.sh").write_text(text)


async def test_the_edited_input_runs_in_place_of_the_asked_one(make: Make, call: ToolCall, audit: AuditLog) -> None:
    guard, approvals = make(ask())
    waiting = await asked(guard, approvals, call)
    given = approvals.edit(waiting.id, RITA, EDITED, reason="Only one.", category="policy-violation")
    assert (given.state, given.edited) == (State.APPROVED, EDITED)
    assert given.edit is not None
    assert (given.edit.by, given.shown[0]["call"]["input"]) == ("rita", EDITED)
    assert approvals.edit(waiting.id, RITA, EDITED).state is State.APPROVED  # said again
    run = await tries(guard, call)
    assert (run.allowed, run.input, run.by) == (True, EDITED, "reviewer:rita")
    assert "rita changed its input" in run.message
    assert guard.close_call(run.ruling, "ran", input=EDITED)
    assert approvals.get(waiting.id).state is State.EXECUTED
    (review,) = [r for r in audit.records() if r.kind == "review"]
    assert review.get("verdict") == "edit"
    assert review.payload is not None
    assert review.payload["result"]["said"] == EDITED
    assert not (await tries(guard, call)).allowed
    assert audit.verify().ok


async def test_what_policy_denies_is_refused_with_its_reason(make: Make, call: ToolCall, audit: AuditLog) -> None:
    guard, approvals = make(by_command(rm=decision("deny", "critical")))
    waiting = await asked(guard, approvals, call)
    with pytest.raises(ApprovalError, match="policy denies the edited call: It is deny"):
        approvals.edit(waiting.id, RITA, {"command": "rm -rf /"})
    found = approvals.get(waiting.id)
    assert (found.state, found.edited, found.votes) == (State.PENDING, None, [])
    assert [r.get("extra")["refused"] for r in audit.records() if r.kind == "note"] == ["test.rule"]


async def test_an_engine_that_fails_denies_the_edit(make: Make, call: ToolCall) -> None:
    guard, approvals = make(by_command(x=RuntimeError("down")))
    waiting = await asked(guard, approvals, call)
    guard.engine.answers = [RuntimeError("down")]  # type: ignore[attr-defined]
    with pytest.raises(ApprovalError, match="policy denies the edited call"):
        approvals.edit(waiting.id, RITA, EDITED)


async def test_an_edit_starts_the_quorum_anew(make: Make, call: ToolCall) -> None:
    guard, approvals = make(ask(quorum=2))
    waiting = await asked(guard, approvals, call)
    approvals.vote(waiting.id, BOB, approves=True)
    changed = approvals.edit(waiting.id, RITA, EDITED)
    assert changed.state is State.PENDING  # bob has not seen this
    assert [v.reviewer for v in changed.votes] == ["rita"]
    assert approvals.vote(waiting.id, RITA, approves=True).state is State.PENDING  # and never alone
    assert approvals.vote(waiting.id, BOB, approves=True).state is State.APPROVED
    assert (await tries(guard, call)).input == EDITED


async def test_who_looked_before_the_edit_has_not_approved_it(make: Make, call: ToolCall, audit: AuditLog) -> None:
    guard, approvals = make(ask(risk="low", quorum=2))
    waiting = await asked(guard, approvals, call)
    looked_at = seen(waiting)
    approvals.edit(waiting.id, RITA, EDITED, seen=looked_at)
    with pytest.raises(VoteRefused, match="changed since you looked"):
        approvals.vote(waiting.id, BOB, approves=True, seen=looked_at, channel="inbox")
    with pytest.raises(VoteRefused, match="slack may still show what it was"):
        approvals.vote(waiting.id, BOB, approves=True, channel="slack")
    refused = [r.get("extra")["refused"] for r in audit.records() if r.kind == "note"]
    assert refused == ["approvals.stale", "approvals.edited"]
    now = seen(approvals.get(waiting.id))
    assert approvals.vote(waiting.id, BOB, approves=True, seen=now, channel="inbox").state is State.APPROVED


async def test_a_stricter_edit_has_stricter_terms(make: Make, call: ToolCall) -> None:
    guard, approvals = make(by_command(two=ask("critical", quorum=2, permission="approve")))
    waiting = await asked(guard, approvals, call)
    now = guard.clock().timestamp()

    def person(name: str) -> Person:
        return Person(name=name, authenticated_at=now)

    changed = approvals.edit(waiting.id, person("rita"), {"command": "two"}, channel="inbox")
    assert (changed.state, changed.risk) == (State.PENDING, "critical")
    assert (changed.terms.quorum, changed.terms.permission) == (2, "approve")
    with pytest.raises(ApprovalError, match="log in again"):
        approvals.vote(waiting.id, BOB, approves=True, channel="inbox")
    assert approvals.vote(waiting.id, person("bob"), approves=True, channel="inbox").state is State.APPROVED
    assert (await tries(guard, call)).input == {"command": "two"}


async def test_an_edit_that_policy_allows_runs(make: Make, call: ToolCall) -> None:
    guard, approvals = make(by_command(ls=decision("allow")))
    waiting = await asked(guard, approvals, call)
    assert approvals.edit(waiting.id, RITA, {"command": "ls"}).state is State.APPROVED
    assert (await tries(guard, call)).input == {"command": "ls"}


async def test_policy_that_became_stricter_on_the_edit_voids_it(make: Make, call: ToolCall) -> None:
    guard, approvals = make(ask())
    waiting = await asked(guard, approvals, call)
    approvals.edit(waiting.id, RITA, EDITED)
    guard.engine.answers = [by_command(**{"echo 1": ask("critical")})]  # type: ignore[attr-defined]
    outcome = await tries(guard, call)
    assert not outcome.allowed
    assert "policy became stricter" in outcome.message
    assert approvals.get(waiting.id).state is State.SUPERSEDED


async def test_a_script_behind_the_edit_that_was_changed_voids_it(make: Make, call: ToolCall) -> None:
    put(call, "echo hello\n")
    guard, approvals = make(ask())
    waiting = await asked(guard, approvals, call)
    approvals.edit(waiting.id, RITA, {"command": "sh run.sh"})
    put(call, "echo jello\n")
    outcome = await tries(guard, call)
    assert not outcome.allowed
    assert "was changed since" in outcome.message
    assert approvals.get(waiting.id).state is State.SUPERSEDED


async def test_secrets_are_not_kept_in_edits(make: Make, call: ToolCall) -> None:
    guard, approvals = make(ask())
    waiting = await asked(guard, approvals, call)
    with pytest.raises(ApprovalError, match="holds a secret"):
        approvals.edit(waiting.id, RITA, {"command": "PASSWORD=hunter2hunter2 x"})
    with pytest.raises(ApprovalError, match="in place of a secret"):
        approvals.edit(waiting.id, RITA, {"command": "PASSWORD=[secret:password] x"})
    assert approvals.get(waiting.id).edited is None


async def test_who_may_not_approve_may_not_edit(make: Make, call: ToolCall) -> None:
    guard, approvals = make(ask(approvers=["sre"], each=[["sre"]]))
    waiting = await asked(guard, approvals, call)
    with pytest.raises(ApprovalError, match="needs an approver of sre"):
        approvals.edit(waiting.id, RITA, EDITED)
    assert approvals.get(waiting.id).edited is None
    approvals.vote(waiting.id, RITA, approves=False)
    with pytest.raises(ApprovalError, match="is denied already"):
        approvals.edit(waiting.id, Person(name="carl", groups=frozenset({"sre"})), EDITED)


async def test_a_function_runs_on_the_edited_arguments(make: Make) -> None:
    ran: list[str] = []
    guard, approvals = make(ask())

    @guard.tool
    def deploy(env: str) -> None:
        ran.append(env)

    from hitl_opa.errors import Denied

    with pytest.raises(Denied, match="pending, approval"):
        deploy("production")
    approvals.edit(approvals.search()[0].id, RITA, {"env": "staging"})
    deploy("production")
    assert ran == ["staging"]
    with pytest.raises(Denied):
        deploy("production")


async def test_circumstances_are_those_of_the_asked_call(make: Make, call: ToolCall) -> None:
    """A reviewer's process knows nothing of what the session has done and seen; the document does."""
    guard, approvals = make(ask())
    fetch = msgspec.structs.replace(call, tool="WebFetch", input={"url": "https://example.com/"})
    await guard.resolve(await guard.rule(fetch), Says())
    waiting = await asked(guard, approvals, call)
    assert waiting.document["context"]["taint"]["untrusted"] is True
    other = GuardReferee(lambda: Guard(engine=guard.engine, audit=guard.audit))
    document = msgspec.convert(waiting.document, Document)
    again = other.redecide(document, EDITED)
    assert again.document.context.taint.untrusted is True
    assert again.document.context.counters == document.context.counters
    assert again.document.agent.level == document.agent.level
