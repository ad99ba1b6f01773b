"""Whether the record's tables in a SQLite file are the ones that were made: reading trusts what they forbid."""

from __future__ import annotations

import sqlite3
from typing import Any

from hitl_opa.database import schema

TABLES = frozenset({"audit_leaf", "audit_stream", "audit_checkpoint", "audit_anchored"})


def changes(connection: sqlite3.Connection) -> list[str]:
    """What somebody changed in the schema, a sentence each."""
    connection.text_factory = lambda data: data.decode("utf-8", "backslashreplace")
    found = [
        f"a trigger was added to it: {name}"  # one on any table: approving something may delete a leaf
        for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")
    ]
    new = sqlite3.connect(":memory:")
    try:
        for statement in schema.statements("sqlite"):
            if statement.startswith("CREATE TABLE audit_"):
                new.execute(statement)
        for table in sorted(TABLES):
            if _shape(connection, table) != _shape(new, table):
                found.append(f"columns or constraints of its table {table} were changed: restore a backup")
    finally:
        new.close()
    return found


def _shape(connection: sqlite3.Connection, table: str) -> tuple[Any, Any]:
    """Columns that must hold something or are computed; unique indexes with the order that they compare by."""
    columns = {
        (name, bool(required or key), hidden)
        for name, required, key, hidden in connection.execute(
            'SELECT name, "notnull", pk, hidden FROM pragma_table_xinfo(?)', (table,)
        )
    }
    found = 'SELECT name FROM pragma_index_list(?) WHERE "unique" AND NOT partial'
    keys = "SELECT name, coll FROM pragma_index_xinfo(?) WHERE key ORDER BY seqno"
    indexes = {
        tuple(connection.execute(keys, (index,)).fetchall())
        for (index,) in connection.execute(found, (table,)).fetchall()
    }
    return columns, indexes
