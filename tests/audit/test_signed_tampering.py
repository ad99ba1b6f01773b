"""What only signed checkpoints show, and a thousand random ways to tamper with a signed log."""

from __future__ import annotations

import os
import random
import sqlite3
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from hitl_opa.audit import AuditLog, Damage, Event, Problem, Report, verify
from hitl_opa.audit.canonical import canonical_clean
from hitl_opa.audit.checkpoint import checkpoint
from hitl_opa.audit.keys import Keys
from hitl_opa.audit.merkle import Tree, leaf_hash
from hitl_opa.audit.notary import Notary
from hitl_opa.audit.notes import Signer

Make = Callable[..., Event]
SIZE = 24
EVERY = 5  # checkpoints over 5, 10, 15, 20 and, on close, 24 records
ROUNDS = int(os.environ.get("HITL_TAMPERINGS", "1000"))


@pytest.fixture
def database(path: Path, keys: Keys, event: Make) -> sqlite3.Connection:
    """A signed log of two streams, 24 and 5 records, open for tampering."""
    with (
        AuditLog.open(path, notary=Notary(keys, every=EVERY)) as log,
        AuditLog.open(path, notary=Notary(keys)) as other,
    ):
        for number in range(SIZE):
            log.append(event(number))
            if number < 5:
                other.append(event(number))
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA foreign_keys = OFF")
    connection.execute("PRAGMA synchronous = OFF")  # this connection may lose what it likes
    return connection


def report(path: Path, keys: Keys, anchored: list[str] | None = None) -> Report:
    with AuditLog.open(path, readonly=True) as log:
        return log.verify(keys.verifiers(), anchored or [])


def exported(path: Path, keys: Keys) -> Report:
    with AuditLog.open(path, readonly=True) as log:
        return verify(list(log.export()), keys.verifiers())


def found(problems: list[Problem]) -> list[tuple[Damage, int, int]]:
    return [(problem.damage, problem.seq, problem.last) for problem in problems]


def stream_of(database: sqlite3.Connection, key: int = 1) -> str:
    return str(database.execute("SELECT stream FROM audit_stream WHERE id = ?", (key,)).fetchone()[0])


def rewrite(database: sqlite3.Connection, seq: int, change: Callable[[str], str]) -> None:
    """Change a leaf, and then every head, tree and leaf after it, as its owner could."""
    rows = database.execute("SELECT seq, leaf, tree FROM audit_leaf WHERE stream = 1 ORDER BY seq").fetchall()
    tree = Tree.unpack(rows[seq - 1][2]) if seq else Tree()
    for at, leaf, _ in rows[seq:]:
        fields = msgspec.json.decode(change(leaf) if at == seq else leaf)
        fields["hitl"]["prev"] = tree.root().hex()
        text = canonical_clean(fields)
        tree = tree.append(leaf_hash(text))
        sql = "UPDATE audit_leaf SET leaf = ?, tree = ? WHERE stream = 1 AND seq = ?"
        database.execute(sql, (text.decode(), tree.pack(), at))


def turned(leaf: str) -> str:
    assert '"verdict":"allow"' in leaf
    return leaf.replace('"verdict":"allow"', '"verdict":"deny"')


def truncate(database: sqlite3.Connection, size: int) -> None:
    """Cut the end off, with the count of it."""
    database.execute("DELETE FROM audit_leaf WHERE stream = 1 AND seq >= ?", (size,))
    database.execute("UPDATE audit_stream SET size = ? WHERE id = 1", (size,))


def test_untouched(path: Path, keys: Keys, database: sqlite3.Connection) -> None:
    for said in (report(path, keys), exported(path, keys)):
        assert said.ok
        assert sorted((head.size, head.signed) for head in said.streams) == [(5, 5), (SIZE, SIZE)]
        assert said.unchecked == 0


@pytest.mark.parametrize("seq", range(SIZE))
def test_an_end_rewritten_with_all_its_hashes(path: Path, keys: Keys, database: sqlite3.Connection, seq: int) -> None:
    rewrite(database, seq, turned)
    with AuditLog.open(path, readonly=True) as log:
        assert log.verify().ok  # the file alone does not show it
    for said in (report(path, keys), exported(path, keys)):
        first = said.problems[0]
        assert (first.damage, first.names(seq)) == (Damage.REWRITTEN, True)
        assert first.seq == seq // EVERY * EVERY  # the last checkpoint before it still agrees
        assert said.streams[0].signed == seq // EVERY * EVERY


@pytest.mark.parametrize("size", [0, 1, 9, 20, SIZE - 1])
def test_an_end_cut_off_with_the_count_of_it(path: Path, keys: Keys, database: sqlite3.Connection, size: int) -> None:
    truncate(database, size)
    for said in (report(path, keys), exported(path, keys)):
        assert found(said.problems) == [(Damage.TRUNCATED, size, SIZE - 1)]
        assert "a checkpoint was signed for them" in said.problems[0].message


def test_checkpoints_cut_off_too_show_in_an_anchor_only(path: Path, keys: Keys, database: sqlite3.Connection) -> None:
    anchored = [note for (note,) in database.execute("SELECT note FROM audit_checkpoint")]
    truncate(database, 20)
    database.execute("DELETE FROM audit_checkpoint WHERE size > 20")
    assert report(path, keys).ok
    assert found(report(path, keys, anchored).problems) == [(Damage.TRUNCATED, 20, SIZE - 1)]


def test_a_stream_removed_whole(path: Path, keys: Keys, database: sqlite3.Connection) -> None:
    anchored = [note for (note,) in database.execute("SELECT note FROM audit_checkpoint")]
    gone = stream_of(database, 2)
    database.execute("DELETE FROM audit_leaf WHERE stream = 2")
    database.execute("DELETE FROM audit_stream WHERE id = 2")
    (problem,) = report(path, keys).problems
    assert (problem.damage, problem.stream, problem.seq, problem.last) == (Damage.TRUNCATED, gone, 0, 4)
    database.execute("DELETE FROM audit_checkpoint WHERE stream = ?", (gone,))
    assert report(path, keys).ok
    (problem,) = report(path, keys, anchored).problems
    assert problem.stream == gone


@pytest.mark.parametrize("size", [5, 24, 30])
def test_a_forged_checkpoint(path: Path, keys: Keys, database: sqlite3.Connection, size: int) -> None:
    forged = checkpoint(stream_of(database), size, os.urandom(32), time="", signers=[Signer.new("log")])
    database.execute(
        "INSERT INTO audit_checkpoint VALUES (?, ?, ?) ON CONFLICT (stream, size) DO UPDATE SET note = excluded.note",
        (forged.stream, size, forged.note),
    )
    for said in (report(path, keys), exported(path, keys)):
        (problem,) = said.problems
        assert problem.damage is Damage.FORGED
        assert f"a checkpoint over '{size}' records of stream '{forged.stream[:12]}'" in problem.message
        assert "none of the known keys signed" in problem.message


def test_two_signed_checkpoints_that_disagree(path: Path, keys: Keys, database: sqlite3.Connection) -> None:
    """Who holds the key and signs for two histories is found by whoever has seen both."""
    other = checkpoint(stream_of(database), 10, os.urandom(32), time="", signers=keys.signers())
    problems = report(path, keys, [other.note]).problems
    assert (Damage.REWRITTEN, 0, 9) in found(problems)
    assert any("signed for two histories" in problem.message for problem in problems)


def test_without_a_key_nothing_is_said_of_checkpoints(path: Path, database: sqlite3.Connection) -> None:
    with AuditLog.open(path, readonly=True) as log:
        said = log.verify()
    assert said.unchecked == 6
    assert {head.signed for head in said.streams} == {0}


def test_a_checkpoint_tells_which_of_leaf_and_tree_was_changed(
    path: Path, keys: Keys, database: sqlite3.Connection
) -> None:
    (tree,) = database.execute("SELECT tree FROM audit_leaf WHERE stream = 1 AND seq = ?", (SIZE - 1,)).fetchone()
    changed = tree[:-1] + bytes([tree[-1] ^ 1])
    database.execute("UPDATE audit_leaf SET tree = ? WHERE stream = 1 AND seq = ?", (changed, SIZE - 1))
    assert found(report(path, keys).problems) == [(Damage.TREE, SIZE - 1, SIZE - 1)]


def test_a_checkpoint_behind_records_in_an_export(path: Path, keys: Keys, database: sqlite3.Connection) -> None:
    with AuditLog.open(path, readonly=True) as log:
        lines = list(log.export())
    moved = [*lines[1:], lines[0]]
    (problem,) = verify(moved, keys.verifiers()).problems
    assert problem.damage is Damage.REORDERED
    assert problem.message == f"line {len(lines)}: a checkpoint behind records"


def test_random_tampering_is_found_and_named(path: Path, keys: Keys, database: sqlite3.Connection) -> None:
    """Bit flips, drops, swaps, cut-off and rewritten ends, changed, forged and dropped checkpoints."""
    rng = random.Random(11)
    tables = {
        name: database.execute(f"SELECT * FROM {name}").fetchall()
        for name in ("audit_leaf", "audit_stream", "audit_checkpoint")
    }
    verifiers = keys.verifiers()
    log = AuditLog.open(path, readonly=True)
    anchored = log.notes()
    kinds = ["leaf", "tree", "salt", "payload", "drop", "swap", "truncate", "rewrite", "note", "forge", "erase"]
    for number in range(ROUNDS):
        kind = kinds[number % len(kinds)]
        seq = rng.randrange(SIZE)
        names = tamper(database, rng, kind, seq, stream_of(database))
        said = log.verify(verifiers, anchored)
        assert any(names(problem) for problem in said.problems), (kind, seq, said.problems)
        database.execute("BEGIN")
        for name, rows in tables.items():
            database.execute(f"DELETE FROM {name}")
            database.executemany(f"INSERT INTO {name} VALUES ({', '.join('?' * len(rows[0]))})", rows)
        database.execute("COMMIT")
    assert log.verify(verifiers, anchored).ok


def tamper(
    database: sqlite3.Connection, rng: random.Random, kind: str, seq: int, stream: str
) -> Callable[[Problem], bool]:
    """Do it, and say what a problem must be to name it."""

    def record(problem: Problem) -> bool:
        return problem.stream == stream and problem.names(seq)

    def forged(problem: Problem) -> bool:
        return problem.damage is Damage.FORGED

    match kind:
        case "drop":
            database.execute("DELETE FROM audit_leaf WHERE stream = 1 AND seq = ?", (seq,))
        case "swap":
            other = rng.choice([n for n in range(SIZE) if n != seq])
            for old, new in ((seq, -1), (other, seq), (-1, other)):
                database.execute("UPDATE audit_leaf SET seq = ? WHERE stream = 1 AND seq = ?", (new, old))
        case "truncate":
            truncate(database, seq)
            database.execute("DELETE FROM audit_checkpoint WHERE stream = ? AND size > ?", (stream, seq))
        case "rewrite":
            rewrite(database, seq, turned)
        case "erase":
            database.execute("UPDATE audit_leaf SET salt = NULL, payload = NULL WHERE stream = 1 AND seq = ?", (seq,))
        case "note":
            size = rng.choice([5, 10, 15, 20, SIZE])
            where = "WHERE stream = ? AND size = ?"
            (note,) = database.execute(f"SELECT note FROM audit_checkpoint {where}", (stream, size)).fetchone()
            data = bytearray(note.encode())
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
            sql = f"UPDATE audit_checkpoint SET note = CAST(? AS TEXT) {where}"
            database.execute(sql, (bytes(data), stream, size))
            return forged
        case "forge":
            note = checkpoint(stream, seq + 1, rng.randbytes(32), time="", signers=[Signer.new("log")]).note
            sql = "INSERT INTO audit_checkpoint VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET note = excluded.note"
            database.execute(sql, (stream, seq + 1, note))
            return forged
        case column:
            where = "WHERE stream = 1 AND seq = ?"
            (value,) = database.execute(f"SELECT {column} FROM audit_leaf {where}", (seq,)).fetchone()
            data = bytearray(value.encode() if isinstance(value, str) else value)
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
            mark = "CAST(? AS TEXT)" if isinstance(value, str) else "?"
            database.execute(f"UPDATE audit_leaf SET {column} = {mark} {where}", (bytes(data), seq))
    return record
