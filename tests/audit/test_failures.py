"""What can go wrong with the file: an AuditError that names it and says what to do, never silence."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hitl_opa.audit import AuditLog, Damage, Event
from hitl_opa.audit.merkle import Tree, leaf_hash
from hitl_opa.errors import AuditError

Make = Callable[..., Event]


@pytest.fixture
def unwritable(tmp_path: Path) -> Iterator[Callable[[], None]]:
    """Makes the test's directory read-only."""

    def apply() -> None:
        tmp_path.chmod(0o500)
        if os.access(tmp_path, os.W_OK):
            pytest.skip("this user may write anywhere")

    yield apply
    tmp_path.chmod(0o700)


def _execute(path: Path, sql: str) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute(sql)
    connection.close()


@pytest.mark.parametrize("readonly", [False, True])
def test_not_a_database(path: Path, readonly: bool) -> None:
    path.write_bytes(b"this is no database, it only has the length of one" * 100)
    with pytest.raises(AuditError, match=f"{path} is not a SQLite database; move it away"):
        AuditLog.open(path, readonly=readonly)


@pytest.mark.parametrize("readonly", [False, True])
@pytest.mark.parametrize("mark", [False, True])
def test_another_programs_database(path: Path, readonly: bool, mark: bool) -> None:
    _execute(path, "CREATE TABLE theirs (id)")
    if mark:
        _execute(path, "PRAGMA application_id = 77")
    with pytest.raises(AuditError, match="another program's database"):
        AuditLog.open(path, readonly=readonly)


def test_a_log_whose_tables_are_gone(path: Path) -> None:
    AuditLog.open(path).close()
    _execute(path, "DROP TABLE audit_leaf")
    with pytest.raises(AuditError, match="another program's database"):
        AuditLog.open(path)


def test_a_log_of_a_newer_version(path: Path) -> None:
    AuditLog.open(path).close()
    _execute(path, "PRAGMA user_version = 99")
    with pytest.raises(AuditError, match="schema version 99"):
        AuditLog.open(path)


def test_reading_what_is_not_there(path: Path) -> None:
    with pytest.raises(AuditError, match="does not exist"):
        AuditLog.open(path, readonly=True)
    assert not path.exists()
    path.touch()
    with pytest.raises(AuditError, match="empty database"):
        AuditLog.open(path, readonly=True)


def test_a_directory_in_its_place(path: Path) -> None:
    path.mkdir()
    with pytest.raises(AuditError, match="cannot be opened"):
        AuditLog.open(path)


def test_a_parent_that_is_a_file(path: Path) -> None:
    path.write_text("")
    with pytest.raises(AuditError, match=f"{path}/a.db cannot be created"):
        AuditLog.open(path / "a.db")


def test_a_directory_that_cannot_be_written(path: Path, unwritable: Callable[[], None]) -> None:
    unwritable()
    with pytest.raises(AuditError, match="cannot be created"):
        AuditLog.open(path)


def test_a_copy_on_read_only_media_can_be_verified(path: Path, event: Make, unwritable: Callable[[], None]) -> None:
    with AuditLog.open(path) as log:
        log.append(event())
    path.chmod(0o400)
    unwritable()
    with AuditLog.open(path, readonly=True) as log:
        assert log.verify().ok
    with pytest.raises(AuditError, match="permissions"):
        AuditLog.open(path)


def test_a_file_that_became_read_only(log: AuditLog, event: Make) -> None:
    log.append(event())
    log._open().execute("PRAGMA query_only = ON")
    with pytest.raises(AuditError, match="cannot be written; check the permissions"):
        log.append(event())


def test_a_full_disk(log: AuditLog, event: Make) -> None:
    log.append(event())
    (pages,) = log._open().execute("PRAGMA page_count").fetchone()
    log._open().execute(f"PRAGMA max_page_count = {pages + 4}")
    written = 1

    def fill() -> None:
        nonlocal written
        while written < 100:
            log.append(event(written, detail="x" * 4000))
            written += 1

    with pytest.raises(AuditError, match=r"disk .* is full; free space, nothing was recorded"):
        fill()
    assert log.verify().ok
    assert len(list(log.records())) == written
    log._open().execute(f"PRAGMA max_page_count = {pages + 1000}")
    assert log.append(event()).seq == written  # it goes on once there is space
    assert log.verify().ok


def test_a_writer_that_never_lets_go(path: Path, event: Make) -> None:
    with AuditLog.open(path, timeout=0.2) as log:
        log.append(event())
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(AuditError, match="locked by another process"):
            log.append(event())
        other.execute("ROLLBACK")
        other.close()
        assert log.append(event()).seq == 1


@pytest.fixture
def filled(path: Path, event: Make) -> Path:
    with AuditLog.open(path) as log:
        for number in range(50):
            log.append(event(number))
    return path


def test_every_flipped_byte_of_a_record_is_found(filled: Path) -> None:
    data = filled.read_bytes()
    with AuditLog.open(filled, readonly=True) as log:
        for needle in (b'"decision_id":"d7"', b'{"input":{"number":7}}'):
            at = data.index(needle) + 10
            filled.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
            (problem,) = log.verify().problems
            assert problem.seq == 7
        filled.write_bytes(data)
        assert log.verify().ok


@pytest.mark.parametrize("page", range(2, 8))
def test_a_destroyed_page_is_reported(filled: Path, page: int, event: Make) -> None:
    data = filled.read_bytes()
    assert len(data) > 8 * 4096
    filled.write_bytes(data[: (page - 1) * 4096] + b"\xff" * 4096 + data[page * 4096 :])
    with AuditLog.open(filled, readonly=True) as log:
        report = log.verify()
        assert not report.ok
        assert any(problem.damage is Damage.DATABASE for problem in report.problems)


def test_a_truncated_file_is_reported(filled: Path) -> None:
    data = filled.read_bytes()
    filled.write_bytes(data[: len(data) // 2])
    for readonly in (True, False):
        with pytest.raises(AuditError, match=f"{filled} is damaged; keep a copy as evidence"):
            AuditLog.open(filled, readonly=readonly)


def test_a_file_damaged_while_open_is_reported(filled: Path) -> None:
    with AuditLog.open(filled, readonly=True) as log:
        filled.write_bytes(filled.read_bytes()[:9000])
        assert [problem.damage for problem in log.verify().problems] == [Damage.DATABASE] * 2
        with pytest.raises(AuditError, match=f"{filled} is damaged"):
            list(log.export())


def test_reading_a_damaged_record_says_so(filled: Path) -> None:
    _execute(filled, "UPDATE audit_leaf SET leaf = 'no json' WHERE seq = 30")
    with AuditLog.open(filled, readonly=True) as log, pytest.raises(AuditError, match="row 31 is no record"):
        list(log.records())


def test_a_file_removed_under_a_writer(path: Path, log: AuditLog, event: Make) -> None:
    log.append(event())
    path.unlink()
    with pytest.raises(AuditError, match="removed while in use"):
        log.append(event())


@pytest.mark.parametrize("suffix", ["", "-wal"])
def test_a_file_replaced_under_a_writer(path: Path, log: AuditLog, event: Make, suffix: str) -> None:
    log.append(event())
    file = Path(f"{path}{suffix}")
    file.rename(f"{file}.gone")
    file.write_bytes(Path(f"{file}.gone").read_bytes())
    with pytest.raises(AuditError, match="replaced while in use"):
        log.append(event())


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("DELETE FROM audit_leaf WHERE seq = 1; UPDATE audit_stream SET size = 1", "somebody removed some"),
        ("UPDATE audit_stream SET size = 1", "somebody removed some"),
        ("UPDATE audit_stream SET size = 3", "somebody removed some"),
        ("DELETE FROM audit_stream", "was removed from the audit log"),
    ],
)
def test_tampering_under_a_writer_stops_it(path: Path, log: AuditLog, event: Make, sql: str, said: str) -> None:
    log.append(event(0))
    log.append(event(1))
    for statement in sql.split(";"):
        _execute(path, statement)
    with pytest.raises(AuditError, match=said):
        log.append(event(2))


@pytest.mark.parametrize("tree", [b"\0", Tree().append(leaf_hash(b"forged")).pack()])
def test_a_stream_whose_last_tree_was_changed_cannot_be_joined(
    path: Path, log: AuditLog, event: Make, tree: bytes
) -> None:
    """A transaction of another connection reads the tree from the database."""
    log.append(event(0))
    store = sqlite3.connect(path, isolation_level=None)
    cursor = store.execute("BEGIN")
    log.append(event(1), cursor=cursor)
    store.execute("COMMIT")
    store.execute("UPDATE audit_leaf SET tree = ? WHERE seq = 1", (tree,))
    with pytest.raises(AuditError, match=r"is damaged|somebody removed some"):
        log.append(event(2))
    store.close()
