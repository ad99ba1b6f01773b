"""A guard that keeps approvals: asked in one process, decided by people, used once in another."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from doubles import APPROVES, REJECTS, Says, ask, decision, never

from hitl_opa.approvals import Person, State
from hitl_opa.approvals.approvals import Approvals
from hitl_opa.audit import AuditLog
from hitl_opa.config import Config, load_config
from hitl_opa.errors import ConfigError
from hitl_opa.guard import Guard, Outcome
from hitl_opa.model import Session, ToolCall

Make = Callable[..., Guard]


@pytest.fixture
def call(tmp_path: Path) -> ToolCall:
    (tmp_path / "w").mkdir()
    session = Session(id="s1", principal="anna")
    return ToolCall(tool="Bash", input={"command": "sh run.sh"}, id="c1", cwd=str(tmp_path / "w"), session=session)


def put(call: ToolCall, name: str, text: str) -> None:
    Path(call.cwd, name).write_text(text)


def link(call: ToolCall, to: str) -> str:
    name = Path(call.cwd, "link")
    name.unlink(missing_ok=True)
    name.symlink_to(to)
    return str(name)


async def tries(guard: Guard, call: ToolCall, reviewer: Any = None) -> Outcome:
    return await guard.resolve(await guard.rule(call), reviewer)


def only(approvals: Approvals) -> Any:
    (found,) = approvals.listed(frozenset(State))
    return found


async def test_asked_approved_and_run_once(make_guard: Make, approvals: Approvals, call: ToolCall) -> None:
    first = await tries(make_guard(ask()), call)
    waiting = only(approvals)
    assert not first.allowed
    assert f"pending, approval {waiting.id}" in first.message
    again = await tries(make_guard(ask()), call)
    assert f"pending, approval {only(approvals).id}" in again.message
    approvals.vote(waiting.id, Person(name="rita"), approves=True, reason="Go.")
    later = make_guard(ask())
    run = await tries(later, msgspec.structs.replace(call, id="c9"))
    assert (run.allowed, run.input, run.by) == (True, call.input, "reviewer:rita")
    assert "Go." in run.message
    assert approvals.get(waiting.id).state is State.EXECUTING
    later.close_call(run.ruling, "ran")
    assert approvals.get(waiting.id).state is State.EXECUTED
    third = await tries(later, call)
    assert not third.allowed
    assert waiting.id not in third.message
    assert {a.state for a in approvals.listed(frozenset(State))} == {State.EXECUTED, State.PENDING}


async def test_the_document_says_that_approvals_are_kept(make_guard: Make, call: ToolCall) -> None:
    assert (await make_guard(ask()).rule(call)).document.context.durable is True


@pytest.mark.parametrize(
    "other",
    [
        {"input": {"command": "sh run.sh --force"}},
        {"cwd": "/tmp"},
        {"tool": "Monitor"},
        {"session": Session(id="s2", principal="anna")},
        {"session": Session(id="s1", principal="bob")},
    ],
)
async def test_it_binds_to_the_call(make_guard: Make, approvals: Approvals, call: ToolCall, other: Any) -> None:
    guard = make_guard(ask())
    await tries(guard, call)
    approvals.vote(only(approvals).id, Person(name="rita"), approves=True)
    assert not (await tries(guard, msgspec.structs.replace(call, **other))).allowed
    assert (await tries(guard, call)).allowed


async def test_a_subagents_call_runs_when_the_run_issues_it_again(
    make_guard: Make, approvals: Approvals, call: ToolCall
) -> None:
    guard = make_guard(ask())
    sub = msgspec.structs.replace(call, session=msgspec.structs.replace(call.session, agent_id="gone"))
    await tries(guard, sub)
    assert only(approvals).agent == "gone"
    approvals.vote(only(approvals).id, Person(name="rita"), approves=True)
    assert (await tries(guard, call)).allowed
    assert not (await tries(guard, sub)).allowed  # it is used up


async def test_it_binds_to_the_script(make_guard: Make, approvals: Approvals, call: ToolCall) -> None:
    put(call, "run.sh", "echo hello\n")
    guard = make_guard(ask())
    await tries(guard, call)
    approvals.vote(only(approvals).id, Person(name="rita"), approves=True)
    put(call, "run.sh", "echo jello\n")  # does the same as far as anybody can read
    assert not (await tries(guard, call)).allowed
    put(call, "run.sh", "echo hello\n")
    assert (await tries(guard, call)).allowed


async def test_it_binds_to_the_file_behind_a_link(make_guard: Make, approvals: Approvals, call: ToolCall) -> None:
    for name in ("a", "b"):
        put(call, name, "same")
    write = msgspec.structs.replace(call, tool="Write", input={"file_path": link(call, "a"), "content": "x"})
    guard = make_guard(ask())
    await tries(guard, write)
    approvals.vote(only(approvals).id, Person(name="rita"), approves=True)
    link(call, "b")
    assert not (await tries(guard, write)).allowed
    link(call, "a")
    put(call, "a", "changed by somebody")
    assert not (await tries(guard, write)).allowed
    put(call, "a", "same")
    assert (await tries(guard, write)).allowed


@pytest.mark.parametrize("now", [ask("critical"), ask(permission="approve"), ask(quorum=2), ask(approvers=["sre"])])
async def test_policy_became_stricter(make_guard: Make, approvals: Approvals, call: ToolCall, now: bytes) -> None:
    await tries(make_guard(ask()), call)
    old = only(approvals).id
    approvals.vote(old, Person(name="rita"), approves=True)
    outcome = await tries(make_guard(now), call)
    assert not outcome.allowed
    assert f"Approval {old} is void" in outcome.message
    assert approvals.get(old).state is State.SUPERSEDED
    assert not (await tries(make_guard(ask()), call)).allowed  # nor does it come back


async def test_policy_denies_now(make_guard: Make, approvals: Approvals, call: ToolCall) -> None:
    await tries(make_guard(ask()), call)
    approvals.vote(only(approvals).id, Person(name="rita"), approves=True)
    assert not (await tries(make_guard(RuntimeError("engine down")), call)).allowed
    assert only(approvals).state is State.APPROVED  # that was no decision
    assert not (await tries(make_guard(decision("deny")), call)).allowed
    assert only(approvals).state is State.SUPERSEDED


async def test_policy_became_milder(make_guard: Make, approvals: Approvals, call: ToolCall) -> None:
    await tries(make_guard(ask()), call)
    approvals.vote(only(approvals).id, Person(name="rita"), approves=True)
    assert (await tries(make_guard(ask("low")), call)).by == "reviewer:rita"


async def test_rejected(make_guard: Make, approvals: Approvals, clock: Any, call: ToolCall) -> None:
    guard = make_guard(ask(expires_in=100))
    await tries(guard, call)
    approvals.vote(only(approvals).id, Person(name="rita"), approves=False, reason="Not on a Friday.")
    outcome = await tries(guard, call)
    assert not outcome.allowed
    assert "rita rejected this call" in outcome.message
    assert "Not on a Friday." in outcome.message
    assert only(approvals).state is State.DENIED  # it is not asked again and again
    clock.forward(100)
    assert "pending" in (await tries(guard, call)).message


async def test_expired_and_lapsed(make_guard: Make, approvals: Approvals, clock: Any, call: ToolCall) -> None:
    guard = make_guard(ask(expires_in=100, execution_expires_in=50))
    await tries(guard, call)
    clock.forward(101)
    outcome = await tries(guard, call)
    assert not outcome.allowed
    assert "Nobody decided on it in time" in outcome.message
    (waiting,) = approvals.listed(frozenset({State.PENDING}))
    approvals.vote(waiting.id, Person(name="rita"), approves=True)
    clock.forward(51)
    outcome = await tries(guard, call)
    assert not outcome.allowed
    assert f"Approval {waiting.id} was given, and not used in time" in outcome.message


async def test_a_process_that_died_running_it(make_guard: Make, approvals: Approvals, call: ToolCall) -> None:
    await tries(make_guard(ask()), call)
    approvals.vote(only(approvals).id, Person(name="rita"), approves=True)
    assert (await tries(make_guard(ask()), call)).allowed
    outcome = await tries(make_guard(ask()), call)
    assert not outcome.allowed
    assert "may be running, or have had its effect" in outcome.message


async def test_a_reviewer_who_does_not_answer(make_guard: Make, approvals: Approvals, call: ToolCall) -> None:
    outcome = await tries(make_guard(ask()), call, Says(never()))
    assert "No reviewer answered within" in outcome.message
    assert f"pending, approval {only(approvals).id}" in outcome.message


async def test_a_reviewer_who_may_not(make_guard: Make, approvals: Approvals, call: ToolCall) -> None:
    outcome = await tries(make_guard(ask(approvers=["sre"])), call, Says(APPROVES))
    assert not outcome.allowed
    approvals.vote(only(approvals).id, Person(name="carl", groups=frozenset({"sre"})), approves=True)
    assert (await tries(make_guard(ask(approvers=["sre"])), call, Says(APPROVES))).by == "reviewer:carl"


@pytest.mark.parametrize("answer", [APPROVES, REJECTS])
async def test_a_reviewer_who_comes_in_between(
    make_guard: Make, approvals: Approvals, call: ToolCall, answer: Any
) -> None:
    await tries(make_guard(ask()), call)
    outcome = await tries(make_guard(ask()), call, Says(answer))
    assert outcome.allowed is (answer is APPROVES)
    assert only(approvals).state is State.SUPERSEDED  # nobody approves it a second time


async def test_a_reviewer_who_fails_has_rejected(make_guard: Make, approvals: Approvals, call: ToolCall) -> None:
    assert not (await tries(make_guard(ask()), call, Says(OSError("gone")))).allowed
    assert approvals.listed(frozenset(State)) == []


async def test_a_question_of_no_questions_is_not_kept(make_guard: Make, approvals: Approvals, call: ToolCall) -> None:
    question = msgspec.structs.replace(call, tool="AskUserQuestion", input={"questions": []})
    assert "Nobody is there" in (await tries(make_guard(ask()), question)).message
    assert approvals.listed(frozenset(State)) == []


async def test_a_broken_store_denies(make_guard: Make, audit: AuditLog, approvals: Approvals, call: ToolCall) -> None:
    guard = make_guard(ask())
    await tries(guard, call)
    approvals.vote(only(approvals).id, Person(name="rita"), approves=True)
    with audit.transaction() as cursor:
        cursor.execute("DROP TABLE approval_vote")
    outcome = await tries(guard, call)
    assert not outcome.allowed
    assert "could not be settled" in outcome.message


async def test_with_the_shipped_policies(tmp_path: Path, call: ToolCall) -> None:
    config = Config(durable=True, level=2, root=str(tmp_path))
    unattended = Session(id="s1", principal="anna", unattended=True)
    change = msgspec.structs.replace(call, tool="Write", input={"file_path": "x", "content": "y"}, session=unattended)
    async with Guard.open(config) as guard:
        outcome = await tries(guard, change)
        assert "pending, approval" in outcome.message
        assert guard.approvals is not None
        approval = only(guard.approvals)
        assert approval.expires_at - approval.requested_at == 86_400
        guard.approvals.vote(approval.id, Person(name="rita"), approves=True)
        assert (await tries(guard, change)).allowed


async def test_functions_use_them_too(make_guard: Make, approvals: Approvals) -> None:
    ran: list[int] = []

    async def once() -> str:
        guard = make_guard(ask())
        return (await guard.execute_with_approval(lambda: ran.append(1), name="deploy", timeout=5)).status

    assert await once() == "rejected"
    approvals.vote(only(approvals).id, Person(name="rita"), approves=True)
    assert [await once(), await once()] == ["executed", "rejected"]
    assert ran == [1]
    assert State.EXECUTED in {a.state for a in approvals.listed(frozenset(State))}


async def test_a_policy_push_voids_only_what_became_stricter(tmp_path: Path, call: ToolCall) -> None:
    """The shipped policies, with other data: another revision for every process that comes later."""
    change = msgspec.structs.replace(call, tool="Write", input={"file_path": "x", "content": "y"})

    def guard(**tiers: Any) -> Guard:
        return Guard.open(Config(durable=True, level=2, root=str(tmp_path), data={"tiers": {"approval": tiers}}))

    async def outcome(opened: Guard) -> tuple[str, Outcome]:
        async with opened:
            return opened.revision, await tries(opened, change)

    first, asked = await outcome(guard())
    second, again = await outcome(guard(low={"expires_in": 77}))
    assert first != second
    assert again.pending == asked.pending  # what waits goes on waiting
    async with guard() as opened:
        assert opened.approvals is not None
        opened.approvals.vote(asked.pending, Person(name="rita"), approves=True)
    _, stricter = await outcome(guard(medium={"quorum": 2}))
    assert not stricter.allowed
    assert f"Approval {asked.pending} is void" in stricter.message
    async with guard() as opened:
        assert opened.approvals is not None
        waiting = (await tries(opened, change)).pending
        opened.approvals.cancel(waiting, "rita")
        waiting = (await tries(opened, change)).pending
        opened.approvals.vote(waiting, Person(name="rita"), approves=True)
    _, milder = await outcome(guard(medium={"expires_in": 60, "execution_expires_in": 60}))
    assert (milder.allowed, milder.ruling.approval) == (True, waiting)


def test_a_record_in_memory_keeps_none(tmp_path: Path) -> None:
    (tmp_path / "hitl.yaml").write_text("durable: true\naudit: ':memory:'\n")
    with pytest.raises(ConfigError, match="on disk"):
        load_config(tmp_path / "hitl.yaml")
