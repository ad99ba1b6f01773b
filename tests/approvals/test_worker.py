"""Jobs that follow from changes: done at least once, by one worker at a time, tried again, given up in sight."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from doubles import ask

from hitl_opa.approvals import Approval, Person, State
from hitl_opa.approvals.approvals import Approvals
from hitl_opa.approvals.job import NOTIFY, RESUME, Job
from hitl_opa.approvals.outbox import Outbox
from hitl_opa.approvals.worker import Step, Worker
from hitl_opa.errors import HitlError
from hitl_opa.model import Agent, CallFacts, Decision, Document

RITA = Person(name="rita")


def request(approvals: Approvals, digest: str = "sha256:1", session: str = "s1", **properties: Any) -> Approval:
    document = Document(
        call=CallFacts(id="c1", tool="Bash", kind="shell", input={"command": "make deploy"}),
        agent=Agent(session=session, principal="anna"),
    )
    return approvals.request(digest, document, msgspec.json.decode(ask(**properties), type=Decision), "d1")


class Handles:
    """A handler that remembers, and fails as often as it is told to."""

    def __init__(self, *failures: str) -> None:
        self.jobs: list[Job] = []
        self._failures = list(failures)

    async def __call__(self, job: Job) -> None:
        self.jobs.append(job)
        if self._failures:
            raise ValueError(self._failures.pop(0))


@pytest.fixture
def outbox(approvals: Approvals) -> Outbox:
    return Outbox(approvals.store)


@pytest.fixture
def told() -> list[Step]:
    return []


@pytest.fixture
def make(approvals: Approvals, clock: Any, told: list[Step]) -> Callable[..., Worker]:
    def make(*, told: Callable[[Step], None] = told.append, **settings: Any) -> Worker:
        handlers = settings.pop("handlers", {name: settings.pop(name) for name in (NOTIFY, RESUME) if name in settings})
        return Worker(approvals.store, approvals, handlers, clock=clock, told=told, **settings)

    return make


def kinds(outbox: Outbox) -> list[tuple[str, str]]:
    return sorted((job.kind, job.approval) for job in outbox.jobs())


async def test_a_change_has_people_told_and_a_decision_has_the_session_resumed(
    approvals: Approvals, outbox: Outbox, make: Callable[..., Worker]
) -> None:
    asked = request(approvals)
    assert kinds(outbox) == [(NOTIFY, asked.id)]
    notify, resume = Handles(), Handles()
    worker = make(notify=notify, resume=resume)
    assert await worker.once() == 1
    approvals.vote(asked.id, RITA, approves=True)
    assert kinds(outbox) == [(NOTIFY, asked.id), (RESUME, asked.id)]
    assert await worker.once() == 2
    assert [job.approval for job in notify.jobs] == [asked.id] * 2
    assert [job.approval for job in resume.jobs] == [asked.id]
    assert kinds(outbox) == []


@pytest.mark.parametrize("how", ["approve", "reject", "cancel", "expire", "supersede", "lapse"])
def test_whoever_waits_is_resumed_whatever_was_decided(
    approvals: Approvals, outbox: Outbox, clock: Any, how: str
) -> None:
    asked = request(approvals, expires_in=10, execution_expires_in=10)
    match how:
        case "approve" | "reject":
            approvals.vote(asked.id, RITA, approves=how == "approve")
        case "cancel":
            approvals.cancel(asked.id, "rita")
        case "expire":
            clock.forward(10)
            approvals.tick()
        case "supersede":  # by the call itself, which is asked again
            approvals.supersede(asked.id, "stricter")
        case "lapse":
            approvals.vote(asked.id, RITA, approves=True)
            clock.forward(10)
            assert approvals.get(asked.id).state is State.LAPSED
    assert ((RESUME, asked.id) in kinds(outbox)) is (how != "supersede")


async def test_many_changes_are_one_job(approvals: Approvals, outbox: Outbox, make: Callable[..., Worker]) -> None:
    asked = request(approvals, quorum=2)
    approvals.view(asked.id, RITA)
    approvals.vote(asked.id, Person(name="bob"), approves=False)
    assert kinds(outbox) == [(NOTIFY, asked.id), (RESUME, asked.id)]
    assert next(job for job in outbox.jobs() if job.kind == NOTIFY).wanted == 3


async def test_what_changes_while_it_is_done_is_done_again(
    approvals: Approvals, outbox: Outbox, make: Callable[..., Worker]
) -> None:
    asked = request(approvals)
    seen: list[State] = []

    async def notify(job: Job) -> None:
        seen.append(approvals.get(job.approval).state)
        if len(seen) == 1:
            approvals.vote(asked.id, RITA, approves=True)

    await make(notify=notify).once()
    assert seen == [State.PENDING, State.APPROVED]
    assert kinds(outbox) == [(RESUME, asked.id)]  # nobody handles those here


async def test_what_fails_is_tried_again_later_and_later_and_given_up_in_sight(
    approvals: Approvals, outbox: Outbox, make: Callable[..., Worker], clock: Any, told: list[Step]
) -> None:
    request(approvals, digest="sha256:other", session="s2")
    asked = request(approvals)
    notify = Handles(*(["no route"] * 8))
    worker = make(notify=notify, retries=4)
    assert await worker.once() == 2
    assert await worker.once() == 0
    for seconds in (1, 2, 4):
        clock.forward(seconds - 0.01)
        assert await worker.once() == 0
        clock.forward(0.01)
        assert await worker.once() == 2
    clock.forward(1000)
    assert await worker.once() == 0
    dead = outbox.jobs()
    assert [(job.dead, job.failures, job.error) for job in dead] == [(True, 4, "no route")] * 2
    assert [step.status for step in told] == ["failed"] * 6 + ["dead"] * 2
    assert outbox.retry(NOTIFY, asked.id)
    assert not outbox.retry(RESUME, asked.id)
    assert await worker.once() == 1
    assert kinds(outbox) == [(NOTIFY, next(job.approval for job in dead if job.approval != asked.id))]


async def test_a_change_revives_what_was_given_up(
    approvals: Approvals, outbox: Outbox, make: Callable[..., Worker]
) -> None:
    asked = request(approvals)
    worker = make(notify=Handles("no route"), retries=1)
    await worker.once()
    assert outbox.jobs()[0].dead
    approvals.view(asked.id, RITA)
    assert await worker.once() == 1
    assert kinds(outbox) == []


async def test_who_went_silent_has_lost_the_job(
    approvals: Approvals, outbox: Outbox, make: Callable[..., Worker], clock: Any
) -> None:
    request(approvals)
    now = clock().timestamp()
    (lost,) = outbox.claim([NOTIFY], now=now, lease=60, limit=10)
    assert outbox.claim([NOTIFY], now=now + 59, lease=60, limit=10) == []
    (taken,) = outbox.claim([NOTIFY], now=now + 60, lease=60, limit=10)
    assert taken.attempt == lost.attempt + 1
    for late in (
        outbox.done(lost),
        outbox.failed(lost, "late", 0.0),
        outbox.bury(lost, "late"),
        outbox.release(lost),
        outbox.extend(lost, 1e12),
    ):
        assert late is False
    assert [(job.attempt, job.error, job.dead) for job in outbox.jobs()] == [(taken.attempt, "", False)]
    assert outbox.done(taken)
    assert outbox.jobs() == []


async def test_a_lease_is_renewed_while_its_handler_works(
    approvals: Approvals, outbox: Outbox, make: Callable[..., Worker], clock: Any, told: list[Step]
) -> None:
    request(approvals)
    until: list[float] = []

    async def notify(job: Job) -> None:
        while len(set(until)) < 3:
            clock.forward(0.001)
            until.append(outbox.jobs()[0].lease_until)
            await asyncio.sleep(0.005)

    await make(notify=notify, lease=0.03).once()
    assert [step.status for step in told] == ["done"]


async def test_a_handler_stops_when_another_worker_has_its_job(
    approvals: Approvals, outbox: Outbox, make: Callable[..., Worker], clock: Any, told: list[Step]
) -> None:
    request(approvals)
    stopped = []

    async def notify(job: Job) -> None:
        outbox.claim([NOTIFY], now=job.lease_until, lease=60, limit=1)
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            stopped.append(job)
            raise

    await make(notify=notify, lease=0.03).once()
    assert [step.status for step in told] == ["lost"]
    assert len(stopped) == 1


async def test_stopping_lets_a_handler_end_or_gives_its_job_back(
    approvals: Approvals, outbox: Outbox, make: Callable[..., Worker], told: list[Step]
) -> None:
    request(approvals)
    stop = asyncio.Event()

    async def ends(job: Job) -> None:
        stop.set()
        await asyncio.sleep(0.01)

    async def hangs(job: Job) -> None:
        stop.set()
        await asyncio.Event().wait()

    await asyncio.wait_for(make(notify=hangs).run(stop, grace=0.01), 30)
    stop.clear()
    await asyncio.wait_for(make(notify=ends).run(stop), 30)
    assert [step.status for step in told] == ["released", "done"]
    assert kinds(outbox) == []


async def test_running_it_sees_what_comes_and_what_time_does(
    approvals: Approvals, make: Callable[..., Worker], clock: Any
) -> None:
    stop, resumed = asyncio.Event(), asyncio.Event()

    async def resume(job: Job) -> None:
        if approvals.get(job.approval).state is State.EXPIRED:
            resumed.set()

    running = asyncio.create_task(make(resume=resume).run(stop))
    asked = request(approvals, expires_in=10)
    clock.forward(10)
    await asyncio.wait_for(resumed.wait(), 30)
    stop.set()
    await running
    assert approvals.get(asked.id).state is State.EXPIRED


async def test_a_database_that_fails_for_a_while_is_tried_again(
    approvals: Approvals, make: Callable[..., Worker], monkeypatch: pytest.MonkeyPatch, told: list[Step]
) -> None:
    monkeypatch.setattr("hitl_opa.approvals.worker.FIRST_DELAY", 0.001)
    request(approvals)
    stop, tick, failures = asyncio.Event(), approvals.tick, [HitlError("down"), HitlError("down")]

    def sometimes() -> int:
        if failures:
            raise failures.pop()
        return tick()

    async def notify(job: Job) -> None:
        stop.set()

    monkeypatch.setattr(approvals, "tick", sometimes)
    await asyncio.wait_for(make(notify=notify).run(stop), 30)
    assert [(step.kind, step.status) for step in told] == [("database", "failed")] * 2 + [(NOTIFY, "done")]


async def test_workers_share_the_jobs(approvals: Approvals, outbox: Outbox, make: Callable[..., Worker]) -> None:
    asked = [request(approvals, digest=f"sha256:{n}") for n in range(20)]
    notify = Handles()
    await asyncio.gather(*(make(notify=notify).once() for _ in range(4)))
    assert sorted(job.approval for job in notify.jobs) == sorted(approval.id for approval in asked)
    assert {job.attempt for job in notify.jobs} == {1}


def test_a_change_that_does_not_happen_has_no_job(
    approvals: Approvals, outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: Any, **__: Any) -> None:
        raise OSError("no room")

    asked: Approval = request(approvals)
    monkeypatch.setattr(approvals.store.audit, "append", fails)
    with pytest.raises(OSError, match="no room"):
        approvals.vote(asked.id, RITA, approves=True)
    assert kinds(outbox) == [(NOTIFY, asked.id)]
    assert outbox.jobs()[0].wanted == 1
