"""Whatever is done to the file behind the log's back is found, and the record is named."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from hitl_opa.audit import AuditLog, Damage, Event, Kind, Problem, verify
from hitl_opa.audit.merkle import Tree, leaf_hash

SIZE = 24


@pytest.fixture
def database(path: Path, event: Callable[..., Event]) -> sqlite3.Connection:
    """A log of two streams, 24 and 5 records, open for tampering."""
    with AuditLog.open(path) as log, AuditLog.open(path) as other:
        for number in range(SIZE):
            log.append(event(number))
            if number < 5:
                other.append(Event(kind=Kind.NOTE, extra={"n": number}))
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA foreign_keys = OFF")
    return connection


def _problems(path: Path) -> list[Problem]:
    with AuditLog.open(path, readonly=True) as log:
        return log.verify().problems


def _found(path: Path) -> list[tuple[Damage, int, int]]:
    return [(problem.damage, problem.seq, problem.last) for problem in _problems(path)]


def _set(database: sqlite3.Connection, at: int, /, **columns: object) -> None:
    assignments = ", ".join(f"{name} = ?" for name in columns)
    database.execute(f"UPDATE audit_leaf SET {assignments} WHERE stream = 1 AND seq = ?", (*columns.values(), at))


def _row(database: sqlite3.Connection, seq: int, columns: str = "leaf, tree, salt, payload") -> tuple[object, ...]:
    row = database.execute(f"SELECT {columns} FROM audit_leaf WHERE stream = 1 AND seq = ?", (seq,)).fetchone()
    assert isinstance(row, tuple)
    return row


def _forge(database: sqlite3.Connection, seq: int) -> str:
    leaf = str(_row(database, seq, "leaf")[0])
    forged = leaf.replace('"verdict":"allow"', '"verdict":"deny"')
    assert forged != leaf
    return forged


def _rehash(database: sqlite3.Connection, seq: int, leaf: str) -> bytes:
    before = Tree.unpack(_row(database, seq - 1, "tree")[0]) if seq else Tree()  # type: ignore[arg-type]
    return before.append(leaf_hash(leaf.encode())).pack()


@pytest.mark.parametrize("seq", range(SIZE))
def test_an_edited_leaf(path: Path, database: sqlite3.Connection, seq: int) -> None:
    _set(database, seq, leaf=_forge(database, seq))
    assert _found(path) == [(Damage.EDITED, seq, seq)]


@pytest.mark.parametrize("seq", range(SIZE - 1))
def test_an_edited_leaf_with_its_hashes_redone(path: Path, database: sqlite3.Connection, seq: int) -> None:
    leaf = _forge(database, seq)
    _set(database, seq, leaf=leaf, tree=_rehash(database, seq, leaf))
    assert _found(path) == [(Damage.EDITED, seq, seq)]


@pytest.mark.parametrize("seq", [0, 1, 6, 7, SIZE - 2, SIZE - 3])
def test_an_edited_leaf_with_every_later_tree_redone(path: Path, database: sqlite3.Connection, seq: int) -> None:
    _set(database, seq, leaf=_forge(database, seq))
    for later in range(seq, SIZE):
        _set(database, later, tree=_rehash(database, later, str(_row(database, later, "leaf")[0])))
    found = _problems(path)
    assert found[0].damage is Damage.EDITED
    assert found[0].names(seq)


@pytest.mark.parametrize("seq", range(SIZE))
def test_a_changed_tree(path: Path, database: sqlite3.Connection, seq: int) -> None:
    tree = bytes(_row(database, seq, "tree")[0])  # type: ignore[call-overload]
    _set(database, seq, tree=tree[:-1] + bytes([tree[-1] ^ 1]))
    damage = Damage.TREE if seq < SIZE - 1 else Damage.EDITED  # nothing after it says which of the two was changed
    assert _found(path) == [(damage, seq, seq)]
    _set(database, seq, tree=b"short")
    assert _found(path) == [(Damage.TREE, seq, seq)]


@pytest.mark.parametrize("seq", range(SIZE - 1))
def test_a_dropped_record(path: Path, database: sqlite3.Connection, seq: int) -> None:
    database.execute("DELETE FROM audit_leaf WHERE stream = 1 AND seq = ?", (seq,))
    assert _found(path) == [(Damage.DROPPED, seq, seq)]


def test_dropped_records_with_those_after_them_renumbered(path: Path, database: sqlite3.Connection) -> None:
    database.execute("DELETE FROM audit_leaf WHERE stream = 1 AND seq IN (7, 8)")
    for seq in range(9, SIZE):
        _set(database, seq, seq=seq - 2)
    database.execute(f"UPDATE audit_stream SET size = {SIZE - 2} WHERE id = 1")
    found = _found(path)
    assert (Damage.DROPPED, 7, 8) in found
    assert (Damage.REORDERED, 7, SIZE - 3) in found
    assert len(found) == 2


@pytest.mark.parametrize("first", [0, 1, SIZE - 5, SIZE - 1])
def test_a_cut_off_end(path: Path, database: sqlite3.Connection, first: int) -> None:
    database.execute("DELETE FROM audit_leaf WHERE stream = 1 AND seq >= ?", (first,))
    assert _found(path) == [(Damage.TRUNCATED, first, SIZE - 1)]


@pytest.mark.parametrize(("one", "other"), [(3, 4), (0, SIZE - 1), (5, 9), (22, 23)])
def test_swapped_records(path: Path, database: sqlite3.Connection, one: int, other: int) -> None:
    _set(database, one, seq=-1)
    _set(database, other, seq=one)
    _set(database, -1, seq=other)
    assert _found(path) == [(Damage.REORDERED, one, one), (Damage.REORDERED, other, other)]


@pytest.mark.parametrize(("one", "other"), [(3, 4), (0, SIZE - 1), (5, 9), (22, 23)])
def test_swapped_leaves(path: Path, database: sqlite3.Connection, one: int, other: int) -> None:
    rows = [_row(database, seq, "leaf, salt, payload") for seq in (one, other)]
    for seq, (leaf, salt, payload) in zip((other, one), rows, strict=True):
        _set(database, seq, leaf=leaf, salt=salt, payload=payload)
    found = [problem for problem in _problems(path) if problem.damage is Damage.REORDERED]
    assert [problem.seq for problem in found] == [one, other]


@pytest.mark.parametrize("seq", [1, 6, 7, SIZE - 1])
def test_a_record_put_in_the_middle(path: Path, database: sqlite3.Connection, seq: int) -> None:
    """Forged with a right place, head and tree; those behind it are renumbered."""
    for later in range(SIZE - 1, seq - 1, -1):
        _set(database, later, seq=later + 1)
    leaf, _, salt, payload = _row(database, seq + 1)  # claims the place, so that only its successors show it
    forged = str(leaf).replace('"verdict":"allow"', '"verdict":"deny"')
    database.execute(
        "INSERT INTO audit_leaf (stream, seq, leaf, tree, salt, payload) VALUES (1, ?, ?, ?, ?, ?)",
        (seq, forged, _rehash(database, seq, forged), salt, payload),
    )
    database.execute(f"UPDATE audit_stream SET size = {SIZE + 1} WHERE id = 1")
    found = _found(path)
    assert (Damage.INSERTED, seq, seq) in found
    assert (Damage.REORDERED, seq + 1, SIZE) in found


def test_a_record_put_at_the_end(path: Path, database: sqlite3.Connection) -> None:
    leaf, _, salt, payload = _row(database, SIZE - 1)
    forged = str(leaf).replace(f'"seq":{SIZE - 1}', f'"seq":{SIZE}')
    database.execute(
        "INSERT INTO audit_leaf (stream, seq, leaf, tree, salt, payload) VALUES (1, ?, ?, ?, ?, ?)",
        (SIZE, forged, _rehash(database, SIZE, forged), salt, payload),
    )
    assert (Damage.INSERTED, SIZE, SIZE) in _found(path)


@pytest.mark.parametrize("seq", [-5, -(2**63), "x"])
def test_a_record_at_no_place(path: Path, database: sqlite3.Connection, seq: object) -> None:
    row = _row(database, 3)
    sql = "INSERT INTO audit_leaf (stream, seq, leaf, tree, salt, payload) VALUES (1, ?, ?, ?, ?, ?)"
    database.execute(sql, (seq, *row))
    (problem,) = [p for p in _problems(path) if p.damage is Damage.INSERTED]
    assert "which is no place" in problem.message


def test_a_record_of_another_stream(path: Path, database: sqlite3.Connection) -> None:
    leaf, salt, payload = database.execute(
        "SELECT leaf, salt, payload FROM audit_leaf WHERE stream = 2 AND seq = 3"
    ).fetchone()
    _set(database, 3, leaf=leaf, salt=salt, payload=payload)
    found = [problem for problem in _problems(path) if problem.damage is Damage.INSERTED]
    assert [problem.seq for problem in found] == [3]


def test_a_removed_stream_row(path: Path, database: sqlite3.Connection) -> None:
    database.execute("DELETE FROM audit_stream WHERE id = 1")
    assert (Damage.INSERTED, 0, SIZE - 1) in _found(path)


@pytest.mark.parametrize(
    "leaf", ["", "{}", "[1]", "null", '{"hitl":1}', '{"hitl":{"seq":"3"}}', b"\xff", 7, "[" * 100_000]
)
def test_a_leaf_that_is_none(path: Path, database: sqlite3.Connection, leaf: object) -> None:
    _set(database, 3, leaf=leaf)
    assert _found(path) == [(Damage.UNREADABLE, 3, 3)]


@pytest.mark.parametrize(
    "columns", [{"payload": '{"input":{}}'}, {"salt": b"x" * 32}, {"payload": None}, {"salt": None}, {"payload": 3}]
)
def test_a_changed_payload(path: Path, database: sqlite3.Connection, columns: dict[str, object]) -> None:
    _set(database, 3, **columns)
    assert _found(path) == [(Damage.PAYLOAD, 3, 3)]


def test_several_at_once_are_all_named(path: Path, database: sqlite3.Connection) -> None:
    _set(database, 2, leaf=_forge(database, 2))
    _set(database, 3, leaf=_forge(database, 3))
    _set(database, 5, payload="{}")
    database.execute("DELETE FROM audit_leaf WHERE stream = 1 AND seq IN (8, 9)")
    forged = _forge(database, 14)
    _set(database, 14, leaf=forged, tree=_rehash(database, 14, forged))
    database.execute("DELETE FROM audit_leaf WHERE stream = 1 AND seq > 20")
    database.execute("UPDATE audit_leaf SET leaf = '' WHERE stream = 2 AND seq = 1")
    assert _found(path) == [
        (Damage.EDITED, 2, 3),
        (Damage.PAYLOAD, 5, 5),
        (Damage.DROPPED, 8, 9),
        (Damage.EDITED, 14, 14),
        (Damage.TRUNCATED, 21, 23),
        (Damage.UNREADABLE, 1, 1),
    ]


def test_a_trigger_is_reported(path: Path, database: sqlite3.Connection) -> None:
    database.execute("CREATE TRIGGER t AFTER INSERT ON audit_leaf BEGIN DELETE FROM audit_leaf WHERE id = NEW.id; END")
    (problem,) = _problems(path)
    assert str(problem) == "database: a trigger was added to it: t"


def test_random_tampering(path: Path, database: sqlite3.Connection) -> None:
    """Edits, drops and swaps of random records, and single flipped bits: each is found and its record named."""
    random.seed(7)
    pristine = database.execute("SELECT id, stream, seq, leaf, tree, salt, payload FROM audit_leaf").fetchall()
    log = AuditLog.open(path, readonly=True)
    for _ in range(150):
        seq = random.randrange(SIZE)
        column = random.choice(["leaf", "tree", "salt", "payload", "drop", "swap"])
        if column == "drop":
            database.execute("DELETE FROM audit_leaf WHERE stream = 1 AND seq = ?", (seq,))
        elif column == "swap":
            other = random.choice([n for n in range(SIZE) if n != seq])
            _set(database, seq, seq=-1)
            _set(database, other, seq=seq)
            _set(database, -1, seq=other)
        else:
            (value,) = _row(database, seq, column)
            data = bytearray(value.encode() if isinstance(value, str) else bytes(value))  # type: ignore[call-overload]
            data[random.randrange(len(data))] ^= 1 << random.randrange(8)
            text = column in ("leaf", "payload")
            sql = f"UPDATE audit_leaf SET {column} = {'CAST(? AS TEXT)' if text else '?'} WHERE stream = 1 AND seq = ?"
            database.execute(sql, (bytes(data), seq))
        report = log.verify()
        assert any(problem.names(seq) for problem in report.problems), (column, seq, report.problems)
        database.execute("DELETE FROM audit_leaf")
        database.executemany("INSERT INTO audit_leaf VALUES (?, ?, ?, ?, ?, ?, ?)", pristine)
    assert log.verify().ok


@pytest.mark.parametrize("seq", [0, 5, 10, SIZE - 1])
def test_an_export_with_a_changed_line(path: Path, database: sqlite3.Connection, seq: int) -> None:
    with AuditLog.open(path, readonly=True) as log:
        lines = list(log.export())
    at = next(n for n, line in enumerate(lines) if f'"decision_id":"d{seq}"' in line)
    edited = [*lines[:at], lines[at].replace("allow", "deny"), *lines[at + 1 :]]
    assert [(p.damage, p.seq) for p in verify(edited).problems] == [(Damage.EDITED, seq)]
    later = [*lines[:at], *lines[at + 1 :], lines[at]]
    if at < len(lines) - 1:
        assert [(p.damage, p.seq) for p in verify(later).problems] == [(Damage.REORDERED, seq)]
    assert (Damage.INSERTED, seq) in [(p.damage, p.seq) for p in verify([*lines, lines[at]]).problems]
