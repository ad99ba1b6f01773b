"""The schema: as tables and migrations say, made or brought up to date without a step by hand and without loss."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sql
from doubles import referee

from hitl_opa.approvals import Person, State
from hitl_opa.approvals.approvals import Approvals
from hitl_opa.approvals.tables import METADATA
from hitl_opa.audit import AuditLog, Event, Kind
from hitl_opa.database import open_database, schema
from hitl_opa.errors import AuditError

THEN = datetime(2026, 1, 5, 12, 30, tzinfo=UTC)
RITA = Person(name="rita", groups=frozenset({"sre"}))
HERE = Path(schema.__file__).parent


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A file as version 1 left it: a decision, and approvals that are pending, approved, executing and denied."""
    path = tmp_path / "old.db"
    connection = sqlite3.connect(path)
    connection.executescript((Path(__file__).parent / "version1.sql").read_text())
    connection.close()
    return path


def shape(path: Path) -> dict[str, Any]:
    """Columns and indexes of each table; what a column defaults to is no matter."""
    connection = sqlite3.connect(path)
    names = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
    found = {
        name: (
            sorted(
                (column, kind.replace("BIGINT", "INTEGER"), bool(required) or bool(key), key)
                for _, column, kind, required, _, key in connection.execute(f"PRAGMA table_info('{name}')")
            ),
            sorted(
                (index if how == "c" else "", unique, [r[2] for r in connection.execute(f"PRAGMA index_info({index})")])
                for _, index, unique, how, _ in connection.execute(f"PRAGMA index_list('{name}')").fetchall()
            ),
        )
        for name in names
    }  # fmt: skip
    connection.close()
    return found


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])
def test_what_makes_a_new_database_is_written_from_the_migrations(dialect: str) -> None:
    """`python -m hitl_opa.database.schema` writes it."""
    assert (HERE / f"{dialect}.sql").read_text() == schema.written(dialect)


def test_the_newest_migration_is_the_newest_version() -> None:
    names = sorted(path.name for path in (HERE / "migrations" / "versions").glob("r*.py"))
    assert names[-1].startswith(f"r{schema.HEAD:04}_")


def test_a_new_database_has_the_tables_that_approvals_use(database: str) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    AuditLog.open(database).close()
    place = open_database(database)
    connection = place.connect(10)
    engine = sql.create_engine(place.dialect, creator=lambda: connection, poolclass=sql.pool.StaticPool)
    ours = set(METADATA.tables)
    with engine.connect() as session:
        context = MigrationContext.configure(
            session,
            opts={"include_object": lambda o, name, kind, *_: (o.table.name if kind != "table" else name) in ours},
        )
        assert compare_metadata(context, METADATA) == []
    connection.close()


def test_a_file_of_the_first_version_loses_nothing(old: Path) -> None:
    with AuditLog.open(old) as audit:
        approvals = Approvals.open(audit, redact=lambda v: v, clock=lambda: THEN, referee=referee())
        assert audit.verify().ok
        assert len(list(audit.records())) == 12
        assert next(iter(audit.records())).payload == {"input": {"command": "ls"}}
        found = {approval.call_id: approval for approval in approvals.search()}
        assert {id: str(a.state) for id, a in found.items()} == {
            "c0": "pending",
            "c1": "lapsed",  # it was given at 12:00, for 15 minutes
            "c2": "executing",
            "c3": "denied",
        }
        assert [(v.reviewer, v.groups, v.approves, v.reason) for v in found["c3"].votes] == [
            ("rita", ["sre"], False, "No.")
        ]
        assert (found["c0"].kind, found["c0"].run, found["c0"].edited, found["c0"].rationale) == (
            "call",
            "s1",
            None,
            "because",
        )
        assert approvals.vote(found["c0"].id, RITA, approves=True).state is State.APPROVED
        approvals.settle(found["c2"].id, "ran", Event(kind=Kind.OUTCOME, outcome="ran"))
        assert approvals.get(found["c2"].id).state is State.EXECUTED
        assert audit.verify().ok


def test_it_has_the_schema_of_a_new_one_then(old: Path, tmp_path: Path) -> None:
    AuditLog.open(old).close()
    AuditLog.open(tmp_path / "new.db").close()
    assert shape(old) == shape(tmp_path / "new.db")


def test_reading_a_file_of_the_first_version_brings_it_up_to_date(old: Path) -> None:
    with AuditLog.open(old, readonly=True) as audit:
        assert audit.verify().ok


def test_a_file_that_never_had_approvals(old: Path) -> None:
    connection = sqlite3.connect(old)
    for name in ("approval_vote", "approval", "approval_schema"):
        connection.execute(f"DROP TABLE {name}")
    connection.close()
    with AuditLog.open(old) as audit:
        assert Approvals.open(audit, redact=lambda v: v).search() == []
        assert audit.verify().ok


def test_many_who_open_an_old_file_at_once(old: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(lambda _: AuditLog.open(old, timeout=60).verify().ok, range(4)))


def test_what_cannot_be_brought_up_to_date_is_left_as_it_is(old: Path) -> None:
    connection = sqlite3.connect(old)
    connection.execute("CREATE TABLE letter (theirs)")
    connection.close()
    before = shape(old)
    with pytest.raises(AuditError, match=r"from version 1 to .* nothing was changed.*letter already exists"):
        AuditLog.open(old)
    assert shape(old) == before


def test_an_old_postgresql_database_is_brought_up_to_date(postgres: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    name = postgres.create()
    with monkeypatch.context() as then:
        then.setattr(schema, "HEAD", 2)
        text = schema.written("postgresql")
        end = text.index("CREATE TABLE approval (")
        parts = [part.strip() for part in text[:end].split(";\n") if part.strip()]
        then.setattr(schema, "statements", lambda dialect: parts)
        with AuditLog.open(name) as audit:
            audit.append(Event(kind=Kind.NOTE))
    with ThreadPoolExecutor(4) as pool:

        def opened(_: int) -> bool:
            with AuditLog.open(name, timeout=60) as audit:
                return audit.verify().records == 1 and Approvals.open(audit, redact=lambda v: v).search() == []

        assert all(pool.map(opened, range(4)))


def test_a_database_from_the_future_is_refused(database: str) -> None:
    with AuditLog.open(database) as audit, audit.transaction() as cursor:
        cursor.execute("UPDATE hitl_schema SET version_num = '0099'")
        if database.endswith(".db"):
            cursor.execute("PRAGMA user_version = 99")
    for readonly in (False, True):
        with pytest.raises(AuditError, match=r"has schema version (00)?99, this hitl-opa knows those up to"):
            AuditLog.open(database, readonly=readonly)


def test_neither_a_new_file_nor_an_up_to_date_one_takes_alembic(tmp_path: Path) -> None:
    program = (
        "import sys; from hitl_opa.audit import AuditLog, Event, Kind\n"
        "for _ in range(2):\n"
        "    with AuditLog.open(sys.argv[1]) as log: log.append(Event(kind=Kind.NOTE))\n"
        "assert not {'alembic', 'sqlalchemy', 'psycopg'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path / "new.db")], check=True)


def test_a_copy_of_an_old_file_is_enough_of_a_backup(old: Path, tmp_path: Path) -> None:
    shutil.copy(old, tmp_path / "copy.db")
    AuditLog.open(old).close()
    with AuditLog.open(tmp_path / "copy.db") as audit:
        assert audit.verify().ok
