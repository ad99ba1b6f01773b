"""Races, between threads and between processes, and processes that are killed between two steps."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from doubles import ask, referee

from hitl_opa.approvals import Approval, Person, State
from hitl_opa.approvals.approvals import Approvals
from hitl_opa.approvals.job import NOTIFY, RESUME, Job
from hitl_opa.approvals.worker import Worker
from hitl_opa.audit import AuditLog
from hitl_opa.errors import ApprovalError
from hitl_opa.model import Agent, CallFacts, Decision, Document

DIGEST = "sha256:1"
RACERS = 200

DOCUMENT = Document(call=CallFacts(id="c1", tool="Bash", kind="shell", input={"command": "make deploy"}))


def request(approvals: Approvals) -> Approval:
    return approvals.request(DIGEST, DOCUMENT, msgspec.json.decode(ask(), type=Decision), "d1")


def states(audit: AuditLog) -> list[str]:
    return [r.get("extra")["state"] for r in audit.records() if r.kind in ("approval", "outcome")]


def racing(act: Any, count: int) -> list[Any]:
    with ThreadPoolExecutor(16) as pool:
        return list(pool.map(act, range(count)))


def test_threads_race_to_ask_and_to_decide(approvals: Approvals, audit: AuditLog) -> None:
    assert len({asked.id for asked in racing(lambda _: request(approvals), 50)}) == 1
    id = request(approvals).id

    def votes(n: int) -> bool:
        try:
            approvals.vote(id, Person(name=f"r{n}"), approves=n % 2 == 0)
        except ApprovalError as error:
            assert "already" in str(error)  # noqa: PT017
            return False
        return True

    assert sum(racing(votes, RACERS)) == 1
    decided = approvals.get(id)
    assert len(decided.votes) == 1
    assert decided.state is (State.APPROVED if decided.votes[0].approves else State.DENIED)
    assert states(audit) == ["pending", str(decided.state)]
    assert audit.verify().ok


def test_threads_race_to_use(approvals: Approvals, audit: AuditLog) -> None:
    id = request(approvals).id
    approvals.vote(id, Person(name="rita"), approves=True)
    assert sum(used is not None for used in racing(lambda _: approvals.consume(id, DIGEST), RACERS)) == 1
    assert states(audit) == ["pending", "approved", "executing"]
    assert audit.verify().ok


CHILD = """
    import os, signal, sys
    import msgspec
    from doubles import referee
    from hitl_opa.approvals.approvals import Approvals
    from hitl_opa.approvals import Person, store
    from hitl_opa.audit import AuditLog, Event, Kind
    from hitl_opa.errors import ApprovalError
    from hitl_opa.model import CallFacts, Decision, Document

    path, id, step = sys.argv[1:4]
    audit = AuditLog.open(path)
    approvals = Approvals.open(audit, redact=lambda v: v, referee=referee())

    def request():
        document = Document(call=CallFacts(id="c1", tool="Bash", kind="shell", input={"command": "make deploy"}))
        return approvals.request("sha256:1", document, msgspec.json.decode(sys.argv[4], type=Decision), "d1")

    def vote(reviewer="rita"):
        return approvals.vote(id, Person(name=reviewer), approves=True)

    def consume():
        return approvals.consume(id, "sha256:1")

    def settle():
        event = Event(kind=Kind.OUTCOME, decision_id="d1", tool="Bash", outcome="ran", matches=True)
        approvals.settle(id, "ran", event)
"""

RACE = """
    sys.stdin.readline()
    won = 0
    for n in range(25):
        try:
            won += consume() is not None if step == "consume" else bool(vote(f"{os.getpid()}-{n}"))
        except ApprovalError as error:
            assert "already" in str(error), error
    print(won)
"""

DIE = """
    def die(*_, **__):
        os.kill(os.getpid(), signal.SIGKILL)

    when = sys.argv[5]
    if when == "before":  # rows are written, the leaf is not, nothing is committed
        store.Transaction.record = die
        dict(request=request, vote=vote, consume=consume, settle=settle)[step]()
    elif when == "written":  # everything is written, nothing is committed
        real = store.Transaction.record
        def record(self, event):
            real(self, event)
            die()
        store.Transaction.record = record
        dict(request=request, vote=vote, consume=consume, settle=settle)[step]()
    else:
        dict(request=request, vote=vote, consume=consume, settle=settle)[step]()
        die()
"""


def child(body: str, *arguments: str) -> subprocess.Popen[str]:
    program = textwrap.dedent(CHILD) + textwrap.dedent(body)
    return subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)},
    )


@pytest.mark.parametrize("step", ["vote", "consume"])
def test_processes_race(audit: AuditLog, database: str, step: str) -> None:
    approvals = Approvals.open(audit, redact=lambda v: v, referee=referee())
    id = request(approvals).id
    if step == "consume":
        approvals.vote(id, Person(name="rita"), approves=True)
    racers = [child(RACE, database, id, step) for _ in range(8)]  # 25 tries each
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("go\n")
        racer.stdin.flush()
    said = [racer.communicate(timeout=120)[0] for racer in racers]
    assert [racer.returncode for racer in racers] == [0] * 8
    assert sum(int(won) for won in said) == 1
    assert approvals.get(id).state is (State.EXECUTING if step == "consume" else State.APPROVED)
    assert audit.verify().ok


STEPS = ["request", "vote", "consume", "settle"]
AFTER = [State.PENDING, State.APPROVED, State.EXECUTING, State.EXECUTED]


@pytest.mark.parametrize("when", ["before", "written", "after"])
@pytest.mark.parametrize("step", STEPS)
def test_killed_between_two_steps(audit: AuditLog, database: str, step: str, when: str) -> None:
    approvals = Approvals.open(audit, redact=lambda v: v, referee=referee())
    at = STEPS.index(step)
    id = ""
    if at > 0:
        id = request(approvals).id
    if at > 1:
        approvals.vote(id, Person(name="rita"), approves=True)
    if at > 2:
        assert approvals.consume(id, DIGEST) is not None
    dying = child(DIE, database, id, step, ask().decode(), when)
    dying.communicate(timeout=60)
    assert dying.returncode == -9
    found = approvals.listed(frozenset(State))
    reached = at if when == "after" else at - 1  # it happened with its record, or it did not happen
    assert [a.state for a in found] == ([AFTER[reached]] if reached >= 0 else [])
    assert states(audit) == [str(s) for s in AFTER[: reached + 1]]
    assert len([r for r in audit.records() if r.kind == "review"]) == (1 if reached >= 1 else 0)
    assert audit.verify().ok
    # whoever goes on from here lets the call through at most once
    id = request(approvals).id
    if reached >= 2:
        assert approvals.consume(found[0].id, DIGEST) is None
        assert approvals.get(id).state is State.PENDING
        return
    approvals.vote(id, Person(name="rita"), approves=True)
    assert [approvals.consume(id, DIGEST) is not None for _ in range(2)] == [True, False]


WORK = """
    import asyncio, time
    from hitl_opa.approvals.worker import Worker

    async def dies(job):
        os.kill(os.getpid(), signal.SIGKILL)

    asyncio.run(Worker(approvals.store, approvals, {step: dies}).once())
"""


@pytest.mark.parametrize("kind", [NOTIFY, RESUME])
async def test_killed_while_it_tells_or_resumes(audit: AuditLog, database: str, kind: str) -> None:
    """The job of a worker that died is another one's once its lease ends, and what it resumes runs at most once."""
    approvals = Approvals.open(audit, redact=lambda v: v, referee=referee())
    document = msgspec.structs.replace(DOCUMENT, agent=Agent(session="s1"))
    id = approvals.request(DIGEST, document, msgspec.json.decode(ask(), type=Decision), "d1").id
    approvals.vote(id, Person(name="rita"), approves=True)
    dying = child(WORK, database, id, kind)
    dying.communicate(timeout=60)
    assert dying.returncode == -9
    used: list[bool] = []

    async def handler(job: Job) -> None:
        used.append(approvals.consume(id, DIGEST) is not None)

    later = datetime.now(UTC) + timedelta(seconds=61)
    assert await Worker(approvals.store, approvals, {kind: handler}).once() == 0  # the lease still holds
    assert await Worker(approvals.store, approvals, {kind: handler}, clock=lambda: later).once() > 0
    assert used[0]
    assert not any(used[1:])
    # whoever used it died too: its outcome is unknown until a person has found out, and it is not run again
    after = Approvals.open(audit, redact=lambda v: v, referee=referee(), clock=lambda: later + timedelta(days=1))
    assert after.get(id).state is State.UNKNOWN
    assert after.consume(id, DIGEST) is None
    assert after.reconcile(id, Person(name="rita"), "executed", "It is there.").state is State.EXECUTED
    assert states(audit) == ["pending", "approved", "executing", "unknown", "executed"]
    assert audit.verify().ok


@pytest.mark.parametrize("when", ["before", "written", "after"])
def test_killed_between_two_votes(audit: AuditLog, database: str, when: str) -> None:
    """A vote that does not decide is there with its record, or not at all; the next one decides."""
    approvals = Approvals.open(audit, redact=lambda v: v, referee=referee())
    id = approvals.request(DIGEST, DOCUMENT, msgspec.json.decode(ask(quorum=2), type=Decision), "d1").id
    dying = child(DIE, database, id, "vote", ask().decode(), when)
    dying.communicate(timeout=60)
    assert dying.returncode == -9
    found = approvals.get(id)
    assert found.state is State.PENDING
    assert len(found.votes) == len([r for r in audit.records() if r.kind == "review"]) == (when == "after")
    for name in ("rita", "bob"):
        approvals.vote(id, Person(name=name), approves=True)
    assert approvals.get(id).state is State.APPROVED
    assert audit.verify().ok
