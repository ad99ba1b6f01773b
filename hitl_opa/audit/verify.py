"""Finding and naming what was changed in a log.

Each row holds its leaf, the tree after it, and, within the leaf, its stream, its place and the head
before it. So damage in the middle is named where it is and what follows is still checked: the tree
after a damaged record is taken as stored, and is itself checked by the record that follows.

What this cannot see, because nothing outside the file vouches for it: records cut off the end
together with the stream's size, a stream removed whole, or a suffix rewritten in full with all its
hashes. That takes signed checkpoints kept elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Any, NamedTuple

import msgspec

from hitl_opa.audit.leaf import commitment
from hitl_opa.audit.merkle import Tree, leaf_hash


class Damage(StrEnum):
    """What happened to a record."""

    EDITED = "edited"  # its leaf is not the one that was appended
    DROPPED = "dropped"  # it is missing, and later ones of its stream are there
    TRUNCATED = "truncated"  # it is missing from the end of its stream
    REORDERED = "reordered"  # it stands where another one was
    INSERTED = "inserted"  # it was never appended here
    PAYLOAD = "payload"  # its payload is not the one committed to, or is missing without erasure
    TREE = "tree"  # the stored tree after it is not the one that was written
    UNREADABLE = "unreadable"  # it cannot be read as a record at all
    DATABASE = "database"  # the file itself is damaged, or its schema was changed


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """One finding. ``seq`` to ``last`` are the places in the stream; ``seq`` is -1 where it concerns no record."""

    damage: Damage
    stream: str = ""
    seq: int = -1
    last: int = -1
    message: str

    def __str__(self) -> str:
        if self.seq < 0:
            return f"{self.damage}: {self.message}"
        places = f"record {self.seq}" if self.last <= self.seq else f"records {self.seq}-{self.last}"
        return f"{self.damage}: {places} of stream {self.stream[:12]}: {self.message}"


class StreamHead(msgspec.Struct, frozen=True, kw_only=True):
    """A stream as found: how many records it has and its tree head (hex)."""

    stream: str
    size: int
    root: str


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What verifying found. ``erased`` counts records whose payload was erased, which is no damage."""

    records: int
    erased: int
    streams: list[StreamHead]
    problems: list[Problem]

    @property
    def ok(self) -> bool:
        return not self.problems


class Row(NamedTuple):
    """A stored record as raw values; after tampering they may be anything."""

    seq: Any
    leaf: Any
    tree: Any
    salt: Any
    payload: Any


class Claim(NamedTuple):
    """What a leaf says of itself."""

    stream: str
    seq: int
    prev: str
    commitment: str


def verify(stream: str, rows: Iterable[Row], size: int | None = None) -> Report:
    """Check one stream, its rows in order of ``seq``; ``size`` is how many it should have, None if unknown."""
    return Check(stream).run(rows, size)


def merge(reports: Iterable[Report], problems: Iterable[Problem] = ()) -> Report:
    """One report of several streams, and of what was found outside of them."""
    found = list(reports)
    return Report(
        records=sum(r.records for r in found),
        erased=sum(r.erased for r in found),
        streams=[head for r in found for head in r.streams],
        problems=[*problems, *(p for r in found for p in r.problems)],
    )


class Check:
    """The walk over one stream."""

    def __init__(self, stream: str) -> None:
        self._stream = stream
        self._tree: Tree | None = Tree()  # the tree before the next record, None where it is lost
        self._suspect: tuple[int, Tree] | None = None  # a record that fails, and the tree if its leaf were right
        self._next = 0
        self._records = 0
        self._erased = 0
        self._problems: list[Problem] = []

    def run(self, rows: Iterable[Row], size: int | None) -> Report:
        for row in rows:
            self.feed(row)
        return self.finish(size)

    def feed(self, row: Row) -> None:
        self._records += 1
        if not isinstance(row.seq, int) or row.seq < 0:
            self._say(Damage.INSERTED, 0, f"its place is {row.seq!r}")
            return
        if row.seq < self._next:
            self._say(Damage.INSERTED, row.seq, "its place is taken")
            return
        if row.seq > self._next:
            self._settle(None)
            self._say(
                Damage.DROPPED, self._next, f"missing; record {row.seq} cannot be checked in full without", row.seq - 1
            )
            self._tree = None
        self._next = row.seq + 1
        stored = _tree(row.tree, row.seq + 1)
        leaf = _bytes(row.leaf)
        claim = _claim(leaf)
        if leaf is None or claim is None:
            self._settle(None)
            self._say(Damage.UNREADABLE, row.seq, "its leaf is no canonical JSON of a record")
        else:
            self._settle(claim.prev)
            self._place(row.seq, claim)
            self._grow(row.seq, leaf, claim, stored)
            self._payload(row, claim)
        if stored is None:
            self._say(Damage.TREE, row.seq, "the tree stored after it is damaged")
            stored = self._tree.append(leaf_hash(leaf)) if self._tree is not None and leaf is not None else None
        self._tree = stored

    def finish(self, size: int | None) -> Report:
        """What was found; ``size`` is how many records the stream should have."""
        self._settle(None)
        if size is not None and size > self._next:
            self._say(Damage.TRUNCATED, self._next, "missing from the end", size - 1)
        if size is not None and size < self._next:
            self._say(Damage.INSERTED, size, f"the stream has {size} records", self._next - 1)
        root = "" if self._tree is None else self._tree.root().hex()
        return Report(
            records=self._records,
            erased=self._erased,
            streams=[StreamHead(stream=self._stream, size=self._next, root=root)],
            problems=sorted(self._problems, key=lambda p: p.seq),
        )

    def _settle(self, prev: str | None) -> None:
        """Name what was wrong with the record before, now that the head claimed by its successor is known."""
        if self._suspect is None:
            return
        seq, tree = self._suspect
        self._suspect = None
        if prev is not None and prev == tree.root().hex():
            self._say(Damage.TREE, seq, "the tree stored after it is not the one its leaf leads to")
            self._tree = tree
        else:
            self._say(Damage.EDITED, seq, "its leaf is not the one in the tree")

    def _place(self, seq: int, claim: Claim) -> None:
        if claim.stream != self._stream:
            self._say(Damage.INSERTED, seq, f"its leaf belongs to stream {claim.stream[:12]}, record {claim.seq}")
        elif claim.seq != seq:
            self._say(Damage.REORDERED, seq, f"its leaf says that it is record {claim.seq}")

    def _grow(self, seq: int, leaf: bytes, claim: Claim, stored: Tree | None) -> None:
        """Check that the tree before, this leaf and the tree after belong together."""
        if self._tree is None:
            # The record before is missing. A tree of odd size ends in its last leaf's hash, so half can be checked
            if stored is not None and stored.size & 1 and stored.peaks[-1] != leaf_hash(leaf):
                self._say(Damage.EDITED, seq, "its leaf is not the one in the tree")
            return
        grown = self._tree.append(leaf_hash(leaf))
        linked = claim.prev == self._tree.root().hex()
        fits = stored is None or stored == grown
        if fits and linked:
            return
        if fits or self._named(seq):  # its hash was made to fit, but not the head that it claims to follow
            self._say(Damage.EDITED, seq, "the head it claims to follow is not the one before it")
        elif linked:
            self._suspect = (seq, grown)
        else:
            self._say(Damage.EDITED, seq - 1, "leaf and tree were changed together; the next record names another head")

    def _payload(self, row: Row, claim: Claim) -> None:
        if row.salt is None and row.payload is None:
            self._erased += bool(claim.commitment)
            return
        salt, payload = _bytes(row.salt), _bytes(row.payload)
        if salt is None or payload is None:
            self._say(Damage.PAYLOAD, row.seq, "half of its payload and salt is missing")
        elif commitment(salt, payload) != claim.commitment:
            self._say(Damage.PAYLOAD, row.seq, "its payload is not the one it commits to")

    def _named(self, seq: int) -> bool:
        return any(p.seq == seq for p in self._problems[-4:])

    def _say(self, damage: Damage, seq: int, message: str, last: int | None = None) -> None:
        self._problems.append(
            Problem(
                damage=damage,
                stream=self._stream,
                seq=max(seq, 0),
                last=max(seq if last is None else last, 0),
                message=message,
            )
        )


def _bytes(value: Any) -> bytes | None:
    return value if isinstance(value, bytes) else value.encode() if isinstance(value, str) else None


def _tree(value: Any, size: int) -> Tree | None:
    data = _bytes(value)
    try:
        tree = None if data is None else Tree.unpack(data)
    except ValueError:
        return None
    return tree if tree is not None and tree.size == size else None


def _claim(leaf: bytes | None) -> Claim | None:
    """What the leaf says of itself, None where it is no leaf."""
    if leaf is None:
        return None
    try:
        ours = msgspec.json.decode(leaf)["hitl"]
        claim = Claim(ours["stream"], ours["seq"], ours["prev"], ours.get("commitment", ""))
    except (msgspec.DecodeError, UnicodeDecodeError, LookupError, TypeError, AttributeError):
        return None
    return claim if [type(part) for part in claim] == [str, int, str, str] else None
