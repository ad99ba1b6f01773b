from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from hitl_opa.audit import AuditLog, Damage, Event, Filter, Kind, verify
from hitl_opa.audit.erasure import BATCH, erase
from hitl_opa.audit.keys import Keys
from hitl_opa.audit.notary import Notary
from hitl_opa.audit.proofs import check
from hitl_opa.errors import AuditError

Make = Callable[..., Event]
NEEDLE = "ada-lives-at-12-st-james-square"


def on_disk(path: Path) -> bytes:
    return b"".join(file.read_bytes() for file in path.parent.glob(f"{path.name}*"))


def test_payloads_go_and_proofs_stay(path: Path, keys: Keys, event: Make) -> None:
    with AuditLog.open(path, notary=Notary(keys)) as log:
        for number in range(20):
            log.append(event(number, input={"command": NEEDLE if number % 2 else "ls", "filler": "x" * 5000}))
    assert NEEDLE.encode() in on_disk(path)
    with AuditLog.open(path, notary=Notary(keys)) as log:
        before = {record.seq: record.leaf for record in log.records()}
        done = erase(log, Filter(session="s1"), by="ann", reason="a request under Article 17")
        assert (done.count, done.scrubbed) == (10, True)
        assert NEEDLE.encode() not in on_disk(path)
        log.checkpoint()
        report = log.verify(keys.verifiers())
        assert report.ok
        assert report.erased == 10
        assert verify(list(log.export()), keys.verifiers()).ok
        *old, erasure = log.records()
        assert {record.seq: record.leaf for record in old} == before
        assert [record.payload is None for record in old] == [record.get("session") == "s1" for record in old]
        assert erasure.kind == Kind.ERASURE
        assert erasure.get("reviewer") == "ann"
        assert erasure.get("extra")["where"] == {"session": "s1"}
        assert erasure.payload == {"detail": {"reason": "a request under Article 17"}}
        prover = log.prover(keys.verifiers())
        shown = check(prover.inclusion(old[1]), keys.verifiers())
        assert shown.payload is None
        assert shown.leaf == before[1]


@pytest.mark.parametrize(
    "only",
    [
        Filter(principal="ada"),
        Filter(agent="bot"),
        Filter(tool="Read"),
        Filter(decision_id="d3"),
        Filter(before="2026-02-01"),
    ],
)
def test_only_what_was_meant(log: AuditLog, event: Make, only: Filter) -> None:
    fields = {"principal": "ada", "agent": "bot", "tool": "Read", "timestamp": "2026-01-01T00:00:00Z"}
    for number in range(5):
        log.append(event(number, **(fields if number == 3 else {})))
    assert erase(log, only, by="ann").count == 1
    assert [record.payload is None for record in log.records() if record.kind == "decision"] == [False] * 3 + [
        True,
        False,
    ]
    assert log.verify().ok
    assert erase(log, only, by="ann").count == 0


def test_an_erasure_that_is_not_on_record_is_damage(path: Path, log: AuditLog, event: Make) -> None:
    for number in range(5):
        log.append(event(number))
    erase(log, Filter(decision_id="d2"), by="ann")
    with sqlite3.connect(path) as other:
        other.execute("UPDATE audit_leaf SET salt = NULL, payload = NULL WHERE seq IN (1, 2)")
    other.close()
    for report in (log.verify(), verify(list(log.export()))):
        assert [(p.damage, p.seq, p.last) for p in report.problems] == [(Damage.PAYLOAD, 1, 1)]


def test_many_are_erased_in_batches(log: AuditLog, event: Make) -> None:
    log.write([log.seal(event(number)) for number in range(BATCH * 2 + 1)])
    assert erase(log, Filter(tool="Bash"), by="ann").count == BATCH * 2 + 1
    assert [r.kind for r in log.tail(4)] == ["decision", "erasure", "erasure", "erasure"]
    assert log.verify().ok


def test_an_erasure_that_cannot_be_recorded_erases_nothing(log: AuditLog, event: Make) -> None:
    log.append(event())
    log._open().execute("CREATE TRIGGER t BEFORE INSERT ON audit_leaf BEGIN SELECT raise(ABORT, 'no'); END")
    with pytest.raises(AuditError):
        erase(log, Filter(tool="Bash"), by="ann")
    log._open().execute("DROP TRIGGER t")
    assert [record.payload is None for record in log.records()] == [False]


def test_everything_is_not_a_choice_nor_what_the_erasure_would_repeat(log: AuditLog) -> None:
    with pytest.raises(AuditError, match="all of them"):
        erase(log, Filter(), by="ann")
    with pytest.raises(AuditError, match="would hold the text"):
        erase(log, Filter(text="secret"), by="ann")


def test_a_reader_that_keeps_a_copy_alive_is_told_of(path: Path, log: AuditLog, event: Make) -> None:
    log.append(event())
    reader = sqlite3.connect(path, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM audit_leaf").fetchall()
    assert not erase(log, Filter(tool="Bash"), by="ann").scrubbed
    reader.close()
    assert log.scrub()


def test_a_forged_erasure_in_a_leaf_that_is_none_excuses_nothing(log: AuditLog, event: Make) -> None:
    """``extra`` of another kind of record, which callers fill, is no erasure."""
    log.append(event(0))
    stream = next(iter(log.records())).stream
    log.append(Event(kind=Kind.NOTE, extra={"erased": {stream: [[0, 9]]}}))
    log._open().execute("UPDATE audit_leaf SET salt = NULL, payload = NULL WHERE seq = 0")
    assert [(p.damage, p.seq) for p in log.verify().problems] == [(Damage.PAYLOAD, 0)]
