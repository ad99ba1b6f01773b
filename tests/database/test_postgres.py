"""What can go wrong with a server: an error that names the database and says what to do, and nothing half done."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import psycopg
import pytest

from hitl_opa.approvals import State
from hitl_opa.approvals.approvals import Approvals
from hitl_opa.audit import AuditLog, Event, Kind
from hitl_opa.config import Config
from hitl_opa.errors import AuditError
from hitl_opa.testing.conformance.store import ask, event, opened

if TYPE_CHECKING:
    from postgres import Server

WITHOUT = """
import sys
sys.modules["psycopg"] = None
from hitl_opa.audit import AuditLog
AuditLog.open("postgresql://localhost/x")
"""


@pytest.fixture
def name(postgres: Server) -> str:
    return postgres.create()


@pytest.fixture
def log(name: str) -> Iterator[AuditLog]:
    with AuditLog.open(name, timeout=20) as log:
        yield log


@pytest.fixture
def own() -> Iterator[Server]:
    """A server of this test's own, to do things to."""
    from postgres import Server

    server = Server()
    yield server
    server.remove()


def run(name: str, *statements: str) -> None:
    with psycopg.connect(name, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)


def kill_others(name: str) -> None:
    """As an administrator, or a failing network, would."""
    run(
        name,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND usename = 'hitl'",
    )


def test_a_server_that_is_not_there() -> None:
    with pytest.raises(AuditError, match=r"postgresql://me@127.0.0.1:1/x cannot be reached.*that the server is up"):
        AuditLog.open("postgresql://me:secret@127.0.0.1:1/x", timeout=2)


def test_a_password_is_not_told() -> None:
    with pytest.raises(AuditError) as caught:
        AuditLog.open("postgresql://me:hunter2@127.0.0.1:1/x?password=hunter3", timeout=2)
    assert "hunter" not in str(caught.value)


def test_a_database_that_does_not_exist(postgres: Server) -> None:
    with pytest.raises(AuditError, match="has this database"):
        AuditLog.open(postgres.url().replace("/postgres", "/nowhere"))


def test_without_its_driver() -> None:
    done = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True, check=False)
    assert "needs its driver" in done.stderr
    assert "pip install 'hitl-opa[postgres]'" in done.stderr


def test_settings() -> None:
    assert Config(database="postgresql://h/x").record == "postgresql://h/x"
    assert Config(database="postgresql://h/x", audit=":memory:", durable=True).durable
    with pytest.raises(ValueError, match="a SQLite file is `audit`"):
        Config(database="sqlite:///x")


def test_another_programs_tables(name: str) -> None:
    run(name, "CREATE TABLE audit_leaf (id int)")
    with pytest.raises(AuditError, match="another program's tables"):
        AuditLog.open(name)


def test_a_user_who_may_not(name: str, log: AuditLog, postgres: Server) -> None:
    log.append(event(0))
    run(name, "DROP ROLE IF EXISTS guest", "CREATE ROLE guest LOGIN")
    with pytest.raises(AuditError, match="has rights on"):
        AuditLog.open(name.replace("hitl@", "guest@"))


def test_a_server_that_does_not_keep_what_it_commits(own: Server) -> None:
    run(own.url(), "ALTER SYSTEM SET fsync = off")
    own.stop("fast")
    own.start()
    with pytest.raises(AuditError, match=r"does not keep what it commits \(fsync is off\)"):
        AuditLog.open(own.url())


def test_commits_are_waited_for_whatever_the_database_says(name: str) -> None:
    lazy = name.replace("-csearch_path", "-csynchronous_commit%3Doff%20-csearch_path")
    with AuditLog.open(lazy) as log:
        assert log._open().execute("SHOW synchronous_commit").fetchone() == ("on",)


def test_a_standby(name: str, log: AuditLog) -> None:
    log.append(event(0))
    standby = name.replace("-csearch_path", "-cdefault_transaction_read_only%3Don%20-csearch_path")
    with AuditLog.open(standby) as other:
        with pytest.raises(AuditError, match="is read-only"):
            other.append(event(1))
        assert other.verify().ok
    with AuditLog.open(standby, readonly=True) as reader:
        assert reader.verify().records == 1


@pytest.mark.parametrize(
    ("state", "said"),
    [("53100", "the server's disk is full; free space, nothing was recorded"), ("58030", "check its disk"),
     ("53300", "no connection left"), ("XX001", "is damaged"), ("57P01", "shutting down"), ("22000", "failed")],
)  # fmt: skip
def test_what_the_server_says_of_itself(name: str, log: AuditLog, state: str, said: str) -> None:
    log.append(event(0))
    run(
        name,
        "CREATE FUNCTION fails() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '{state}'; END $$",
        "CREATE TRIGGER fails BEFORE INSERT ON audit_leaf FOR EACH ROW WHEN (NEW.seq = 1) EXECUTE FUNCTION fails()",
    )  # fmt: skip
    with pytest.raises(AuditError, match=said):
        log.append(event(1))
    (problem,) = log.verify().problems
    assert "a trigger was added to it: fails" in str(problem)
    run(name, "DROP TRIGGER fails ON audit_leaf")
    assert log.append(event(2)).seq == 1
    assert log.verify().ok


def test_a_rule_that_swallows_records_is_noticed(name: str, log: AuditLog) -> None:
    run(name, "CREATE RULE nothing AS ON INSERT TO audit_leaf DO INSTEAD NOTHING")
    assert "a rule was added to it: nothing" in str(log.verify().problems[0])


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("ALTER TABLE audit_leaf ENABLE ROW LEVEL SECURITY", "row security hides a part of it: audit_leaf"),
        ("ALTER TABLE audit_leaf ALTER seq DROP NOT NULL", "may be empty now: seq"),
        (
            "ALTER TABLE audit_leaf DROP CONSTRAINT audit_leaf_stream_seq_key",
            "nothing keeps two records from one place now",
        ),
        (
            "ALTER TABLE audit_leaf RENAME TO gone; CREATE VIEW audit_leaf AS SELECT * FROM gone",
            "no table any more: audit_leaf",
        ),
        (
            "CREATE TRIGGER t BEFORE UPDATE ON approval FOR EACH ROW "
            "EXECUTE FUNCTION suppress_redundant_updates_trigger()",
            "a trigger was added to it: t",
        ),
    ],
    ids=["row security", "empty", "twice", "a view", "a trigger on an approval"],
)
def test_a_schema_that_lets_records_hide_is_noticed(name: str, log: AuditLog, sql: str, said: str) -> None:
    log.append(event(0))
    run(name, *sql.split("; "))
    assert any(said in str(problem) for problem in log.verify().problems)


def test_a_connection_lost_between_two_appends(name: str, log: AuditLog) -> None:
    log.append(event(0))
    assert len(list(log.records())) == 1
    kill_others(name)
    with pytest.raises(AuditError, match="try again"):
        log.append(event(1))
    assert log.append(event(2)).seq == 1
    assert [r.leaf["decision_id"] for r in log.records()] == ["d0", "d2"]
    assert log.verify().ok


@pytest.mark.parametrize("committed", [True, False])
def test_a_connection_lost_in_mid_commit(
    name: str, log: AuditLog, committed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody knows whether it was recorded: the append fails either way, and the stream goes on from what is there."""
    log.append(event(0))
    commit = log.database.commit

    def lost(connection: psycopg.Connection[object]) -> None:
        if committed:
            commit(connection)
        kill_others(name)
        connection.execute("SELECT 1")

    with monkeypatch.context() as broken:
        broken.setattr(log.database, "commit", lost)
        with pytest.raises(AuditError, match="try again"):
            log.append(event(1))
    assert log.append(event(2)).seq == (2 if committed else 1)
    assert log.verify().ok


def test_approvals_go_on_after_a_restart(name: str, log: AuditLog) -> None:
    approvals = opened(log)
    asked = ask(approvals)
    kill_others(name)
    assert approvals.get(asked.id).state is State.PENDING
    assert approvals.store.audit is log


def test_a_crash_of_the_server_loses_nothing_that_was_acknowledged(own: Server) -> None:
    with AuditLog.open(own.create(), timeout=5) as log:
        approvals = opened(log)
        receipts = [log.append(event(number)) for number in range(20)]
        asked = ask(approvals)
        own.crash()
        for broken in (lambda: log.append(event(99)), lambda: approvals.get(asked.id), lambda: list(log.records())):
            with pytest.raises(AuditError, match=r"cannot be reached|shutting down|server is up"):
                broken()
        own.start()
        assert approvals.get(asked.id).state is State.PENDING
        assert log.append(event(20)).seq == len(receipts) + 1  # one more: that it was asked for
        assert [r.seq for r in log.records()][:20] == [receipt.seq for receipt in receipts]
        assert log.verify().ok


def test_two_programs_in_one_database_need_two_schemas(postgres: Server) -> None:
    first, second = postgres.create(), postgres.create()
    with AuditLog.open(first) as one, AuditLog.open(second) as other:
        one.append(event(1))
        assert list(other.records()) == []


async def test_workers_are_woken(name: str, log: AuditLog) -> None:
    import asyncio

    approvals: Approvals = opened(log)
    with approvals.store.wakeups() as wakeups:
        assert wakeups.poll >= 5
        woken = asyncio.create_task(wakeups.wait())
        await asyncio.sleep(0)
        ask(approvals)
        await asyncio.wait_for(woken, 60)
        again = asyncio.create_task(wakeups.wait())
        await asyncio.sleep(0)
        kill_others(name)
        with pytest.raises(AuditError, match="try again"):
            await asyncio.wait_for(again, 60)


def test_a_note_of_any_text(log: AuditLog) -> None:
    log.append(Event(kind=Kind.NOTE, tool="\x00 % ? %s 日本", detail={"\x00": "\x00"}))
    assert next(iter(log.records())).get("tool") == "\x00 % ? %s 日本"
