"""SQLite: a file that the processes of one machine share."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hitl_opa.database import schema, shape
from hitl_opa.database.database import MEMORY, Cursor
from hitl_opa.errors import AuditBusy, AuditError

APPLICATION_ID = 0x4869744C  # "HitL"
PAUSE = 0.0005  # seconds between two looks at the write lock: about one commit of whoever has it

_ADVICE = {
    "SQLITE_NOTADB": "is not a SQLite database; move it away or name another audit file",
    "SQLITE_CORRUPT": "is damaged; keep a copy as evidence, restore a backup or start a new file",
    "SQLITE_FULL": "cannot grow: the disk (or quota) is full; free space, nothing was recorded",
    "SQLITE_READONLY": "cannot be written; check the permissions of the file and its directory",
    "SQLITE_CANTOPEN": "cannot be opened; check that its directory exists and can be written",
    "SQLITE_BUSY": "is locked by another process that did not let go in time; find it, then try again",
    "SQLITE_LOCKED": "is locked by another process that did not let go in time; find it, then try again",
    "SQLITE_IOERR": "could not be read or written by the operating system; check the disk",
    "SQLITE_PERM": "may not be accessed; check the permissions of the file and its directory",
}


class Sqlite:
    """A SQLite file, or `MEMORY`, which only the connection that made it sees."""

    mark = "?"
    errors: tuple[type[Exception], ...] = (sqlite3.Error,)
    dialect = "sqlite+pysqlite://"
    pooled = False

    def __init__(self, path: str) -> None:
        self.name = path

    def sql(self, text: str) -> str:
        return text

    def connect(self, timeout: float) -> sqlite3.Connection:
        path = self.name
        try:
            if path != MEMORY:
                _create(Path(path))
            connection = sqlite3.connect(path, timeout=timeout, isolation_level=None, check_same_thread=False)
        except OSError as error:
            raise AuditError(f"audit log {path} cannot be created: {error.strerror or error}") from error
        except sqlite3.Error as error:
            raise self.explain(error) from error
        try:
            if self._version(connection) != schema.HEAD:
                self._prepare(connection, timeout)
            if path != MEMORY:
                self._use_wal(connection, timeout)
            for setting in (
                "synchronous = FULL",
                "fullfsync = ON",
                "trusted_schema = OFF",
                "busy_timeout = 0",
                "secure_delete = ON",
            ):
                connection.execute(f"PRAGMA {setting}")
        except sqlite3.Error as error:
            connection.close()
            raise self.explain(error) from error
        except BaseException:
            connection.close()
            raise
        return connection

    def present(self, timeout: float) -> None:
        self._reader(timeout).close()

    def begin(
        self, connection: sqlite3.Connection, timeout: float, *, lock: bool = True, reads: bool = False
    ) -> sqlite3.Cursor:
        if reads:
            return connection.execute("BEGIN")
        # SQLite's own waiting sleeps longer from try to try (up to 0.1 s, 1 s in some builds), so that two
        # busy writers would starve each other
        deadline = time.monotonic() + timeout
        while True:
            try:
                return connection.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                    raise
            time.sleep(PAUSE)

    def join(self, cursor: Cursor) -> None:
        pass  # whoever writes has the lock already

    def commit(self, connection: sqlite3.Connection) -> None:
        connection.execute("COMMIT")

    def rollback(self, connection: sqlite3.Connection) -> bool:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        return True

    def select(self, text: str, values: Sequence[Any], timeout: float) -> list[tuple[Any, ...]]:
        connection = self._reader(timeout)
        try:
            return connection.execute(text, values).fetchall()
        except sqlite3.Error as error:
            raise self.explain(error) from error
        finally:
            connection.close()

    def forget(self) -> None:
        pass  # every query has a connection of its own

    def identity(self) -> object:
        """SQLite goes on writing to files that were removed; whoever removed them must not win."""
        if self.name == MEMORY:
            return None
        try:
            found = os.stat(self.name), os.stat(self.name + "-wal")  # noqa: PTH116  a Path takes five times as long
        except OSError as error:
            raise AuditError(
                f"audit log {self.name} was removed while in use ({error}); restore it, then restart"
            ) from error
        return tuple((one.st_dev, one.st_ino) for one in found)

    def scrub(self, connection: sqlite3.Connection) -> bool:
        """Move all of the write-ahead log into the file and empty it; False where a reader still needs it."""
        try:
            return not connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        except sqlite3.Error as error:
            raise self.explain(error) from error

    def damage(self, timeout: float) -> list[str]:
        said = [_text(row[0]) for row in self.select("PRAGMA integrity_check(20)", (), timeout)]
        connection = self._reader(timeout)
        try:
            return [line for line in said if line != "ok"] + shape.changes(connection)
        except sqlite3.Error as error:
            raise self.explain(error) from error
        finally:
            connection.close()

    def explain(self, error: BaseException) -> AuditError:
        name = getattr(error, "sqlite_errorname", "") or ""
        primary = "_".join(name.split("_")[:2])  # SQLITE_IOERR_WRITE -> SQLITE_IOERR
        kind = AuditBusy if primary in {"SQLITE_BUSY", "SQLITE_LOCKED"} else AuditError
        return kind(f"audit log {self.name} {_ADVICE.get(primary, 'failed')} ({name or type(error).__name__}: {error})")

    def listen(self, timeout: float) -> None:
        return None

    def wake(self, cursor: Cursor) -> None:
        pass  # nobody can listen: they look often

    def _reader(self, timeout: float) -> sqlite3.Connection:
        """A connection that cannot write; text comes back as bytes. Raises AuditError, also where there is no log."""
        path = self.name
        if not Path(path).is_file():
            raise AuditError(f"audit log {path} does not exist")
        from urllib.parse import quote  # takes milliseconds to import, and who only writes needs it not

        uri = f"file:{quote(str(Path(path).absolute()))}?mode=ro"
        writable = os.access(Path(path).absolute().parent, os.W_OK)
        # A copy on read-only media cannot have the shared-memory file that WAL needs; without a WAL it needs none
        if not writable and not Path(f"{path}-wal").exists():
            uri += "&immutable=1"
        try:
            connection = sqlite3.connect(uri, timeout=timeout, isolation_level=None, check_same_thread=False, uri=True)
        except sqlite3.Error as error:
            raise self.explain(error) from error
        try:
            version = self._version(connection)
            connection.execute("PRAGMA trusted_schema = OFF")
        except sqlite3.Error as error:
            connection.close()
            raise self.explain(error) from error
        except BaseException:
            connection.close()
            raise
        if version == schema.HEAD:
            connection.text_factory = bytes
            return connection
        connection.close()
        if version == 0:
            raise AuditError(f"audit log {path} is an empty database, not an audit log")
        self.connect(timeout).close()  # brings it up to date
        return self._reader(timeout)

    def _version(self, connection: sqlite3.Connection) -> int:
        """The version of its schema, 0 where it is empty. Raises AuditError where it is not ours, or too new."""
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        tables = {str(row[0]) for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if application == 0 and not tables:
            return 0
        missing = sorted({"audit_leaf", "audit_stream"} - tables if version < 2 else shape.TABLES - tables)
        if application != APPLICATION_ID or missing:
            without = f", or its tables were removed ({', '.join(missing)}): restore a backup" if missing else ""
            raise AuditError(f"audit log {self.name} is another program's database; name another audit file{without}")
        if not 1 <= version <= schema.HEAD:
            raise schema.too_new(f"audit log {self.name}", version)
        return int(version)

    def _prepare(self, connection: sqlite3.Connection, timeout: float) -> None:
        """Make the schema, or bring it up to date."""

        def begin() -> int:
            self.begin(connection, timeout)
            return self._version(connection)  # another process may have been faster

        try:
            if begin() == 0:
                for statement in schema.statements("sqlite"):
                    connection.execute(statement)
                connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                connection.execute(f"PRAGMA user_version = {schema.HEAD}")
                connection.execute("COMMIT")
                return
            self.rollback(connection)
            schema.upgrade(connection, self.dialect, begin)
        except BaseException:
            self.rollback(connection)
            raise

    def _use_wal(self, connection: sqlite3.Connection, timeout: float) -> None:
        deadline = time.monotonic() + timeout
        while True:
            try:
                (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
                break
            except sqlite3.OperationalError as error:
                # Changing the mode does not wait for other processes by itself
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                    raise
                time.sleep(0.01)
        if mode != "wal":
            raise AuditError(
                f"audit log {self.name} is on a file system without write-ahead logging (mode {mode}); use a local disk"
            )


def _create(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except FileExistsError:
        return
    if os.name == "posix":  # the name itself must survive a power cut too
        directory = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


def _text(value: Any) -> str:
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)
