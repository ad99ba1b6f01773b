"""Somebody with access to the files, and no key, who wants a deed not to be seen: every way we know is named."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from hitl_opa.audit import AuditLog, Damage, Event, Filter, Problem, Report, verify
from hitl_opa.audit.anchors import FileAnchor, GitAnchor
from hitl_opa.audit.erasure import erase
from hitl_opa.audit.keys import Keys
from hitl_opa.audit.notary import Notary
from hitl_opa.audit.proofs import Inclusion, check
from hitl_opa.audit.trust import Trust
from hitl_opa.errors import AuditError

Make = Callable[..., Event]
SIZE = 24
COLUMNS = "stream, seq, leaf, tree, salt, payload"
LOOSE = (  # what SQLite lets one do to a schema
    "PRAGMA writable_schema = ON",
    "UPDATE sqlite_master SET sql = replace(sql, ' NOT NULL', '') WHERE name = 'audit_leaf'",
    "PRAGMA writable_schema = RESET",
)


def write(path: Path, keys: Keys, anchor: FileAnchor, event: Make, records: int = SIZE) -> None:
    with AuditLog.open(path, notary=Notary(keys, every=5, anchors=[anchor])) as log:
        for number in range(records):
            log.append(event(number))


@pytest.fixture
def anchor(tmp_path: Path) -> FileAnchor:
    return FileAnchor(tmp_path / "anchor.jsonl")


@pytest.fixture
def trust(keys: Keys, anchor: FileAnchor) -> Trust:
    return Trust(keys.verifiers(), [anchor])


@pytest.fixture
def database(path: Path, keys: Keys, anchor: FileAnchor, event: Make) -> Iterator[sqlite3.Connection]:
    """A signed and anchored log of 24 records, open for tampering."""
    write(path, keys, anchor, event)
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA foreign_keys = OFF")
    yield connection
    connection.close()


def report(path: Path, trust: Trust) -> Report:
    with AuditLog.open(path, readonly=True) as log:
        return trust.verify(log)


def found(path: Path, trust: Trust) -> list[tuple[Damage, int, int]]:
    return [(problem.damage, problem.seq, problem.last) for problem in report(path, trust).problems]


def lines(path: Path) -> list[str]:
    with AuditLog.open(path, readonly=True) as log:
        return list(log.export())


def test_untouched(path: Path, trust: Trust, database: sqlite3.Connection) -> None:
    said = report(path, trust)
    assert said.ok
    assert (said.records, said.unsigned) == (SIZE, 0)
    assert said.anchored >= SIZE // 5


# -- rows


@pytest.mark.parametrize("number", [-4, 0])
def test_a_row_that_only_verify_would_read(path: Path, trust: Trust, database: sqlite3.Connection, number: int) -> None:
    database.execute("UPDATE audit_leaf SET id = ? WHERE seq = 3", (number,))
    with AuditLog.open(path, readonly=True) as log:
        assert 3 not in [record.seq for record in log.records()]
    (problem,) = report(path, trust).problems
    assert (problem.damage, problem.seq) == (Damage.REORDERED, 3)
    assert "nobody who reads the record sees it" in problem.message


def test_rows_read_in_another_order(path: Path, trust: Trust, database: sqlite3.Connection) -> None:
    for sql in ("id = -1 WHERE seq = 3", "id = 4 WHERE seq = 10", "id = 11 WHERE seq = 3"):
        database.execute(f"UPDATE audit_leaf SET {sql}")
    named = report(path, trust).problems
    assert {problem.damage for problem in named} == {Damage.REORDERED}
    assert all(any(problem.names(seq) for problem in named) for seq in (3, 10))


@pytest.mark.parametrize("size", ["x", 9e999, SIZE + 0.5, b"\xff"])
def test_a_count_that_is_none(path: Path, trust: Trust, database: sqlite3.Connection, size: object) -> None:
    database.execute("UPDATE audit_stream SET size = ?", (size,))
    (problem,) = report(path, trust).problems
    assert problem.damage is Damage.DATABASE
    assert "its number of records was changed" in problem.message


@pytest.mark.parametrize(("size", "damage"), [(2**62, Damage.TRUNCATED), (-1, Damage.INSERTED), (0, Damage.INSERTED)])
def test_a_count_of_others(path: Path, trust: Trust, database: sqlite3.Connection, size: int, damage: Damage) -> None:
    database.execute("UPDATE audit_stream SET size = ?", (size,))
    assert damage in {problem.damage for problem in report(path, trust).problems}


@pytest.mark.parametrize("kept", [0, 1, 10])
def test_a_salt_that_swallows_the_payload(path: Path, trust: Trust, database: sqlite3.Connection, kept: int) -> None:
    """The hash over both stays the same."""
    salt, payload = database.execute("SELECT salt, payload FROM audit_leaf WHERE seq = 3").fetchone()
    data = salt + payload.encode()
    cut = len(data) - kept
    database.execute("UPDATE audit_leaf SET salt = ?, payload = ? WHERE seq = 3", (data[:cut], data[cut:].decode()))
    assert found(path, trust) == [(Damage.PAYLOAD, 3, 3)]


def test_a_proof_whose_salt_swallows_the_payload(
    path: Path, keys: Keys, trust: Trust, database: sqlite3.Connection
) -> None:
    with AuditLog.open(path, readonly=True) as log:
        proof = log.prover(keys.verifiers()).inclusion(next(iter(log.records())))
    assert proof.salt is not None
    assert proof.payload is not None
    forged = msgspec.structs.replace(proof, salt=proof.salt + proof.payload.encode().hex(), payload="")
    with pytest.raises(AuditError, match="not the one that the leaf commits to"):
        check(forged, keys.verifiers())


def test_a_proof_of_what_is_no_record(path: Path, keys: Keys) -> None:
    """A signed tree may be anybody's, with leaves of any kind."""
    from hitl_opa.audit.checkpoint import checkpoint
    from hitl_opa.audit.merkle import Tree, leaf_hash

    for leaf in ("", "{}", "[1]", '{"hitl":1}', '{"hitl":{}}', "[" * 100_000):
        root = Tree().append(leaf_hash(leaf.encode())).root()
        note = checkpoint("s", 1, root, time="", signers=keys.signers()).note
        proof = Inclusion(leaf=leaf, seq=0, payload=None, salt=None, path=[], checkpoint=note)
        with pytest.raises(AuditError, match="no record"):
            check(proof, keys.verifiers())


# -- the schema


@pytest.mark.parametrize("where", ["NULL, seq", "stream, NULL"])
def test_a_row_that_belongs_nowhere(path: Path, trust: Trust, database: sqlite3.Connection, where: str) -> None:
    for sql in LOOSE:
        database.execute(sql)
    rest = "leaf, tree, salt, payload"
    database.execute(f"INSERT INTO audit_leaf ({COLUMNS}) SELECT {where}, {rest} FROM audit_leaf WHERE seq = 3")
    with AuditLog.open(path, readonly=True) as log:
        assert len(list(log.records())) == SIZE + 1  # who reads the record reads it
    (problem,) = report(path, trust).problems
    assert str(problem) == "database: columns or constraints of its table audit_leaf were changed: restore a backup"
    for sql in (LOOSE[0], LOOSE[1].replace("' NOT NULL', ''", "'seq BIGINT', 'seq BIGINT NOT NULL'"), LOOSE[2]):
        database.execute(sql)
    assert not report(path, trust).ok  # a part of it put right again


def test_two_records_at_one_place_on_two_pages(
    path: Path, keys: Keys, trust: Trust, event: Make, monkeypatch: pytest.MonkeyPatch, database: sqlite3.Connection
) -> None:
    from hitl_opa.audit import reader

    monkeypatch.setattr(reader, "_PAGE", 4)
    with sqlite3.connect(path) as loose:
        loose.execute("CREATE TABLE twin AS SELECT * FROM audit_leaf")
        loose.execute("DROP TABLE audit_leaf")
        columns = "id INTEGER PRIMARY KEY, stream INTEGER NOT NULL, seq BIGINT NOT NULL, leaf TEXT NOT NULL, "
        loose.execute(f"CREATE TABLE audit_leaf ({columns} tree BLOB NOT NULL, salt BLOB, payload TEXT)")
        loose.execute("INSERT INTO audit_leaf SELECT * FROM twin")
        loose.execute(f"INSERT INTO audit_leaf ({COLUMNS}) SELECT {COLUMNS} FROM twin WHERE seq = 3")
    loose.close()
    named = report(path, trust).problems
    assert [(p.damage, p.seq) for p in named if p.damage is not Damage.DATABASE] == [(Damage.INSERTED, 3)]
    assert any("audit_leaf were changed" in problem.message for problem in named)


@pytest.mark.parametrize("table", ["audit_leaf", "audit_checkpoint", "approval", "letter"])
def test_a_trigger_on_any_table(path: Path, trust: Trust, database: sqlite3.Connection, table: str) -> None:
    database.execute(f"CREATE TRIGGER t AFTER INSERT ON {table} BEGIN DELETE FROM audit_leaf; END")
    assert [str(problem) for problem in report(path, trust).problems] == ["database: a trigger was added to it: t"]


@pytest.mark.parametrize("table", ["audit_leaf", "audit_stream", "audit_checkpoint", "audit_anchored"])
def test_a_view_in_place_of_a_table(path: Path, trust: Trust, database: sqlite3.Connection, table: str) -> None:
    """One without end, as it were."""
    database.execute(f"DROP TABLE {table}")
    endless = "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n) SELECT n AS id, 'x' AS note FROM n"
    database.execute(f"CREATE VIEW {table} AS {endless}")
    with pytest.raises(AuditError, match=rf"its tables were removed \({table}\): restore a backup"):
        report(path, trust)


def test_values_of_other_types(path: Path, trust: Trust, database: sqlite3.Connection) -> None:
    """None of these may end the check with anything but a finding."""
    pristine = path.read_bytes()
    tables = {
        "audit_leaf": ["id", "stream", "seq", "leaf", "tree", "salt", "payload"],
        "audit_stream": ["id", "stream", "size"],
        "audit_checkpoint": ["stream", "size", "note"],
        "audit_anchored": ["anchor", "stream", "size"],
    }
    values = [
        "",
        "x",
        b"\xff\xfe",
        -(2**63),
        2**63 - 1,
        1.5,
        "\x1b]0;x\x07",
        "[" * 100_000,
        "NaN",
        "\u202e",
        b"\0" * 99,
    ]
    for table, columns in tables.items():
        for column in columns:
            for value in values:
                database.close()
                path.write_bytes(pristine)
                for left in ("-wal", "-shm"):
                    Path(f"{path}{left}").unlink(missing_ok=True)
                database = sqlite3.connect(path, isolation_level=None)
                where = "rowid = (SELECT min(rowid) FROM " + table + ")"
                try:
                    database.execute(f"UPDATE {table} SET {column} = ? WHERE {where}", (value,))
                except sqlite3.IntegrityError:
                    continue  # SQLite takes no such value there
                quiet = (
                    column in {"stream", "size"} and table == "audit_checkpoint"
                )  # the note alone says what it is of
                quiet = quiet or (table, column) == ("audit_anchored", "anchor")
                problems = report(path, trust).problems
                assert problems or quiet, (table, column, value)
    database.close()


# -- checkpoints and anchors


def test_an_older_copy_put_back(path: Path, keys: Keys, anchor: FileAnchor, trust: Trust, event: Make) -> None:
    write(path, keys, anchor, event, 10)
    shutil.copy(path, path.with_suffix(".old"))
    write(path, keys, anchor, event, 3)
    shutil.copy(path.with_suffix(".old"), path)
    assert report(path, Trust(keys.verifiers())).ok  # the file alone is a good one
    (problem,) = report(path, trust).problems
    assert (problem.damage, problem.seq, problem.last) == (Damage.TRUNCATED, 0, 2)


def test_another_record_in_its_place(path: Path, keys: Keys, anchor: FileAnchor, trust: Trust, event: Make) -> None:
    """Of the same keys, and as good as this one."""
    other = path.with_name("other.db")
    write(path, keys, anchor, event, 10)
    write(other, keys, FileAnchor(path.with_name("other.jsonl")), event, 7)
    shutil.copy(other, path)
    assert report(path, Trust(keys.verifiers())).ok
    (problem,) = report(path, trust).problems
    assert (problem.damage, problem.seq, problem.last) == (Damage.TRUNCATED, 0, 9)


def test_the_anchor_of_another_record(
    path: Path, keys: Keys, anchor: FileAnchor, trust: Trust, database: sqlite3.Connection, tmp_path: Path, event: Make
) -> None:
    theirs = Keys.new(tmp_path / "theirs.json", "theirs")
    write(path.with_name("other.db"), theirs, FileAnchor(tmp_path / "theirs.jsonl"), event, 4)
    shutil.copy(tmp_path / "theirs.jsonl", tmp_path / "anchor.jsonl")
    named = report(path, trust).problems
    assert [problem.damage for problem in named] == [Damage.ANCHOR, Damage.FORGED]
    assert "none of the known keys signed the note (signed by theirs+" in named[1].message


@pytest.mark.parametrize(
    "change",
    [
        lambda file: file.unlink(),
        lambda file: file.write_bytes(b""),
        lambda file: file.write_bytes(b"".join(file.read_bytes().splitlines(keepends=True)[:-1])),
        lambda file: file.write_bytes(file.read_bytes()[:-9]),
        lambda file: (file.unlink(), file.symlink_to("/dev/null")),
        lambda file: (file.unlink(), file.mkdir()),
    ],
    ids=["removed", "emptied", "put back", "cut", "nowhere", "a directory"],
)
def test_an_anchor_that_lost_something(
    path: Path, tmp_path: Path, trust: Trust, database: sqlite3.Connection, change: Callable[[Path], object]
) -> None:
    change(tmp_path / "anchor.jsonl")
    problems = report(path, trust).problems
    lost = next(problem for problem in problems if problem.seq >= 0)
    assert {problem.damage for problem in problems} == {Damage.ANCHOR}
    assert (lost.seq, lost.last) == (0, SIZE - 1)
    assert f"file:{tmp_path}/anchor.jsonl has no checkpoint over {SIZE} records" in lost.message


def test_an_anchor_with_lines_twice_in_any_order_and_carriage_returns(
    path: Path, tmp_path: Path, trust: Trust, database: sqlite3.Connection
) -> None:
    file = tmp_path / "anchor.jsonl"
    data = file.read_bytes().splitlines()
    file.write_bytes(b"\r\n".join([*data[::-1], *data, b""]))
    assert report(path, trust).ok


def test_a_git_anchor_set_back(path: Path, keys: Keys, tmp_path: Path, event: Make) -> None:
    subprocess.run(["git", "init", "--quiet", "repository"], cwd=tmp_path, check=True)
    anchor = GitAnchor(tmp_path / "repository")
    for _ in range(2):
        with AuditLog.open(path, notary=Notary(keys, anchors=[anchor])) as log:
            log.append(event())
    trust = Trust(keys.verifiers(), [anchor])
    assert report(path, trust).ok
    subprocess.run(["git", "reset", "--quiet", "--hard", "HEAD~1"], cwd=tmp_path / "repository", check=True)
    assert [problem.damage for problem in report(path, trust).problems] == [Damage.ANCHOR]


@pytest.mark.parametrize("size", [99_999, -1, "x", 9e999])
def test_an_anchor_that_is_said_to_have_everything(
    path: Path, keys: Keys, anchor: FileAnchor, trust: Trust, database: sqlite3.Connection, event: Make, size: object
) -> None:
    """So that it gets no more; it gets the more."""
    with AuditLog.open(path, notary=Notary(keys, anchors=[anchor])) as log:
        log.append(event())
        log.checkpoint()
        stream = str(database.execute("SELECT max(stream) FROM audit_stream WHERE id = 2").fetchone()[0])
        sql = "INSERT INTO audit_anchored VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET size = excluded.size"
        database.execute(sql, (anchor.name, stream, size))
        assert [problem.damage for problem in report(path, trust).problems] == [Damage.ANCHOR]
        log.append(event())
    assert sum(f"/{stream}\n2\n" in note for note in anchor.read().notes) == 1
    assert report(path, trust).ok


def test_a_checkpoint_kept_from_being_stored(
    path: Path, keys: Keys, trust: Trust, anchor: FileAnchor, event: Make
) -> None:
    """Somebody was there first, with another note of that size."""
    with AuditLog.open(path, notary=Notary(keys, anchors=[anchor])) as log:
        receipt = log.append(event())
        with sqlite3.connect(path) as connection:
            connection.execute("INSERT INTO audit_checkpoint VALUES (?, 1, 'nothing')", (receipt.stream,))
        connection.close()
    assert {problem.damage for problem in report(path, trust).problems} >= {Damage.FORGED}


def test_an_erasure_that_somebody_put_in_is_signed_for_by_nobody(
    path: Path, trust: Trust, database: sqlite3.Connection
) -> None:
    """Everybody who may write the file may erase; that is on record, and that no key vouches for it is said."""
    with AuditLog.open(path) as log:
        assert erase(log, Filter(decision_id="d3"), by="nobody").count == 1
    said = report(path, trust)
    assert (said.ok, said.erased, said.unsigned) == (True, 1, 1)
    database.execute("UPDATE audit_leaf SET salt = NULL, payload = NULL WHERE seq = 7")
    assert found(path, trust) == [(Damage.PAYLOAD, 7, 7)]
    database.execute("DELETE FROM audit_leaf WHERE stream = 2")
    database.execute("DELETE FROM audit_stream WHERE id = 2")
    assert found(path, trust) == [(Damage.PAYLOAD, 3, 3), (Damage.PAYLOAD, 7, 7)]


# -- exports


def said(text: list[str], keys: Keys) -> list[Problem]:
    return verify(text, keys.verifiers()).problems


@pytest.mark.parametrize(
    "change",
    [
        lambda line: '"seq":0,"seq":'.join(line.rsplit('"seq":', 1)),
        lambda line: line.replace('{"leaf":', '{"leaf":{"hitl":{"verdict":"deny"}},"leaf":', 1),
        lambda line: line[:-1] + ',"note":"approved by Ada"}',
        lambda line: line + " ",
        lambda line: " " + line,
        lambda line: '"stream":"x","stream":"'.join(line.rsplit('"stream":"', 1)),
    ],
    ids=["seq twice", "leaf twice", "more", "a blank behind", "a blank before", "stream twice"],
)
def test_a_line_that_says_more(
    path: Path, keys: Keys, database: sqlite3.Connection, change: Callable[[str], str]
) -> None:
    """Who reads it with another program, or with their eyes, would read what nothing vouches for."""
    text = lines(path)
    text[9] = change(text[9])
    (problem,) = said(text, keys)
    assert (problem.damage, problem.message) == (
        Damage.UNREADABLE,
        "line 10: something was added to what audit export wrote",
    )


def test_a_record_beside_a_checkpoint(path: Path, keys: Keys, database: sqlite3.Connection) -> None:
    text = lines(path)
    text[0] = text[0][:-1] + f",{text[9][1:]}"
    (problem,) = said(text, keys)
    assert problem.message == "line 1: something was added to what audit export wrote"


def test_line_ends_of_another_system(path: Path, keys: Keys, database: sqlite3.Connection) -> None:
    assert said([f"{line}\r\n" for line in lines(path)], keys) == []


def test_an_export_without_its_checkpoints(path: Path, keys: Keys, database: sqlite3.Connection) -> None:
    records = [line for line in lines(path) if not line.startswith('{"checkpoint"')]
    (problem,) = said(records, keys)
    assert problem.damage is Damage.UNSIGNED
    assert "anybody could have made it up" in problem.message
    assert verify(records).ok  # without keys nobody asked for signatures


@pytest.mark.parametrize("line", ["[" * 100_000, '{"leaf":' * 3000, "", "NaN", '{"leaf":NaN}', "\0", '{"seq":1e999}'])
def test_hostile_lines_are_one_finding(path: Path, keys: Keys, database: sqlite3.Connection, line: str) -> None:
    text = lines(path)
    (problem,) = said([*text[:9], *[line] * 1000, *text[9:]], keys)
    assert problem.damage is Damage.UNREADABLE
    assert problem.message.startswith("line 10 to 1009: no exported record")


def test_two_exports_in_one_file(path: Path, keys: Keys, database: sqlite3.Connection) -> None:
    text = lines(path)
    assert {problem.damage for problem in said(text + text, keys)} == {Damage.REORDERED, Damage.INSERTED}


# -- keys


def test_keys_that_are_not_what_they_were(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    first = Keys.new(file, "log")
    rotated = first.rotate(overlap=timedelta(days=1))
    text = file.read_text()
    one, two = (key.public for key in rotated.keys)
    naive = text.replace('"created": "', '"created": "2026-01-01T00:00:00", "x": "', 1)
    for changed, words in (
        (text.replace(one, "*").replace(two, one).replace("*", two), "not the private one's"),
        (naive, "no file of keys"),
        (text.replace('Z"', '"').replace("+00:00", ""), "no file of keys"),
        ('{"keys":' + "[" * 100_000, "no file of keys"),
        ('{"x":' + "[" * 100_000, "no file of keys"),
    ):
        assert changed != text
        file.write_text(changed)
        with pytest.raises(AuditError, match=words):
            Keys.load(file)


def test_keys_that_are_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    for place in (tmp_path / "pipe", Path("/dev/zero"), tmp_path):
        with pytest.raises(AuditError, match="is no file"):
            Keys.load(place)


def test_another_key_in_its_place(path: Path, tmp_path: Path, anchor: FileAnchor, database: sqlite3.Connection) -> None:
    """Who signs all anew with a key of their own is found by who has the public key, or an anchor."""
    theirs = Trust(Keys.new(tmp_path / "theirs.json", "log").verifiers(), [anchor])
    assert {problem.damage for problem in report(path, theirs).problems} == {Damage.FORGED}
