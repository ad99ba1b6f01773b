"""The SQLite file of the audit log: opening, schema, and what its errors mean."""

from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path

from hitl_opa.errors import AuditBusy, AuditError

APPLICATION_ID = 0x4869744C  # "HitL"
SCHEMA_VERSION = 2
MEMORY = ":memory:"
PAUSE = 0.0005  # seconds between two looks at the write lock: about one commit of whoever has it

# tree: the compact tree after this leaf, so that damage in the middle can be told from what follows it.
# salt and payload: NULL together where the event had none, or where it was erased.
# anchored: how far each anchor has got a stream's checkpoints.
SCHEMA = (
    """CREATE TABLE audit_stream (
        id INTEGER PRIMARY KEY, stream TEXT NOT NULL UNIQUE, started TEXT NOT NULL,
        labels TEXT NOT NULL, size INTEGER NOT NULL)""",
    """CREATE TABLE audit_leaf (
        id INTEGER PRIMARY KEY, stream INTEGER NOT NULL REFERENCES audit_stream (id), seq INTEGER NOT NULL,
        leaf TEXT NOT NULL, tree BLOB NOT NULL, salt BLOB, payload TEXT, UNIQUE (stream, seq))""",
    "CREATE TABLE audit_checkpoint (stream TEXT, size BIGINT, note TEXT NOT NULL, PRIMARY KEY (stream, size))",
    "CREATE TABLE audit_anchored (anchor TEXT, stream TEXT, size BIGINT NOT NULL, PRIMARY KEY (anchor, stream))",
    f"PRAGMA application_id = {APPLICATION_ID}",
    f"PRAGMA user_version = {SCHEMA_VERSION}",
)

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


def explain(error: sqlite3.Error, path: str) -> AuditError:
    """The AuditError for what SQLite said of this file: what is wrong and what to do."""
    name = getattr(error, "sqlite_errorname", "") or ""
    primary = "_".join(name.split("_")[:2])  # SQLITE_IOERR_WRITE -> SQLITE_IOERR
    kind = AuditBusy if primary in {"SQLITE_BUSY", "SQLITE_LOCKED"} else AuditError
    return kind(f"audit log {path} {_ADVICE.get(primary, 'failed')} ({name or type(error).__name__}: {error})")


def connect(path: str, timeout: float) -> sqlite3.Connection:
    """A connection that writes; file and schema are made where they are missing. Raises AuditError."""
    try:
        if path != MEMORY:
            _create(Path(path))
        connection = sqlite3.connect(path, timeout=timeout, isolation_level=None, check_same_thread=False)
    except OSError as error:
        raise AuditError(f"audit log {path} cannot be created: {error.strerror or error}") from error
    except sqlite3.Error as error:
        raise explain(error, path) from error
    try:
        if not _is_ours(connection, path):
            _initialise(connection, path)
        if path != MEMORY:
            _use_wal(connection, path, timeout)
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
        raise explain(error, path) from error
    except BaseException:
        connection.close()
        raise
    return connection


def begin(connection: sqlite3.Connection, timeout: float) -> sqlite3.Cursor:
    """A cursor in a transaction that has the write lock, which other processes may hold up to ``timeout`` seconds.

    SQLite's own waiting sleeps longer from try to try (up to 0.1 s, 1 s in some builds), so that two
    busy writers would starve each other.
    """
    deadline = time.monotonic() + timeout
    while True:
        try:
            return connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
        time.sleep(PAUSE)


def scrub(connection: sqlite3.Connection, path: str) -> bool:
    """Move all of the write-ahead log into the file and empty it; False where a reader still needs it."""
    try:
        return not connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
    except sqlite3.Error as error:
        raise explain(error, path) from error


def connect_reader(path: str, timeout: float) -> sqlite3.Connection:
    """A connection that cannot write; text comes back as bytes. Raises AuditError, also where there is no log."""
    if not Path(path).is_file():
        raise AuditError(f"audit log {path} does not exist")
    from urllib.parse import quote  # takes milliseconds to import, and who only writes needs it not

    uri = f"file:{quote(str(Path(path).absolute()))}?mode=ro"
    # A copy on read-only media cannot have the shared-memory file that WAL needs; without a WAL it needs none
    if not os.access(Path(path).absolute().parent, os.W_OK) and not Path(f"{path}-wal").exists():
        uri += "&immutable=1"
    try:
        connection = sqlite3.connect(uri, timeout=timeout, isolation_level=None, check_same_thread=False, uri=True)
    except sqlite3.Error as error:
        raise explain(error, path) from error
    try:
        ours = _is_ours(connection, path)
        connection.execute("PRAGMA trusted_schema = OFF")
    except sqlite3.Error as error:
        connection.close()
        raise explain(error, path) from error
    except BaseException:
        connection.close()
        raise
    if not ours:
        connection.close()
        raise AuditError(f"audit log {path} is an empty database, not an audit log")
    connection.text_factory = bytes
    return connection


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


def _is_ours(connection: sqlite3.Connection, path: str) -> bool:
    """True: an audit log of this version. False: an empty database. Anything else raises AuditError."""
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    tables = {str(row[0]) for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if application == 0 and not tables:
        return False
    if application != APPLICATION_ID or not {"audit_leaf", "audit_stream"} <= tables:
        raise AuditError(f"audit log {path} is another program's database; name another audit file")
    if version != SCHEMA_VERSION:
        raise AuditError(
            f"audit log {path} has schema version {version}, this hitl-opa writes {SCHEMA_VERSION}; "
            "use the hitl-opa that wrote it, or another audit file"
        )
    return True


def _initialise(connection: sqlite3.Connection, path: str) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        if not _is_ours(connection, path):  # another process may have been faster
            for statement in SCHEMA:
                connection.execute(statement)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _use_wal(connection: sqlite3.Connection, path: str, timeout: float) -> None:
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
            f"audit log {path} is on a file system without write-ahead logging (mode {mode}); use a local disk"
        )
