"""Where everything durable is: a SQLite file, or a PostgreSQL database when there is more than one machine.

`open_database` makes a `Database` of a name; nothing above this package knows which one it is.
"""

from __future__ import annotations

from hitl_opa.database.database import MEMORY, Cursor, Database

__all__ = ["MEMORY", "Cursor", "Database", "is_postgres", "open_database"]

_SCHEMES = ("postgresql://", "postgres://")


def is_postgres(name: str) -> bool:
    """Whether this names a PostgreSQL database, and not a file."""
    return name.startswith(_SCHEMES)


def open_database(name: str) -> Database:
    """The database of a path, of `MEMORY`, or of a ``postgresql://`` URL. Nothing is opened yet.

    Raises ConfigError where the driver is not installed.
    """
    if is_postgres(name):
        from hitl_opa.database.postgres import Postgres

        return Postgres(name)
    from hitl_opa.database.sqlite import Sqlite

    return Sqlite(name)
