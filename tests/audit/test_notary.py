"""When a log signs, and that its signature reaches the anchors."""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from hitl_opa.audit import AuditLog, Event
from hitl_opa.audit.anchors import Kept
from hitl_opa.audit.checkpoint import open_checkpoint
from hitl_opa.audit.keys import Keys
from hitl_opa.audit.notary import Notary
from hitl_opa.errors import AuditError

Make = Callable[..., Event]


class Shelf:
    """An anchor in memory, which says when it got something."""

    name = "shelf"

    def __init__(self) -> None:
        self.kept: list[str] = []
        self.broken = False
        self.filled = threading.Event()

    def put(self, notes: list[str]) -> None:
        if self.broken:
            raise AuditError("the shelf is broken")
        self.kept += notes
        self.filled.set()

    def read(self) -> Kept:
        return Kept(self.kept)


def sizes(log: AuditLog, keys: Keys) -> list[int]:
    return [open_checkpoint(note, keys.verifiers()).size for note in log.notes()]


def reopened(path: Path) -> AuditLog:
    return AuditLog.open(path, readonly=True)


def test_every_so_many_records_and_on_close(path: Path, keys: Keys, event: Make) -> None:
    with AuditLog.open(path, notary=Notary(keys, every=3)) as log:
        for number in range(7):
            log.append(event(number))
        assert sizes(log, keys) == [3, 6]
    with reopened(path) as log:
        assert sizes(log, keys) == [3, 6, 7]
        report = log.verify(keys.verifiers())
        assert report.ok
        assert [head.signed for head in report.streams] == [7]
        assert open_checkpoint(log.notes()[-1], keys.verifiers()).root.hex() == report.streams[0].root


def test_nothing_is_signed_twice_and_nothing_where_nothing_was_recorded(path: Path, keys: Keys, event: Make) -> None:
    with AuditLog.open(path, notary=Notary(keys)) as log:
        assert log.checkpoint() is None
        log.append(event())
        assert log.checkpoint() is not None
        assert log.checkpoint() is None
    AuditLog.open(path, notary=Notary(keys)).close()
    with reopened(path) as log:
        assert sizes(log, keys) == [1]


def test_so_many_seconds_after_a_record_without_another(path: Path, keys: Keys, event: Make) -> None:
    shelf = Shelf()
    with AuditLog.open(path, notary=Notary(keys, seconds=0.01, anchors=[shelf])) as log:
        log.append(event())
        assert shelf.filled.wait(60)
        assert sizes(log, keys) == [1]
        assert shelf.kept == log.notes()


def test_a_record_in_somebody_elses_transaction_is_signed_for(path: Path, keys: Keys, event: Make) -> None:
    with AuditLog.open(path, notary=Notary(keys)) as log:
        store = sqlite3.connect(path, isolation_level=None)
        for end in ("COMMIT", "ROLLBACK"):
            cursor = store.execute("BEGIN")
            log.append(event(), cursor=cursor)
            store.execute(end)
        store.close()
    with reopened(path) as log:
        assert sizes(log, keys) == [1]
        assert log.verify(keys.verifiers()).ok


def test_a_transaction_that_did_not_commit_leaves_nothing_to_sign(path: Path, keys: Keys, event: Make) -> None:
    with AuditLog.open(path, notary=Notary(keys)) as log:
        store = sqlite3.connect(path, isolation_level=None)
        log.append(event(), cursor=store.execute("BEGIN"))
        store.execute("ROLLBACK")
        store.close()
    with reopened(path) as log:
        assert log.notes() == []


def test_the_checkpoint_is_of_the_writers_tree_not_of_a_changed_file(
    path: Path, keys: Keys, event: Make, caplog: pytest.LogCaptureFixture
) -> None:
    log = AuditLog.open(path, notary=Notary(keys))
    for number in range(3):
        log.append(event(number))
    with sqlite3.connect(path) as other:
        other.execute("DELETE FROM audit_leaf WHERE seq = 2")
        other.execute("UPDATE audit_stream SET size = 2")
    other.close()
    with pytest.raises(AuditError, match="somebody removed some"):
        log.checkpoint()
    with caplog.at_level(logging.WARNING, "hitl_opa.audit"):
        log.close()
    assert "somebody removed some" in caplog.text


def test_anchors_get_each_checkpoint_once(path: Path, keys: Keys, event: Make) -> None:
    shelf, later = Shelf(), Shelf()
    with AuditLog.open(path, notary=Notary(keys, anchors=[shelf])) as log:
        log.append(event())
    with AuditLog.open(path, notary=Notary(keys, anchors=[shelf])) as log:
        log.append(event())
    later.name = "later"
    with AuditLog.open(path, notary=Notary(keys, anchors=[shelf, later])) as log:
        assert log.notary is not None
        assert log.notary.publish(log) == 2
        assert log.notary.publish(log) == 0
    assert sorted(shelf.kept) == sorted(later.kept)
    assert len(set(shelf.kept)) == 2


def test_a_failing_anchor_is_logged_tried_again_and_stops_no_other(
    path: Path, keys: Keys, event: Make, caplog: pytest.LogCaptureFixture
) -> None:
    shelf, other = Shelf(), Shelf()
    other.name, shelf.broken = "other", True
    with (
        caplog.at_level(logging.WARNING, "hitl_opa.audit"),
        AuditLog.open(path, notary=Notary(keys, anchors=[shelf, other])) as log,
    ):
        log.append(event())
    assert "the shelf is broken" in caplog.text
    assert len(other.kept) == 1
    shelf.broken = False
    with AuditLog.open(path, notary=Notary(keys, anchors=[shelf, other])) as log:
        log.append(event())
    assert len(shelf.kept) == len(other.kept) == 2


def test_without_a_key_that_signs_there_is_no_notary(path: Path, keys: Keys) -> None:
    retired = Keys(keys.path, [type(keys.keys[0])(public=k.public, created=k.created) for k in keys.keys])
    with pytest.raises(AuditError, match="none of them signs any more"):
        Notary(retired)
    with AuditLog.open(path) as log, pytest.raises(AuditError, match="without a key"):
        log.checkpoint()


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_child_signs_for_its_own_stream(path: Path, keys: Keys, event: Make) -> None:
    log = AuditLog.open(path, notary=Notary(keys, every=2))
    log.append(event())
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            log.append(event(1))
            log.close()
            code = 0
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    log.append(event(2))
    log.close()
    with reopened(path) as read:
        report = read.verify(keys.verifiers())
        assert report.ok
        assert sorted((head.size, head.signed) for head in report.streams) == [(1, 1), (2, 2)]


def test_what_a_killed_process_left_is_signed_for_by_another(path: Path, keys: Keys, event: Make) -> None:
    with AuditLog.open(path) as unsigned:
        unsigned.append(event())
    with AuditLog.open(path, notary=Notary(keys)) as log:
        heads = log.verify(keys.verifiers()).streams
        assert log.notarise(heads) == 1
        assert [head.signed for head in log.verify(keys.verifiers()).streams] == [1]
