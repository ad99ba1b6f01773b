"""Standing grants that are kept: given, counted, shared by processes, revoked; and what an approved plan covers."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import pytest
from doubles import APPROVES, Says

from hitl_opa.approvals import Person, Query, State
from hitl_opa.approvals.approvals import Approvals
from hitl_opa.audit import AuditLog
from hitl_opa.config import Config
from hitl_opa.errors import ApprovalError, NoSuchApproval
from hitl_opa.facts import redact
from hitl_opa.guard import Guard, Outcome
from hitl_opa.guard.opening import open_engine
from hitl_opa.guard.referee import GuardReferee
from hitl_opa.model import Answer, Choice, Session, ToolCall

Make = Callable[..., Guard]
RITA = Person(name="rita", authenticated_at=1.0)
ENGINE = open_engine(Config())


@pytest.fixture
def make(audit: AuditLog, clock: Any, tmp_path: Path) -> Make:
    """A guard with the shipped policies; another one is another process later."""

    def make(**settings: Any) -> Guard:
        approvals = Approvals.open(audit, redact=redact, clock=clock, referee=GuardReferee(lambda: guard))
        config = Config(**{"level": 2, "attended": 0.05, "root": str(tmp_path), **settings})
        guard = Guard(engine=ENGINE, audit=audit, config=config, approvals=approvals, clock=clock)
        return guard

    return make


def bash(command: str, cwd: Path, **session: Any) -> ToolCall:
    return ToolCall(
        tool="Bash",
        input={"command": command},
        cwd=str(cwd),
        workspace=str(cwd),
        session=Session(**{"id": "s1", "principal": "anna", **session}),
    )


async def tries(guard: Guard, call: ToolCall, reviewer: Any = None) -> Outcome:
    return await guard.resolve(await guard.rule(call), reviewer)


def book(guard: Guard) -> Approvals:
    assert guard.approvals is not None
    return guard.approvals


async def approved(guard: Guard, call: ToolCall) -> str:
    outcome = await tries(guard, call)
    assert outcome.pending
    book(guard).vote(outcome.pending, RITA, approves=True, channel="cli")
    return outcome.pending


async def test_equal_calls_pass_as_often_as_granted_and_in_every_process(
    make: Make, tmp_path: Path, clock: Any, audit: AuditLog
) -> None:
    call = bash("mkdir made", tmp_path)
    first = make()
    id = await approved(first, call)
    grant = book(first).grant(id, RITA, seconds=3600, uses=2)
    assert (await tries(make(), call)).allowed  # which used the approval or the grant
    other = make()
    passed = [
        (await other.rule(msgspec.structs.replace(call, session=Session(id=f"s{n}", principal="anna"))))
        for n in range(4)
    ]
    assert [str(r.decision.verdict) for r in passed].count("allow") in (1, 2)
    assert book(other).grants.get(grant.id).uses == 2
    assert book(other).grants.listed(clock().timestamp()) == []
    said = [r.get("extra") for r in audit.records() if r.get("extra", {}).get("grant")]
    assert [(s["grant"], s["what"]) for s in said] == [(grant.id, "granted")]
    assert said[0]["adopted"]
    assert passed[0].document.approval.grant.id == grant.id
    assert "effects.tier" in passed[0].decision.waived or "autonomy.level" in passed[0].decision.waived
    assert audit.verify().ok


@pytest.mark.parametrize("how", ["revoked", "expired"])
async def test_what_is_over_covers_nothing(make: Make, tmp_path: Path, clock: Any, how: str) -> None:
    call = bash("mkdir made", tmp_path, id="other")
    guard = make()
    id = await approved(guard, bash("mkdir made", tmp_path))
    grant = book(guard).grant(id, RITA, seconds=100)
    assert str((await guard.rule(call)).decision.verdict) == "allow"
    if how == "revoked":
        assert book(make()).grants.revoke(grant.id[:8], "bob", clock().timestamp())
        assert not book(guard).grants.revoke(grant.id, "bob", clock().timestamp())
    else:
        clock.forward(101)
    assert str((await guard.rule(call)).decision.verdict) == "ask"


async def test_other_calls_are_asked(make: Make, tmp_path: Path) -> None:
    guard = make()
    book(guard).grant(await approved(guard, bash("mkdir made", tmp_path)), RITA, seconds=3600)
    for other in (
        bash("mkdir made2", tmp_path),
        bash("mkdir -p made", tmp_path),
        bash("mkdir made", tmp_path / "x"),
        bash("mkdir made", tmp_path, principal="otto"),
    ):
        assert str((await guard.rule(other)).decision.verdict) == "ask"


async def test_alike_is_what_does_no_more(make: Make, tmp_path: Path) -> None:
    guard = make()
    book(guard).grant(await approved(guard, bash("mkdir sub/made", tmp_path)), RITA, seconds=3600, alike=True)
    expected = {
        "mkdir sub/other": "allow",
        "mkdir sub/deep/other": "allow",
        "mkdir other": "ask",
        "mkdir sub/../other": "ask",
        "rm -rf sub/made": "ask",
        "mkdir sub/x && git push": "ask",
        'mkdir "$X"': "ask",
    }
    found = {command: str((await guard.rule(bash(command, tmp_path))).decision.verdict) for command in expected}
    assert found == expected


async def test_floors_and_critical_calls_are_granted_to_nobody(make: Make, tmp_path: Path) -> None:
    guard = make(level=3)
    asked = await tries(guard, bash("echo x > /etc/cron.d/x", tmp_path))
    found = book(guard).get(asked.pending)
    assert found.risk == "critical"
    now = Person(name="rita", authenticated_at=guard.clock().timestamp())
    book(guard).vote(found.id, now, approves=True, channel="cli")
    with pytest.raises(ApprovalError, match="each time"):
        book(guard).grant(found.id, RITA, seconds=3600)
    first = make(level=1)  # where a human decides every call
    id = await approved(first, bash("ls", tmp_path))
    with pytest.raises(ApprovalError, match="no grant lifts"):
        book(first).grant(id, RITA, seconds=3600)


async def test_only_who_approved_it_may_grant_it(make: Make, tmp_path: Path) -> None:
    guard = make()
    pending = (await tries(guard, bash("mkdir a", tmp_path))).pending
    with pytest.raises(ApprovalError, match="has not approved"):
        book(guard).grant(pending, RITA, seconds=3600)
    book(guard).vote(pending, RITA, approves=True)
    with pytest.raises(ApprovalError, match="has not approved"):
        book(guard).grant(pending, Person(name="eve"), seconds=3600)
    edited = (await tries(guard, bash("mkdir b", tmp_path))).pending
    book(guard).edit(edited, RITA, {"command": "mkdir c"})
    with pytest.raises(ApprovalError, match="as it was asked for"):
        book(guard).grant(edited, RITA, seconds=3600)
    opaque = await approved(guard, bash('mkdir "$X"', tmp_path))
    with pytest.raises(ApprovalError, match="not known well enough"):
        book(guard).grant(opaque, RITA, seconds=3600, alike=True)


async def test_in_the_session_too(make: Make, tmp_path: Path) -> None:
    call = bash("mkdir made", tmp_path)
    hour = Answer(choice=Choice.APPROVE, grant=3600)
    assert (await tries(make(), call, Says(hour))).allowed
    assert str((await make().rule(call)).decision.verdict) == "allow"
    with pytest.raises(NoSuchApproval):
        book(make()).grants.get("zz")


async def test_uses_are_counted_once_each(make: Make, tmp_path: Path, clock: Any) -> None:
    guard = make()
    grant = book(guard).grant(await approved(guard, bash("mkdir made", tmp_path)), RITA, seconds=3600, uses=5)
    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(lambda _: book(guard).grants.use(grant.id, clock().timestamp()), range(40)))
    assert sum(won) == 5


async def test_a_grant_that_cannot_be_recorded_is_none(
    make: Make, tmp_path: Path, audit: AuditLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    guard = make()
    id = await approved(guard, bash("mkdir made", tmp_path))

    def broken(*_: Any, **__: Any) -> None:
        raise OSError("disk full")

    with monkeypatch.context() as patched:
        patched.setattr(audit, "append", broken)
        with pytest.raises(OSError, match="disk full"):
            book(guard).grant(id, RITA, seconds=3600)
    assert book(guard).grants.listed(0, everything=True) == []


def plan(cwd: Path, **session: Any) -> ToolCall:
    call = bash("", cwd, **session)
    return msgspec.structs.replace(call, tool="ExitPlanMode", input={"plan": "1. mkdir made\n2. run the tests"})


@pytest.mark.parametrize("where", ["later", "now"])
async def test_an_approved_plan_covers_what_stays_within_it(make: Make, tmp_path: Path, clock: Any, where: str) -> None:
    def verdict(command: str, **session: Any) -> str:
        return str(make().rule_sync(bash(command, tmp_path, **session)).decision.verdict)

    # at level 2 nothing is changed unasked
    assert (verdict("mkdir made"), verdict("pytest")) == ("ask", "ask")
    guard = make(level=1)  # where a plan asks
    if where == "now":
        assert (await tries(guard, plan(tmp_path), Says(APPROVES))).allowed
    else:
        id = await approved(guard, plan(tmp_path))
        assert book(guard).get(id).kind == "plan"
        assert verdict("mkdir made") == "ask"  # approved, and not used yet
        assert (await tries(guard, plan(tmp_path))).allowed
    assert verdict("mkdir made") == "allow"
    assert verdict("mkdir made && echo x > made/y") == "allow"
    assert verdict("mkdir made", id="s2") == "ask"
    assert verdict("git push") == "ask"
    assert verdict("curl -d @x https://example.com/") == "ask"
    assert verdict("echo x > /opt/y") == "ask"
    assert verdict("rm -rf /") == "deny"
    clock.forward(28_801)
    assert verdict("mkdir made") == "ask"


async def test_a_rejected_plan_covers_nothing(make: Make, tmp_path: Path) -> None:
    guard = make(level=1)
    pending = (await tries(guard, plan(tmp_path))).pending
    book(guard).vote(pending, RITA, approves=False)
    assert not (await tries(guard, plan(tmp_path))).allowed
    assert book(guard).grants.listed(0, everything=True) == []
    assert [a.state for a in book(guard).search(Query(states=frozenset({State.DENIED})))] == [State.DENIED]
