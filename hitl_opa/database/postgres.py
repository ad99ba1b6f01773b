"""PostgreSQL: a database that machines share. The only module that knows psycopg."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from hitl_opa.database import schema
from hitl_opa.database.database import Cursor
from hitl_opa.errors import AuditBusy, AuditError, ConfigError

try:
    import psycopg
    from psycopg.conninfo import conninfo_to_dict
    from psycopg.pq import TransactionStatus
except ImportError as missing:  # the driver, or the C library under it
    raise ConfigError(
        f"a PostgreSQL database needs its driver ({missing}): pip install 'hitl-opa[postgres]'"
    ) from missing

LOCK = 0x4869744C  # the advisory lock that writers of one database take turns on
CHANNEL = "hitl_opa"
VERSION = 130000  # of the server

_DEFAULTS = {
    "application_name": "hitl-opa",
    # a server that is gone without a word is noticed
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
}
_ADVICE = {
    "08": "cannot be reached, or the connection to it was lost; check that the server is up and has this database "
    "and user, then try again",
    "28": "does not let us in; check user and password in the URL, or PGPASSFILE, and the server's pg_hba.conf",
    "3D": "does not exist; make it with createdb",
    "42501": "may not be used so; the user needs rights on the tables (and CREATE on the schema, for a new one)",
    "3F000": "has no schema that this user has rights on; check search_path and GRANT",
    "42P01": "lacks tables of ours; restore a backup, or name another database",
    "53100": "cannot grow: the server's disk is full; free space, nothing was recorded",
    "53300": "has no connection left; raise max_connections, or use a pool",
    "25006": "is read-only (a standby?); name the server that takes writes",
    "57P": "is shutting down, or was restarted; try again once it is up",
    "58": "could not be read or written by the server's operating system; check its disk",
    "XX001": "is damaged; keep a copy as evidence and restore a backup",
    "XX002": "is damaged; keep a copy as evidence and restore a backup",
}


_SCHEMA = "(SELECT relnamespace FROM pg_class WHERE oid = to_regclass('audit_leaf'))"
_OURS = f"(SELECT oid FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = {_SCHEMA})"  # noqa: S608  constants
_LEAF = "to_regclass('audit_leaf')"
_CHANGES = (  # what reading and writing the record trust: what was changed, and who to ask
    ("a trigger was added to it", f"SELECT tgname FROM pg_trigger WHERE NOT tgisinternal AND tgrelid IN {_OURS}"),  # noqa: S608
    ("a rule was added to it", f"SELECT rulename FROM pg_rewrite WHERE ev_class IN {_OURS}"),  # noqa: S608
    ("row security hides a part of it", f"SELECT relname FROM pg_class WHERE relrowsecurity AND oid IN {_OURS}"),  # noqa: S608
    (
        "this is no table any more",
        "SELECT name FROM unnest(ARRAY['audit_leaf', 'audit_stream', 'audit_checkpoint', 'audit_anchored']) name "  # noqa: S608
        f"WHERE NOT EXISTS (SELECT FROM pg_class WHERE oid = to_regclass(name) AND oid IN {_OURS})",
    ),
    (
        "this column of audit_leaf may be empty now",
        f"SELECT attname FROM pg_attribute WHERE attrelid = {_LEAF} AND NOT attnotnull "  # noqa: S608
        "AND attname IN ('id', 'stream', 'seq', 'leaf', 'tree')",
    ),
    (
        "nothing keeps two records from one place now",
        f"SELECT 'audit_leaf' WHERE NOT EXISTS (SELECT FROM pg_index WHERE indrelid = {_LEAF} "  # noqa: S608
        "AND indisunique AND indisvalid AND indpred IS NULL AND indnkeyatts = 2)",
    ),
)


class Postgres:
    """A PostgreSQL database. ``url`` is libpq's; what it leaves out (password …) libpq looks for by itself."""

    mark = "%s"
    errors: tuple[type[Exception], ...] = (psycopg.Error,)
    dialect = "postgresql+psycopg://"
    pooled = True

    def __init__(self, url: str) -> None:
        self._url = url
        self.name = _without_password(url)
        self._reading: psycopg.Connection[Any] | None = None

    def sql(self, text: str) -> str:
        return _translated(text)

    def connect(self, timeout: float) -> psycopg.Connection[Any]:
        connection = self._connect(timeout)
        try:
            if self._version(connection) != schema.HEAD:
                self._prepare(connection, timeout)
        except psycopg.Error as error:
            connection.close()
            raise self.explain(error) from error
        except BaseException:
            connection.close()
            raise
        return connection

    def present(self, timeout: float) -> None:
        self._reader(timeout)

    def begin(
        self, connection: psycopg.Connection[Any], timeout: float, *, lock: bool = True, reads: bool = False
    ) -> psycopg.Cursor[Any]:
        cursor = connection.cursor()
        # READ COMMITTED: what is read once the lock is there is what the one before has written
        begin = "BEGIN ISOLATION LEVEL READ COMMITTED; "
        if lock and timeout <= 0:
            cursor.execute(f"{begin}SELECT pg_try_advisory_xact_lock({LOCK})")
            while cursor.nextset():
                pass
            if not (cursor.fetchone() or (False,))[0]:
                raise psycopg.errors.LockNotAvailable("another writer has the lock")
            return cursor
        taken = f"SELECT pg_advisory_xact_lock({LOCK})" if lock else "SELECT 1"
        limit = f"SET LOCAL lock_timeout = {max(int(timeout * 1000), 1)}; "
        cursor.execute(f"{begin}{limit}{taken}")
        return cursor

    def join(self, cursor: Cursor) -> None:
        cursor.execute(f"SELECT pg_advisory_xact_lock({LOCK})")

    def commit(self, connection: psycopg.Connection[Any]) -> None:
        connection.execute("COMMIT")

    def rollback(self, connection: psycopg.Connection[Any]) -> bool:
        if connection.broken or connection.closed:
            return False
        if connection.info.transaction_status is not TransactionStatus.IDLE:
            try:
                connection.execute("ROLLBACK")
            except psycopg.Error:
                return False  # the server has undone it, or will: the connection is gone
        return True

    def select(self, text: str, values: Sequence[Any], timeout: float) -> list[tuple[Any, ...]]:
        for again in (True, False):
            connection = self._reader(timeout)
            try:
                return connection.execute(_translated(text), values).fetchall()
            except psycopg.Error as error:
                gone = connection.broken or connection.closed
                self.forget()
                if not (gone and again):  # it was idle since the server was restarted
                    raise self.explain(error) from error
        raise AssertionError  # not reached: the second round returns or raises

    def forget(self) -> None:
        if self._reading is not None:
            self._reading.close()
            self._reading = None

    def identity(self) -> object:
        return None  # nobody can take a server's tables away from under it

    def scrub(self, connection: psycopg.Connection[Any]) -> bool:
        """Free the rows for reuse. Old versions stay in the server's files and log for a while: never True."""
        try:
            connection.execute("VACUUM audit_leaf")
        except psycopg.Error as error:
            raise self.explain(error) from error
        return False

    def damage(self, timeout: float) -> list[str]:
        return [f"{said}: {name}" for said, query in _CHANGES for (name,) in self.select(query, (), timeout)]

    def explain(self, error: BaseException) -> AuditError:
        state = getattr(error, "sqlstate", None) or ""
        if not state and isinstance(error, psycopg.OperationalError):
            state = "08"  # no server said anything
        advice = next((_ADVICE[part] for part in (state, state[:3], state[:2]) if part in _ADVICE), "failed")
        kind = AuditError
        if state == "55P03":
            kind, advice = AuditBusy, "is locked by another writer that did not let go in time; find it, then try again"
        told = " ".join(str(error).split()) or type(error).__name__
        return kind(f"database {self.name} {advice} ({told})")

    def listen(self, timeout: float) -> psycopg.Connection[Any]:
        connection = self._connect(timeout)
        connection.execute(f"LISTEN {CHANNEL}")
        return connection

    def wake(self, cursor: Cursor) -> None:
        cursor.execute(f"NOTIFY {CHANNEL}")

    def _connect(self, timeout: float) -> psycopg.Connection[Any]:
        """A connection whose commits are on the server's disk when they return. Raises AuditError."""
        try:
            given = conninfo_to_dict(self._url)
            options: dict[str, Any] = {
                **_DEFAULTS,
                "connect_timeout": max(int(timeout), 1),
                "tcp_user_timeout": int(timeout * 1000),
            }
            connection = psycopg.connect(
                self._url, autocommit=True, **{name: value for name, value in options.items() if name not in given}
            )
        except psycopg.Error as error:
            raise self.explain(error) from error
        try:
            found = connection.execute(
                "SELECT current_setting('fsync'), current_setting('synchronous_commit'),"
                " current_setting('server_version_num')::int"
            ).fetchone()
            fsync, commit, version = found or ("", "", 0)
            if version < VERSION:
                raise AuditError(f"database {self.name} is PostgreSQL {version // 10000}; 13 or newer is needed")
            if fsync != "on":
                raise AuditError(f"database {self.name} does not keep what it commits (fsync is {fsync}); turn it on")
            if commit == "off":
                connection.execute("SET synchronous_commit = on")
        except psycopg.Error as error:
            connection.close()
            raise self.explain(error) from error
        except BaseException:
            connection.close()
            raise
        return connection

    def _reader(self, timeout: float) -> psycopg.Connection[Any]:
        if self._reading is not None:
            return self._reading
        connection = self._connect(timeout)
        try:
            version = self._version(connection)
            if version not in (0, schema.HEAD):
                self._prepare(connection, timeout)
            connection.execute("SET default_transaction_read_only = on")
        except psycopg.Error as error:
            connection.close()
            raise self.explain(error) from error
        except BaseException:
            connection.close()
            raise
        if version == 0:
            connection.close()
            raise AuditError(f"database {self.name} holds no audit log")
        self._reading = connection
        return connection

    def _version(self, connection: psycopg.Connection[Any]) -> int:
        """The version of its schema, 0 where there is none. Raises AuditError where it is from the future."""
        there = connection.execute("SELECT to_regclass(%s), to_regclass('audit_leaf')", (schema.TABLE,)).fetchone()
        ours, theirs = there or (None, None)
        if ours is None and theirs is not None:
            raise AuditError(f"database {self.name} has another program's tables named as ours; name another database")
        if ours is None:
            return 0
        rows = connection.execute(f"SELECT version_num FROM {schema.TABLE}").fetchall()  # noqa: S608
        found = rows[0][0] if len(rows) == 1 else ""
        if not found.isdigit() or not 1 <= int(found) <= schema.HEAD:
            raise schema.too_new(f"database {self.name}", found or "none")
        return int(found)

    def _prepare(self, connection: psycopg.Connection[Any], timeout: float) -> None:
        """Make the schema, or bring it up to date, while writers wait."""

        def begin() -> int:
            self.begin(connection, timeout)
            return self._version(connection)  # another process may have been faster

        try:
            if begin() == 0:
                for statement in schema.statements("postgresql"):
                    connection.execute(statement)
                connection.execute("COMMIT")
                return
            self.rollback(connection)
            schema.upgrade(connection, self.dialect, begin)
        except BaseException:
            self.rollback(connection)
            raise


@lru_cache(maxsize=256)
def _translated(text: str) -> str:
    return text.replace("%", "%%").replace("?", "%s").replace("instr(", "strpos(")


def _without_password(url: str) -> str:
    parts = urlsplit(url)
    user = f"{parts.username}@" if parts.username else ""
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{user}{host}{parts.path}"
