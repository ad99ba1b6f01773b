"""One writer's stream: it gives each event its place in the tree, inside somebody's transaction.

The tree's state is read from the database within the transaction, so a rollback leaves nothing
behind, and any DB-API cursor will do: `AuditLog`'s own, or that of a store that must write its rows
and the leaf together. A stream belongs to one process; a forked child gets its own.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from hitl_opa.audit.canonical import canonical, canonical_clean
from hitl_opa.audit.leaf import Receipt, Sealed, encode, timestamp
from hitl_opa.audit.merkle import Tree, leaf_hash
from hitl_opa.database import Cursor
from hitl_opa.errors import AuditError


class Written(NamedTuple):
    """What a write did: a receipt for each event, the stream's row and its tree after them."""

    receipts: list[Receipt]
    key: int
    tree: Tree


class Stream:
    """A writer's stream. ``placeholder`` is the parameter mark of the driver: ``?`` or ``%s``."""

    def __init__(self, labels: dict[str, str], placeholder: str = "?") -> None:
        self._extra_labels: dict[str, str] = msgspec.json.decode(canonical(labels))
        mark = placeholder
        self._advance = f"UPDATE audit_stream SET size = {mark} WHERE id = {mark} AND size = {mark}"  # noqa: S608  constants
        self._grow = f"UPDATE audit_stream SET size = size + {mark} WHERE stream = {mark}"  # noqa: S608
        self._find = (
            "SELECT s.id, s.size, l.tree FROM audit_stream s "  # noqa: S608
            f"LEFT JOIN audit_leaf l ON l.stream = s.id AND l.seq = s.size - {mark} WHERE s.stream = {mark}"
        )
        self._begin = f"INSERT INTO audit_stream (stream, started, labels, size) VALUES ({', '.join([mark] * 4)})"  # noqa: S608
        columns, marks = "stream, seq, leaf, tree, salt, payload", ", ".join([mark] * 6)
        self._insert = f"INSERT INTO audit_leaf ({columns}) VALUES ({marks})"  # noqa: S608
        self._start()

    def _start(self) -> None:
        self._pid = os.getpid()
        self.id = os.urandom(16).hex()
        self.labels = {"app": "hitl-opa", **self._extra_labels, "id": self.id}
        self._key = 0
        self._acknowledged = Tree()

    def write(self, cursor: Cursor, events: Sequence[Sealed]) -> Written:
        """Append these events; they are part of the log once the cursor's transaction commits.

        Then what this returns should go to `acknowledge`; without, the next write only takes longer.
        Raises AuditError where the database no longer holds what this stream has written, and
        whatever the driver raises.
        """
        if self._pid != os.getpid():
            self._start()
        key, tree = self._state(cursor, len(events))
        rows, receipts = [], []
        for event in events:
            leaf = encode(event, stream=self.id, seq=tree.size, prev=tree.root(), labels=self.labels)
            hashed = leaf_hash(leaf)
            receipts.append(Receipt(stream=self.id, seq=tree.size, leaf_hash=hashed.hex()))
            tree = tree.append(hashed)
            payload = None if event.payload is None else event.payload.decode()
            rows.append((key, tree.size - 1, leaf.decode(), tree.pack(), event.salt, payload))
        cursor.executemany(self._insert, rows)
        return Written(receipts, key, tree)

    def head(self, cursor: Cursor) -> Tree | None:
        """The tree as it stands, None where this stream has no record. Raises AuditError where it is not ours."""
        cursor.execute(self._find, (1, self.id))
        return None if cursor.fetchone() is None else self._state(cursor, 0)[1]

    def acknowledge(self, written: Written) -> None:
        """This is durable: from now on anything less is tampering, and the next write need not look."""
        if written.tree.size > self._acknowledged.size:
            self._key, self._acknowledged = written.key, written.tree

    def _state(self, cursor: Cursor, more: int) -> tuple[int, Tree]:
        # The update comes first: it takes the write lock (SQLite) or the row (PostgreSQL) before anything is read
        if self._key:
            size = self._acknowledged.size
            cursor.execute(self._advance, (size + more, self._key, size))
            if cursor.rowcount == 1:
                return self._key, self._acknowledged
        cursor.execute(self._grow, (more, self.id))
        if cursor.rowcount == 0:
            if self._acknowledged.size:
                raise AuditError(f"stream {self.id} was removed from the audit log while it was being written")
            labels = canonical_clean({**self.labels, "pid": self._pid}).decode()
            cursor.execute(self._begin, (self.id, timestamp(time.time_ns()), labels, more))
        cursor.execute(self._find, (more + 1, self.id))
        key, size, packed = cursor.fetchone()
        try:
            tree = Tree() if packed is None else Tree.unpack(bytes(packed))
        except (TypeError, ValueError) as error:
            raise AuditError(f"stream {self.id}: the tree after record {size - more - 1} is damaged") from error
        if tree.size != size - more or tree.size < self._acknowledged.size:
            raise AuditError(
                f"stream {self.id} holds {tree.size} of its {max(size - more, self._acknowledged.size)} records: "
                "somebody removed some while it was being written"
            )
        if tree.size == self._acknowledged.size and tree != self._acknowledged:
            raise AuditError(f"stream {self.id} was changed while it was being written")
        return key, tree
