"""SQL: verbs, tables, and statements that reach out of the database."""

# ruff: noqa: E501  (tables read better a case a line)

from __future__ import annotations

from collections.abc import Callable

import pytest

from hitl_opa.model import Facts


@pytest.mark.parametrize(("text", "verb", "effect", "where"), [
    ("SELECT * FROM t", "select", "query", False), ("select a from t where id = 1", "select", "query", True), ("DELETE FROM t", "delete", "delete", False),
    ("DELETE FROM t WHERE id=1", "delete", "delete", True), ("UPDATE t SET a=1", "update", "write", False), ("DROP TABLE t", "drop", "delete", False),
    ("TRUNCATE t", "truncate", "delete", False), ("INSERT INTO t VALUES (1)", "insert", "write", False), ("CREATE TABLE t (a int)", "create", "write", False),
    ("GRANT ALL ON t TO x", "grant", "configure", False), ("WITH d AS (DELETE FROM t RETURNING *) SELECT * FROM d", "select", "delete", False),
    ("SELECT * INTO x FROM t", "select-into", "write", False), ("EXPLAIN SELECT 1", "explain", "query", False), ("SHOW TABLES", "show", "query", False),
    ("SELECT pg_terminate_backend(1) FROM t", "select", "execute", False),
])  # fmt: skip
def test_statement(text: str, verb: str, effect: str, where: bool, facts_of: Callable[..., Facts]) -> None:
    facts = facts_of({"query": text}, "mcp__db__query")
    assert [(s.verb, s.where) for s in facts.sql][:1] == [(verb, where)]
    assert effect in {e.verb.value for e in facts.effects}


def test_every_statement_counts(facts_of: Callable[..., Facts]) -> None:
    facts = facts_of("psql -c 'SELECT 1; DROP TABLE a; DELETE FROM b'")
    assert [s.verb for s in facts.sql] == ["select", "drop", "delete"]


@pytest.mark.parametrize(
    "text",
    [
        "EXEC xp_cmdshell 'dir'",
        "COPY t FROM PROGRAM 'id'",
        "DO $$ BEGIN PERFORM 1; END $$",
        "frobnicate the table",
        "purge tables",
        "reindex",
    ],
)
def test_what_is_not_understood_is_opaque(text: str, facts_of: Callable[..., Facts]) -> None:
    assert "sql-command" in {o.kind for o in facts_of({"sql": text}, "run_sql").opaque}


def test_files_that_a_statement_touches(facts_of: Callable[..., Facts]) -> None:
    facts = facts_of("mysql -e \"SELECT 1 INTO OUTFILE '/etc/passwd'\"")
    assert ("write", "system-auth") in {(e.verb.value, e.target.place) for e in facts.effects}


def test_a_database_that_is_attached_is_opened(facts_of: Callable[..., Facts]) -> None:
    for attach in ("attach", "ATTACH DATABASE"):
        facts = facts_of(f"sqlite3 a.db \"{attach} '.hitl/hitl.db' as h; delete from h.audit_leaf\"")
        assert (".hitl/hitl.db", "guard") in {(e.target.value, e.target.place) for e in facts.effects}


def test_commands_of_the_client(facts_of: Callable[..., Facts]) -> None:
    facts = facts_of("psql -c '\\! rm -rf /'")
    assert ("delete", "root") in {(e.verb.value, e.target.place) for e in facts.effects}
    assert facts_of("sqlite3 a.db .tables").opaque == []
