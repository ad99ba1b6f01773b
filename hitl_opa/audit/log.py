"""The audit log: append durably, read, follow, export, verify."""

from __future__ import annotations

import os
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from hitl_opa.audit import checkpoints
from hitl_opa.audit.filter import Filter
from hitl_opa.audit.leaf import SALT_BYTES, Event, Receipt, Record, Redact, Sealed, Suspect, seal
from hitl_opa.audit.report import Report, StreamHead
from hitl_opa.audit.stream import Stream
from hitl_opa.database import MEMORY, Cursor, open_database
from hitl_opa.errors import AuditBusy, AuditError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hitl_opa.audit.checkpoint import Checkpoint
    from hitl_opa.audit.notary import Notary
    from hitl_opa.audit.notes import Verifier
    from hitl_opa.audit.proofs import Prover
    from hitl_opa.audit.reader import Reader


Observer = Callable[[dict[str, Any]], None]
"""Takes the leaf of each record once it was written. It must not raise: the record is there already."""


class _Ticket:
    """An append that waits for its group's commit."""

    __slots__ = ("error", "event", "receipt")

    def __init__(self, event: Sealed) -> None:
        self.event = event
        self.receipt: Receipt | None = None
        self.error: BaseException | None = None


class AuditLog:
    """A durable, tamper-evident log in a database that processes and threads may share.

    Every method may be called from any thread; all are synchronous. An append takes about as long as
    one fsync. In asyncio, call it directly where calls come one at a time (a thread adds a quarter),
    through a `Batch` where many are in flight, from an executor where the disk is slow: appends that
    wait share a commit.

    ``AuditLog.open(":memory:")`` keeps the log in memory, for tests.
    """

    def __init__(
        self,
        path: str,
        *,
        redact: Redact | None,
        suspect: Suspect | None,
        labels: dict[str, str],
        timeout: float,
        readonly: bool,
        notary: Notary | None,
    ) -> None:
        self.database = open_database(path)
        self.path = self.database.name
        self._redact = redact
        self._suspect = suspect
        self.timeout = timeout
        self.observers: list[Observer] = []
        self.closers: list[Callable[[], None]] = []  # what else is open in this database, and ends with the log
        self._readonly = readonly
        self.notary = notary
        self._stream = Stream(labels, self.database.mark)
        self._connection: Any = None
        self._identity: object = None
        self._closed = False
        self._waiting: deque[_Ticket] = deque()
        self._new_locks()
        if hasattr(os, "register_at_fork"):
            _survive_forks(self)

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str],
        *,
        redact: Redact | None = None,
        suspect: Suspect | None = None,
        labels: dict[str, str] | None = None,
        timeout: float = 10.0,
        readonly: bool = False,
        notary: Notary | None = None,
    ) -> AuditLog:
        """Open the log, and make it where it is missing (a file: mode 0600) unless ``readonly``.

        ``path``: a SQLite file, or the ``postgresql://`` URL of a database.

        ``redact`` sees every event before anything is written; with ``suspect``, only those whose text
        ``suspect`` does not clear (it is much faster to read one text than to walk a value).
        ``labels`` stand in every leaf (environment, deployment …). ``timeout`` is how long to wait for
        other processes, in seconds. ``notary`` signs checkpoints (None: nobody does).
        Raises AuditError, which says what is wrong with the file and what to do.
        """
        log = cls(
            os.fspath(path),
            redact=redact,
            suspect=suspect,
            labels=labels or {},
            timeout=timeout,
            readonly=readonly,
            notary=None if readonly else notary,
        )
        if readonly:
            log.database.present(timeout)
        else:
            with log._writing:
                log._open()
        return log

    def __enter__(self) -> AuditLog:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Sign for what is not signed for, then close the file; every later call raises AuditError."""
        if self.notary is not None and not self._closed:
            self.notary.finish(self)
        with self._reading, self._writing:
            self._closed = True
            self._release()
        for close in self.closers:
            close()

    # -- writing

    def append(self, event: Event, *, cursor: Cursor | None = None) -> Receipt:
        """Record the event; on return it is on the disk. Raises AuditError, and then it was not recorded.

        With ``cursor`` (a DB-API cursor of another connection to the same database) the record
        becomes part of that transaction instead, durable and visible when it commits.
        """
        sealed = self.seal(event)
        if cursor is not None:
            self.database.join(cursor)
            receipt = self._stream.write(cursor, [sealed]).receipts[0]
            self._observe([sealed])
            if self.notary is not None:
                self.notary.stored(self, None)  # it may not commit, and then there is nothing to sign
            return receipt
        ticket = _Ticket(sealed)
        self._waiting.append(ticket)
        with self._writing:
            if ticket.receipt is None and ticket.error is None:
                self._commit([self._waiting.popleft() for _ in range(len(self._waiting))])
        if ticket.receipt is None:
            kind = AuditBusy if isinstance(ticket.error, AuditBusy) else AuditError
            raise kind(str(ticket.error)) from ticket.error
        return ticket.receipt

    def seal(self, event: Event) -> Sealed:
        """The event redacted and encoded, for `write`. Raises AuditError."""
        if self._readonly:
            raise AuditError(f"audit log {self.path} was opened to be read")
        try:
            return seal(event, salt=os.urandom(SALT_BYTES), redact=self._redact, suspect=self._suspect)
        except Exception as error:
            # A redactor that fails must not let the event through as it is
            raise AuditError(f"the event was not recorded, it could not be redacted and encoded: {error!r}") from error

    def write(self, events: list[Sealed], *, timeout: float | None = None) -> list[Receipt]:
        """Record sealed events in one transaction, all or none; on return they are on the disk.

        Raises AuditError; AuditBusy where another process writes for ``timeout`` seconds (default: the log's).
        """
        with self._writing:
            return self._transaction(events, self.timeout if timeout is None else timeout)

    @contextmanager
    def transaction(self) -> Iterator[Cursor]:
        """A transaction on the record's database, for what must happen together with an `append`."""
        with self._writing, self._begun(self.timeout) as cursor:
            yield cursor

    def _commit(self, group: list[_Ticket]) -> None:
        """Write these events in one transaction. The caller holds the write lock."""
        try:
            receipts = self._transaction([ticket.event for ticket in group], self.timeout)
        except BaseException as error:
            for ticket in group:
                ticket.error = error
            if not isinstance(error, AuditError):
                raise
        else:
            for ticket, receipt in zip(group, receipts, strict=True):
                ticket.receipt = receipt

    def _transaction(self, events: list[Sealed], timeout: float) -> list[Receipt]:
        signed = None
        with self._begun(timeout) as cursor:
            written = self._stream.write(cursor, events)
            if self.notary is not None and (signed := self.notary.due(self._stream.id, written.tree)):
                checkpoints.keep(cursor, signed, self.database)
        self._check_identity()
        self._stream.acknowledge(written)
        self._observe(events)
        if self.notary is not None:
            self.notary.stored(self, signed)
        return written.receipts

    @contextmanager
    def _begun(self, timeout: float) -> Iterator[Cursor]:
        """A transaction on our connection. The caller holds the write lock."""
        connection = self._open()
        try:
            try:
                yield self.database.begin(connection, timeout)
                self.database.commit(connection)
            except BaseException:
                if not self.database.rollback(connection):
                    self._release()
                raise
        except self.database.errors as error:
            raise self.database.explain(error) from error

    def _observe(self, events: list[Sealed]) -> None:
        for observer in self.observers:
            for event in events:
                observer(event.leaf)

    def _open(self) -> Any:
        if self._closed:
            raise AuditError(f"audit log {self.path} is closed")
        if self._connection is None:
            self._connection = self.database.connect(self.timeout)
            self._identity = None
        return self._connection

    def _check_identity(self) -> None:
        found = self.database.identity()
        if self._identity is not None and found != self._identity:
            raise AuditError(f"audit log {self.path} was replaced while in use; restore it, then restart")
        self._identity = found

    def scrub(self) -> bool:
        """Leave no copy of what was erased in the database's files; False where a reader keeps one alive for now."""
        with self._writing:
            return self.database.scrub(self._open())

    # -- signing

    def checkpoint(self) -> Checkpoint | None:
        """Sign for all that this process has recorded; None where that is signed for. Raises AuditError."""
        if self.notary is None:
            raise AuditError(f"audit log {self.path} was opened without a key to sign with")
        with self._writing:
            with self._begun(self.timeout) as cursor:
                signed = self.notary.last(self._stream.id, self._stream.head(cursor))
                if signed is not None:
                    checkpoints.keep(cursor, signed, self.database)
            self.notary.covers(signed)
        return signed

    def prover(self, keys: Sequence[Verifier], anchored: Iterable[str] = ()) -> Prover:
        """What puts proofs together, on the checkpoints here and ``anchored`` elsewhere that one of ``keys`` signed."""
        from hitl_opa.audit.proofs import Prover

        return Prover(self._select, [*self.notes(), *anchored], keys)

    def notarise(self, heads: Iterable[StreamHead]) -> int:
        """Sign for streams as `verify` found them, those of other processes too; how many. Raises AuditError."""
        if self.notary is None:
            raise AuditError(f"audit log {self.path} was opened without a key to sign with")
        signed = [self.notary.sign(head.stream, head.size, bytes.fromhex(head.root)) for head in heads if head.root]
        if signed:
            with self.transaction() as cursor:
                for one in signed:
                    checkpoints.keep(cursor, one, self.database)
        return len(signed)

    def notes(self) -> list[str]:
        """The signed note of every checkpoint in the database."""
        return checkpoints.notes(self._select)

    def unanchored(self, anchor: str) -> list[tuple[str, int, str]]:
        """Stream, size and signed note of the checkpoints that this anchor has not got."""
        return checkpoints.unanchored(self._select, anchor)

    def handed_on(self, anchor: str) -> dict[str, int]:
        """How many records of each stream this anchor has got checkpoints for, as far as the database says."""
        return checkpoints.handed_on(self._select, anchor)

    def anchored(self, anchor: str, sizes: Mapping[str, int]) -> None:
        """Remember that this anchor has got the checkpoints of each stream up to this size."""
        with self._writing, self._begun(self.timeout) as cursor:
            checkpoints.anchored(cursor, anchor, sizes, self.database)

    def _reader(self) -> Reader:
        # reading and checking take as long to load as all of writing: who only writes need not wait for that
        from hitl_opa.audit.reader import Reader

        return Reader(self.path, self._select, self._damage)

    # -- reading

    def records(self, only: Filter | None = None, *, after: int = 0) -> Iterator[Record]:
        """Records in the order in which they were committed, those of all streams together.

        ``after``: only those that follow the record with this id (`Record.id`).
        """
        return self._reader().records(only or Filter(), after)

    def leaves(self, only: Filter | None = None) -> Iterator[tuple[dict[str, Any], str | bytes | None]]:
        """`records` for who reads little of many: each leaf, and its payload as text (None: it is gone)."""
        return self._reader().leaves(only or Filter())

    def tail(self, n: int = 20, *, follow: bool = False, only: Filter | None = None) -> Iterator[Record]:
        """The last ``n`` records, oldest first; with ``follow`` also, without end, those to come."""
        return self._reader().tail(n, only or Filter(), follow=follow)

    def about(self, which: str) -> list[Record]:
        """The records of one call: ``which`` is its id, or how its decision's id starts. Raises AuditError."""
        found = self._reader().about(which)
        if not found:
            raise AuditError(f"the record has nothing about {which!r}: see `hitl-opa audit tail` for ids")
        return found

    def export(self) -> Iterator[str]:
        """Every checkpoint, then every record, as a line of JSON (no newline).

        ``{"checkpoint": note}``, then ``{"leaf": …, "payload": …|null, "salt": hex|null, "seq": …, "stream": …,
        "tree": hex}``. The text of
        leaf and payload within the line is canonical, so `hitl_opa.audit.verify` can check the lines alone.
        """
        return self._reader().export()

    def verify(self, keys: Sequence[Verifier] = (), anchored: Iterable[str] = ()) -> Report:
        """Check every record and name what was edited, dropped, reordered, inserted or truncated.

        With ``keys`` the checkpoints in the database, and the notes ``anchored`` elsewhere, are held against
        it. Without, this does not see records cut off the end of a stream together with the stream's size, a
        stream removed whole, or an end of a stream rewritten with all its hashes; those in the database alone do
        not show an end from which checkpoints were cut off too. Raises AuditError only where the file cannot be
        opened as an audit log.
        """
        return self._reader().verify(keys, list(anchored))

    def _select(self, sql: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        """All rows of a query, in a transaction as short as that: readers must not hold up checkpoints or forks."""
        with self._reading:
            if self._closed:
                raise AuditError(f"audit log {self.path} is closed")
            if self.path != MEMORY:
                return self.database.select(sql, values, self.timeout)
            with self._writing:
                try:
                    rows: list[tuple[Any, ...]] = self._open().execute(sql, values).fetchall()
                except self.database.errors as error:
                    raise self.database.explain(error) from error
                return rows

    def _damage(self) -> list[str]:
        if self.path == MEMORY:
            return []
        with self._reading:
            return self.database.damage(self.timeout)

    # -- forks

    def _new_locks(self) -> None:
        self._writing = threading.Lock()
        self._reading = threading.Lock()

    def _release(self) -> None:
        self.database.forget()
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _before_fork(self) -> None:
        # What a connection knows (of locks, of the server) would be copied, but not what it has: none may cross
        self._reading.acquire()
        self._writing.acquire()
        if self.path != MEMORY:
            self._release()

    def _after_fork_in_parent(self) -> None:
        self._writing.release()
        self._reading.release()

    def _after_fork_in_child(self) -> None:
        self._waiting.clear()  # they belong to threads of the parent
        if self.notary is not None:
            self.notary.forget()
        self._new_locks()


def _survive_forks(log: AuditLog) -> None:
    """Keep the log usable on both sides of os.fork, without keeping it alive."""
    reference = weakref.ref(log)

    def call(name: str) -> None:
        if (alive := reference()) is not None:
            getattr(alive, name)()

    os.register_at_fork(
        before=lambda: call("_before_fork"),
        after_in_parent=lambda: call("_after_fork_in_parent"),
        after_in_child=lambda: call("_after_fork_in_child"),
    )
