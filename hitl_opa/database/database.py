"""What the record and the approvals need of a database."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from hitl_opa.errors import AuditError

MEMORY = ":memory:"


class Cursor(Protocol):
    """What is used of a DB-API cursor."""

    @property
    def rowcount(self) -> int: ...
    def execute(self, sql: str, parameters: Sequence[Any] = ..., /) -> Any: ...
    def executemany(self, sql: str, parameters: Any, /) -> Any: ...
    def fetchone(self) -> Any: ...


class Connection(Protocol):
    """What is used of a DB-API connection; transactions begin and end where a `Database` is told so."""

    def cursor(self) -> Any: ...
    def close(self) -> None: ...


class Database(Protocol):
    """One database. It holds no connection but one for reading, which `forget` closes.

    SQL is written for SQLite (``?``, ``instr``); `sql` turns it into this database's. Writers take turns:
    a transaction that was begun with the write lock has it until its end, so that what it reads stays true,
    and rows get their ids in the order in which they are committed. Every method raises AuditError,
    AuditBusy where another one has the lock.
    """

    @property
    def name(self) -> str:
        """As people know it: the file, or the URL without its password."""
        ...

    @property
    def mark(self) -> str:
        """How the driver marks a parameter."""
        ...

    @property
    def errors(self) -> tuple[type[Exception], ...]:
        """What the driver raises."""
        ...

    @property
    def dialect(self) -> str:
        """SQLAlchemy's URL of the driver, without a place."""
        ...

    @property
    def pooled(self) -> bool:
        """Whether connecting takes so long that connections are kept."""
        ...

    def sql(self, text: str) -> str: ...

    def connect(self, timeout: float) -> Any:
        """A connection that writes. Schema, and file, are made where they are missing, and brought up to date."""
        ...

    def present(self, timeout: float) -> None:
        """Raises AuditError where there is nothing to read."""
        ...

    def begin(self, connection: Any, timeout: float, *, lock: bool = True, reads: bool = False) -> Any:
        """A cursor in a new transaction; ``timeout`` seconds are waited for the write lock.

        Without ``lock`` it may write what needs no turn; with ``reads`` it only reads, and waits for nobody.
        Raises what the driver raises.
        """
        ...

    def join(self, cursor: Cursor) -> None:
        """Take the write lock in a transaction that somebody else began. Raises what the driver raises."""
        ...

    def commit(self, connection: Any) -> None:
        """End the transaction; on return it is on the disk. Raises what the driver raises."""
        ...

    def rollback(self, connection: Any) -> bool:
        """Undo the transaction, if there is one. False where the connection is of no use any more."""
        ...

    def select(self, text: str, values: Sequence[Any], timeout: float) -> list[tuple[Any, ...]]:
        """All rows of a query in a transaction of its own; text may come as bytes."""
        ...

    def forget(self) -> None:
        """Close what is kept open for reading: no connection may cross a fork."""
        ...

    def identity(self) -> object:
        """Something that changes when somebody puts another database in this one's place."""
        ...

    def scrub(self, connection: Any) -> bool:
        """Leave no copy of what was deleted; False where that cannot be had now."""
        ...

    def damage(self, timeout: float) -> list[str]:
        """What its own checks find, and what was put in that may change rows by itself."""
        ...

    def explain(self, error: BaseException) -> AuditError:
        """What is wrong, and what to do, for what the driver raised."""
        ...

    def listen(self, timeout: float) -> Any | None:
        """A connection on which `wake` is heard; None where nothing can be heard."""
        ...

    def wake(self, cursor: Cursor) -> None:
        """Have those who listen hear something once this transaction commits."""
        ...
