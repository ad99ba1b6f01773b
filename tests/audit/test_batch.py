"""Appends of one turn of the loop share a commit; each still succeeds or fails for itself."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hitl_opa.audit import AuditLog, Event, Kind
from hitl_opa.audit.batch import Batch
from hitl_opa.errors import AuditBusy, AuditError

Make = Callable[..., Event]


def _commits(log: AuditLog) -> list[str]:
    seen: list[str] = []
    log._open().set_trace_callback(lambda sql: seen.append(sql) if sql == "COMMIT" else None)
    return seen


async def test_one_turn_of_the_loop_is_one_commit(log: AuditLog, event: Make) -> None:
    batch, commits = Batch(log), _commits(log)
    receipts = await asyncio.gather(*(batch.append(event(number)) for number in range(20)))
    assert len(commits) == 1
    assert [receipt.seq for receipt in receipts] == list(range(20))
    assert [record.leaf["decision_id"] for record in log.records()] == [f"d{number}" for number in range(20)]
    assert (await batch.append(event(20))).seq == 20
    assert len(commits) == 2
    assert log.verify().ok


async def test_on_return_it_is_in_the_file(path: Path, log: AuditLog, event: Make) -> None:
    await Batch(log).append(event(1))
    with AuditLog.open(path, readonly=True) as reader:
        assert [record.leaf["decision_id"] for record in reader.records()] == ["d1"]


async def test_a_commit_that_fails_fails_all_of_its_turn(log: AuditLog, event: Make) -> None:
    batch = Batch(log)
    await batch.append(event())
    log._open().execute("PRAGMA query_only = ON")
    results = await asyncio.gather(*(batch.append(event(number)) for number in range(5)), return_exceptions=True)
    assert [type(result) for result in results] == [AuditError] * 5
    log._open().execute("PRAGMA query_only = OFF")
    assert (await batch.append(event(9))).seq == 1
    assert log.verify().ok


async def test_an_event_that_cannot_be_sealed_fails_alone(path: Path) -> None:
    def redact(value: Any) -> Any:
        if value["payload"].get("detail") == "bad":
            raise ValueError("no")
        return value

    with AuditLog.open(path, redact=redact) as log:
        batch = Batch(log)
        events = [Event(kind=Kind.NOTE, detail=detail) for detail in ("a", "bad", "b")]
        results = await asyncio.gather(*map(batch.append, events), return_exceptions=True)
        assert [isinstance(result, AuditError) for result in results] == [False, True, False]
        assert [record.payload for record in log.records()] == [{"detail": "a"}, {"detail": "b"}]


async def test_who_gives_up_does_not_disturb_the_others(log: AuditLog, event: Make) -> None:
    batch = Batch(log)
    tasks = [asyncio.create_task(batch.append(event(number))) for number in range(3)]
    await asyncio.sleep(0)
    tasks[1].cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(results[1], asyncio.CancelledError)
    assert [results[0].seq, results[2].seq] == [0, 2]  # type: ignore[union-attr]  what is under way stays on the record
    assert log.verify().records == 3


async def test_a_closed_or_readonly_log_takes_nothing(path: Path, log: AuditLog, event: Make) -> None:
    with AuditLog.open(path, readonly=True) as reader, pytest.raises(AuditError, match="opened to be read"):
        await Batch(reader).append(event())
    log.close()
    with pytest.raises(AuditError, match="closed"):
        await Batch(log).append(event())


async def test_while_another_process_writes_the_loop_goes_on(path: Path, log: AuditLog, event: Make) -> None:
    log.append(event())
    batch, other = Batch(log), sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    tasks = [asyncio.create_task(batch.append(event(1)))]
    await asyncio.sleep(0.02)  # the loop is not held up
    tasks.append(asyncio.create_task(batch.append(event(2))))
    await asyncio.sleep(0.02)
    assert not any(task.done() for task in tasks)
    other.execute("ROLLBACK")
    assert [receipt.seq for receipt in await asyncio.gather(*tasks)] == [1, 2]
    other.close()
    assert log.verify().ok


async def test_who_never_lets_go_fails_every_append(path: Path, event: Make) -> None:
    with AuditLog.open(path, timeout=0.05) as log:
        batch, other = Batch(log), sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        results = await asyncio.gather(*(batch.append(event(n)) for n in range(3)), return_exceptions=True)
        assert [type(result) for result in results] == [AuditBusy] * 3
        other.close()
        assert (await batch.append(event(4))).seq == 0
