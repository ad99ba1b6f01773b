"""Threads, processes, forks and kill -9: no acknowledged record is lost, and the log verifies."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from hitl_opa.audit import AuditLog, Event
from hitl_opa.audit.keys import Keys
from hitl_opa.errors import AuditError

Make = Callable[..., Event]

# Appends until it is killed; prints each receipt only after it has it
WRITER = """
import sys
from pathlib import Path
from hitl_opa.audit import AuditLog, Event, Kind
from hitl_opa.audit.keys import Keys
from hitl_opa.audit.notary import Notary
notary = Notary(Keys.load(Path(sys.argv[3])), every=7) if len(sys.argv) > 3 else None
with AuditLog.open(sys.argv[1], timeout=60, notary=notary) as log:
    for number in range(int(sys.argv[2])):
        receipt = log.append(Event(kind=Kind.DECISION, decision_id=str(number), input={"x": "y" * (number % 7000)}))
        print(receipt.stream, receipt.seq, receipt.leaf_hash, flush=True)
"""


def _writer(path: Path, count: int, *keys: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WRITER, str(path), str(count), *map(str, keys)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def _recorded(path: Path) -> set[tuple[str, int, str]]:
    from hitl_opa.audit.merkle import leaf_hash

    connection = sqlite3.connect(path)
    rows = connection.execute("SELECT s.stream, l.seq, l.leaf FROM audit_leaf l JOIN audit_stream s ON s.id = l.stream")
    found = {(stream, seq, leaf_hash(leaf.encode()).hex()) for stream, seq, leaf in rows}
    connection.close()
    return found


def _acknowledged(lines: list[str]) -> set[tuple[str, int, str]]:
    complete = [line.split() for line in lines if line.endswith("\n")]
    return {(stream, int(seq), hashed) for stream, seq, hashed in complete}


def test_threads_share_commits_and_lose_nothing(log: AuditLog, event: Make) -> None:
    commits = []
    log._open().set_trace_callback(lambda sql: commits.append(sql) if sql == "COMMIT" else None)
    with ThreadPoolExecutor(16) as pool:
        receipts = list(pool.map(lambda number: log.append(event(number)), range(400)))
    assert sorted(receipt.seq for receipt in receipts) == list(range(400))
    recorded = {record.seq: record.leaf["decision_id"] for record in log.records()}
    assert all(recorded[receipt.seq] == f"d{number}" for number, receipt in enumerate(receipts))
    assert log.verify().ok
    assert len(commits) < 400


def test_one_failing_commit_fails_every_append_of_its_group(log: AuditLog, event: Make) -> None:
    log.append(event())
    log._open().execute("PRAGMA query_only = ON")
    with ThreadPoolExecutor(8) as pool:
        futures = [pool.submit(log.append, event(number)) for number in range(8)]
    assert all(isinstance(future.exception(), AuditError) for future in futures)
    log._open().execute("PRAGMA query_only = OFF")
    assert log.append(event()).seq == 1
    assert log.verify().ok


async def test_it_can_be_used_from_an_executor(log: AuditLog, event: Make) -> None:
    receipts = await asyncio.gather(*(asyncio.to_thread(log.append, event(number)) for number in range(50)))
    assert sorted(receipt.seq for receipt in receipts) == list(range(50))
    assert log.verify().ok


def test_processes_share_the_file(path: Path) -> None:
    writers = [_writer(path, 60) for _ in range(4)]  # they race to make the file, too
    outputs = [writer.communicate(timeout=120)[0] for writer in writers]
    assert [writer.returncode for writer in writers] == [0] * 4
    acknowledged = _acknowledged([line for output in outputs for line in output.splitlines(keepends=True)])
    assert len(acknowledged) == 240
    assert acknowledged == _recorded(path)
    with AuditLog.open(path, readonly=True) as log:
        report = log.verify()
    assert report.ok
    assert [head.size for head in report.streams] == [60] * 4


def test_verifying_and_exporting_while_others_write(path: Path) -> None:
    writer = _writer(path, 300)
    assert writer.stdout
    writer.stdout.readline()
    with AuditLog.open(path, readonly=True) as log:
        while writer.poll() is None:
            assert log.verify().problems == []
            assert list(log.export())
            writer.stdout.read1() if hasattr(writer.stdout, "read1") else writer.stdout.readline()
    writer.communicate()
    assert writer.returncode == 0


def test_killed_in_mid_write_no_acknowledged_record_is_lost(path: Path, keys: Keys) -> None:
    """20 times, or as often as HITL_CRASHES says (`make crash`)."""
    crashes = int(os.environ.get("HITL_CRASHES", "20"))
    rng = random.Random(3)
    acknowledged: set[tuple[str, int, str]] = set()
    for _ in range(crashes):
        writer = _writer(path, 10**9, keys.path)
        assert writer.stdout
        lines = [writer.stdout.readline() for _ in range(rng.randrange(1, 30))]
        writer.send_signal(signal.SIGKILL)
        lines += writer.communicate()[0].splitlines(keepends=True)
        assert writer.returncode == -signal.SIGKILL
        acknowledged |= _acknowledged(lines)
    recorded = _recorded(path)
    assert len(acknowledged) > 5 * crashes
    assert acknowledged <= recorded
    with AuditLog.open(path) as log:
        report = log.verify(keys.verifiers())
    assert report.ok
    assert len(report.streams) == crashes
    signed = sum(head.signed for head in report.streams)
    print(f"{crashes} x kill -9: {len(acknowledged):,} acknowledged, {len(recorded):,} found, {signed:,} signed for")
    assert signed


def _in_child(run: Callable[[], None]) -> int:
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            run()
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_child_writes_a_stream_of_its_own(path: Path, log: AuditLog, event: Make) -> None:
    log.append(event(0))

    def child() -> None:
        assert log.append(event(1)).seq == 0
        assert log.append(event(2)).seq == 1
        assert log.verify().ok

    assert _in_child(child) == 0
    assert log.append(event(3)).seq == 1
    assert _in_child(child) == 0
    assert log.append(event(4)).seq == 2
    report = log.verify()
    assert report.ok
    assert sorted(head.size for head in report.streams) == [2, 2, 3]


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_forking_while_threads_append(path: Path, log: AuditLog, event: Make) -> None:
    stop = threading.Event()
    counts = []

    def work() -> None:
        count = 0
        while not stop.is_set():
            log.append(event(count))
            count += 1
        counts.append(count)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    codes = [_in_child(lambda: [log.append(event(n)) for n in range(5)] and None) for _ in range(8)]  # type: ignore[func-returns-value]
    stop.set()
    for thread in threads:
        thread.join()
    assert codes == [0] * 8
    report = log.verify()
    assert report.ok
    assert report.records == sum(counts) + 8 * 5


def test_an_unused_log_is_collected_although_it_watches_for_forks(path: Path) -> None:
    import gc
    import weakref

    log = AuditLog.open(path)
    log.close()
    alive = weakref.ref(log)
    del log
    gc.collect()
    assert alive() is None
