from __future__ import annotations

import sqlite3
import stat
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from hitl_opa.audit import AuditLog, Event, Filter, Kind, verify
from hitl_opa.audit.leaf import timestamp
from hitl_opa.errors import AuditError

Make = Callable[..., Event]


def test_what_is_appended_is_read_back_in_order_and_verifies(log: AuditLog, event: Make) -> None:
    receipts = [log.append(event(number)) for number in range(30)]
    records = list(log.records())
    assert [record.leaf["decision_id"] for record in records] == [f"d{number}" for number in range(30)]
    assert [(r.stream, r.seq) for r in records] == [(r.stream, r.seq) for r in receipts]
    report = log.verify()
    assert report.ok
    assert report.records == 30
    assert [head.size for head in report.streams] == [30]


def test_another_instance_appends_in_a_stream_of_its_own(path: Path, event: Make) -> None:
    for number in range(3):
        with AuditLog.open(path) as log:
            log.append(event(number))
            log.append(event(number))
    with AuditLog.open(path, readonly=True) as log:
        assert [head.size for head in log.verify().streams] == [2, 2, 2]
        assert len({record.stream for record in log.records()}) == 3
        with pytest.raises(AuditError, match="opened to be read"):
            log.append(event())


def test_only_the_owner_may_read_it(tmp_path: Path, event: Make) -> None:
    path = tmp_path / "deep" / "er" / "audit.db"
    with AuditLog.open(path) as log:
        log.append(event())
        for file in path.parent.iterdir():
            assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_filters(log: AuditLog, event: Make) -> None:
    for number in range(10):
        log.append(
            event(number, tool="Write" if number % 3 == 0 else "Bash", verdict="deny" if number > 7 else "allow")
        )
    log.append(Event(kind=Kind.REVIEW, tool='quo"te', session="s1", extra={"tool": "Bash"}))

    def found(**fields: str) -> int:
        return len(list(log.records(Filter(**fields))))  # type: ignore[arg-type]

    assert found() == 11
    assert found(tool="Bash") == 6  # not the review that only mentions it
    assert found(tool='quo"te') == 1
    assert found(verdict="deny") == 2
    assert found(kind="decision", session="s1") == 5
    assert found(session="s1") == 6
    assert found(tool="Bash", verdict="deny") == 1
    assert found(tool="Nope") == 0
    assert [r.leaf["decision_id"] for r in log.tail(2, only=Filter(tool="Write"))] == ["d6", "d9"]


def test_since(log: AuditLog) -> None:
    start = 1_800_000_000
    for second in range(5):
        log.append(Event(kind=Kind.NOTE, timestamp=timestamp((start + second) * 10**9 + 5)))
    moment = datetime.fromtimestamp(start + 3, UTC)
    for since in (moment, moment.astimezone(timezone(timedelta(hours=-7))), "2027-01-15T08:00:03Z"):
        assert len(list(log.records(Filter(since=since)))) == 2
    assert len(list(log.records(Filter(since="2027")))) == 5


@pytest.mark.parametrize(("n", "expected"), [(0, []), (1, ["d2499"]), (3, ["d2497", "d2498", "d2499"])])
def test_tail(event: Make, n: int, expected: list[str]) -> None:
    log = AuditLog.open(":memory:")
    for number in range(2500):
        log.append(event(number))
    assert [r.leaf["decision_id"] for r in log.tail(n)] == expected
    assert len(list(log.tail(5000))) == 2500
    assert len(list(log.tail(1200, only=Filter(session="s1")))) == 1200


def test_following_the_tail_sees_what_other_instances_append(path: Path, log: AuditLog, event: Make) -> None:
    log.append(event(0))
    seen: list[str] = []
    follower = log.tail(5, follow=True)
    seen.append(next(follower).leaf["decision_id"])
    with AuditLog.open(path) as other:
        writer = threading.Timer(0.3, lambda: [other.append(event(number)) for number in (1, 2)])
        writer.start()
        seen += [next(follower).leaf["decision_id"] for _ in range(2)]
        writer.join()
    assert seen == ["d0", "d1", "d2"]


def test_an_export_verifies_alone(path: Path, log: AuditLog, event: Make) -> None:
    with AuditLog.open(path) as other:
        for number in range(20):
            (log, other)[number % 2].append(event(number))
            log.append(Event(kind=Kind.NOTE))
    report = verify(log.export())
    assert report.ok
    assert report.records == 40
    assert {(h.stream, h.root) for h in report.streams} == {(h.stream, h.root) for h in log.verify().streams}
    lines = list(log.export())
    assert not verify(lines[:5] + lines[6:]).ok
    assert not verify([*lines[:4], lines[5], lines[4], *lines[6:]]).ok
    assert not verify([*lines, lines[3]]).ok
    assert "line 41: no exported record" in str(verify([*lines, "{}"]).problems[0])


def test_an_event_joins_a_transaction_of_another_connection(path: Path, log: AuditLog, event: Make) -> None:
    log.append(event(0))
    store = sqlite3.connect(path, isolation_level=None)
    store.execute("CREATE TABLE vote (id INTEGER)")
    for number, end in ((1, "COMMIT"), (2, "ROLLBACK"), (3, "COMMIT")):
        cursor = store.execute("BEGIN")
        cursor.execute("INSERT INTO vote VALUES (?)", (number,))
        assert log.append(event(number), cursor=cursor).seq == {1: 1, 2: 2, 3: 2}[number]
        store.execute(end)
    assert log.append(event(4)).seq == 3
    assert [record.leaf["decision_id"] for record in log.records()] == ["d0", "d1", "d3", "d4"]
    assert store.execute("SELECT id FROM vote").fetchall() == [(1,), (3,)]
    store.close()
    assert log.verify().ok


def test_an_erased_payload_keeps_every_proof(path: Path, log: AuditLog, event: Make) -> None:
    for number in range(4):
        log.append(event(number))
    before = log.verify().streams
    with sqlite3.connect(path) as other:
        other.execute("UPDATE audit_leaf SET salt = NULL, payload = NULL WHERE seq = 2")
    other.close()
    report = log.verify()
    assert report.erased == 1
    assert report.streams == before
    assert [record.payload is None for record in log.records()] == [False, False, True, False]
    (problem,) = verify(log.export()).problems
    assert str(problem).endswith(
        "record 2 of stream " + before[0].stream[:12] + ": its payload is missing, and no recorded erasure names it"
    )


def test_after_close_nothing_goes_on_silently(path: Path, event: Make) -> None:
    log = AuditLog.open(path)
    log.append(event())
    log.close()
    log.close()
    with pytest.raises(AuditError, match="is closed"):
        log.append(event())
    with pytest.raises(AuditError, match="is closed"):
        list(log.records())


def test_it_is_durable_by_configuration(log: AuditLog, path: Path) -> None:
    connection = log._open()
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert connection.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL: the WAL is synced at each commit
