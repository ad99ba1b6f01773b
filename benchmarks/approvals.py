"""What approvals get done on both databases: racing decisions, jobs, and the first page of a long queue.

800 decisions race (16 threads, then 4 processes of 4 threads) for 50 approvals, each with its vote,
its record and its jobs in one transaction: exactly 50 win, and exactly 50 sessions are to be resumed. Then
workers take all jobs. Then 10,000 approvals wait, and a reviewer opens the queue (budget: 200 ms).

    python benchmarks/approvals.py [--json] [--pending N] [--database URL]

Without ``--database`` a PostgreSQL server is started for the run, where one is installed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from importlib import import_module
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import msgspec
import sqlalchemy as sql

from hitl_opa.approvals import Approval, Person, Query, State
from hitl_opa.approvals.approvals import Approvals
from hitl_opa.approvals.job import NOTIFY, RESUME, Job
from hitl_opa.approvals.outbox import Outbox
from hitl_opa.approvals.tables import APPROVAL
from hitl_opa.approvals.worker import Worker
from hitl_opa.audit import AuditLog
from hitl_opa.errors import ApprovalError
from hitl_opa.model import (
    Agent,
    Ballot,
    CallFacts,
    Decision,
    Document,
    Judgement,
    Obligation,
    Policy,
    Redecided,
    Risk,
    Verdict,
)

APPROVALS, DECISIONS, PAGE = 50, 800, 50
BUDGET = 200.0  # ms: the first page of the queue, as one request reads it

DECISION = Decision(
    verdict=Verdict.ASK,
    risk=Risk.HIGH,
    reason="It deploys.",
    obligations=[Obligation(id="a", type="approval", properties={"permission": "confirm", "quorum": 1})],
    policy=Policy(revision="r"),
)
QUEUE = Query(states=frozenset({State.PENDING}), limit=PAGE, order="urgent")


class Yes:
    """Everybody's word counts, and one decides: what is measured is the store, not policy."""

    def judge(self, ballot: Ballot) -> Judgement:
        approves = ballot.approves
        return Judgement(counts=True, outcome="approved" if approves else "denied", reason="", rule="")

    def redecide(self, document: Document, input: dict[str, Any], *, canary: bool = False) -> Redecided:
        raise NotImplementedError("nothing is edited here")


@contextmanager
def opened(name: str) -> Iterator[Approvals]:
    with AuditLog.open(name, timeout=120) as audit:
        yield Approvals.open(audit, redact=lambda value: value, referee=Yes())


def ask(approvals: Approvals, number: int) -> Approval:
    document = Document(
        call=CallFacts(id=f"c{number}", tool="Bash", kind="shell", input={"command": f"make deploy-{number}"}),
        agent=Agent(session=f"s{number}", principal="anna"),
    )
    return approvals.request(f"sha256:{number}", document, DECISION, f"d{number}")


def decide(approvals: Approvals, ids: list[str], number: int) -> int:
    """One reviewer's word; 1 where it decided."""
    try:
        approvals.vote(ids[number % len(ids)], Person(name=f"r{number}"), approves=number % 3 > 0)
    except ApprovalError:
        return 0
    return 1


def decide_many(name: str, ids: list[str], numbers: list[int]) -> int:
    with opened(name) as approvals, ThreadPoolExecutor(4) as pool:
        return sum(pool.map(partial(decide, approvals, ids), numbers))


def race(name: str, processes: bool) -> dict[str, Any]:
    with opened(name) as approvals:
        before = {job.approval for job in Outbox(approvals.store).jobs() if job.kind == RESUME}
        base = len(approvals.search(Query(limit=10**9)))
        ids = [ask(approvals, base + number).id for number in range(APPROVALS)]
        numbers = list(range(DECISIONS))
        began = time.perf_counter()
        if processes:
            with ProcessPoolExecutor(4, mp_context=get_context("spawn")) as pool:
                won = sum(pool.map(partial(decide_many, name, ids), [numbers[at::4] for at in range(4)]))
        else:
            with ThreadPoolExecutor(16) as threads:
                won = sum(threads.map(partial(decide, approvals, ids), numbers))
        seconds = time.perf_counter() - began
        resumes = {job.approval for job in Outbox(approvals.store).jobs() if job.kind == RESUME} - before
        votes = sum(len(approvals.get(id).votes) for id in ids)
    return {
        "decisions_a_second": round(DECISIONS / seconds),
        "seconds": round(seconds, 2),
        "winners": won,
        "votes": votes,
        "resumes": len(resumes),
    }


def work(name: str) -> dict[str, Any]:
    """All jobs of the races, by one worker whose handlers do nothing."""
    done = 0

    async def handler(job: Job) -> None:  # noqa: ARG001
        nonlocal done
        done += 1

    with opened(name) as approvals:
        worker = Worker(approvals.store, approvals, dict.fromkeys((NOTIFY, RESUME), handler), parallel=16)
        began = time.perf_counter()
        asyncio.run(worker.once())
        seconds = time.perf_counter() - began
    return {"jobs": done, "jobs_a_second": round(done / seconds)}


def queue(name: str, pending: int) -> dict[str, Any]:
    with opened(name) as approvals:
        first = ask(approvals, 10**6)
        _fill(approvals, first, pending - 1)
        waiting = approvals.counts()[State.PENDING]

        def deep() -> None:
            after = ""
            for _ in range(4):
                after = approvals.search(msgspec.structs.replace(QUEUE, after=after))[-1].id

        page = _median(lambda: (approvals.search(QUEUE), approvals.counts()))
        return {
            "pending": waiting,
            "first_page_ms": page,
            "four_pages_ms": _median(deep),
            "search_ms": _median(lambda: approvals.search(msgspec.structs.replace(QUEUE, text="deploy-1000000"))),
            "get_ms": _median(lambda: approvals.get(first.id)),
        }


def _fill(approvals: Approvals, like: Approval, count: int) -> None:
    """So many more that wait. Their rows only: asking for each would fill the record, which is not what is measured."""
    with approvals.store.connected() as connection:
        row = dict(connection.execute(sql.select(APPROVAL).where(APPROVAL.c.id == like.id)).mappings().one())
        rows = [
            {
                **row,
                "id": str(uuid.uuid4()),
                "digest": f"fill:{at}",
                "risk": str(list(Risk)[at % len(Risk)]),
                "requested_at": row["requested_at"] - at,
                "expires_at": row["expires_at"] - at % 1000,
            }
            for at in range(1, count + 1)
        ]
        connection.execute(APPROVAL.insert(), rows)


def _median(call: Callable[[], Any], rounds: int = 15) -> float:
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        call()
        times.append((time.perf_counter() - began) * 1000)
    return round(statistics.median(times), 1)


def measure(name: str, pending: int) -> dict[str, Any]:
    return {
        "threads": race(name, processes=False),
        "processes": race(name, processes=True),
        "worker": work(name),
        "queue": queue(name, pending),
    }


def faults(results: dict[str, Any]) -> list[str]:
    found = []
    for database, result in results.items():
        for kind in ("threads", "processes"):
            for what in ("winners", "votes", "resumes"):
                if (count := result[kind][what]) != APPROVALS:
                    found.append(f"{database}: {count} {what} of {APPROVALS} ({kind})")
        if result["queue"]["first_page_ms"] > BUDGET:
            found.append(f"{database}: the first page takes {result['queue']['first_page_ms']} ms")
    return found


def show(results: dict[str, Any]) -> None:
    width = 14
    print(f"{'':44}" + "".join(f"{name:>{width}}" for name in results))
    for label, part, field in (
        ("decisions/s, 16 threads", "threads", "decisions_a_second"),
        ("  winners, resumes to do (of 50)", "threads", "resumes"),
        ("decisions/s, 4 processes of 4 threads", "processes", "decisions_a_second"),
        ("  winners, resumes to do (of 50)", "processes", "resumes"),
        ("jobs/s, one worker", "worker", "jobs_a_second"),
        ("approvals that wait", "queue", "pending"),
        ("  first page of 50 and counts, ms", "queue", "first_page_ms"),
        ("  four pages, ms", "queue", "four_pages_ms"),
        ("  search for a word, ms", "queue", "search_ms"),
        ("  one approval, ms", "queue", "get_ms"),
    ):
        print(f"{label:44}" + "".join(f"{result[part][field]:>{width},}" for result in results.values()))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--pending", type=int, default=10_000)
    parser.add_argument("--database", help="an empty PostgreSQL database")
    arguments = parser.parse_args()
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        names = {"sqlite": str(Path(folder) / "hitl.db")}
        if arguments.database:
            names["postgresql"] = arguments.database
        else:
            sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
            server = import_module("postgres").Server()
            stack.callback(server.remove)
            names["postgresql"] = server.create()
        results = {kind: measure(name, arguments.pending) for kind, name in names.items()}
    wrong = faults(results)
    if arguments.json:
        print(json.dumps({**results, "faults": wrong}))
    else:
        show(results)
        print("\n".join(wrong))
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
