"""Finding and naming what was changed in a log.

Each row holds its leaf and the tree after it; the leaf names its stream, its place and the head
before it. Three things must agree at each record: the tree before, grown by the leaf, is the tree
after (it *fits*), and its head is the one that the leaf names (it is *linked*). Which of them
disagree says which record was changed. Then the walk goes on from the tree as stored, which the
next record checks, so one damaged record does not hide another.

What that cannot see, because nothing outside the file vouches for it: records cut off the end
together with the stream's size, a stream removed whole, or the end of a stream rewritten in full
with all its hashes. Signed checkpoints show it: at each size that one was made for, the tree must
have the root that was signed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from hitl_opa.audit.checkpoint import Checkpoint
from hitl_opa.audit.leaf import MALFORMED, Kind, commits
from hitl_opa.audit.merkle import Tree, leaf_hash
from hitl_opa.audit.report import Damage, Problem, Report, StreamHead
from hitl_opa.audit.spans import Spans

_NONE: dict[str, list[tuple[int, int]]] = {}
_MOVED = {Damage.REORDERED, Damage.INSERTED}


class Row(NamedTuple):
    """A stored record as raw values; after tampering they may be anything. ``id``: None where it came without one."""

    seq: Any
    leaf: Any
    tree: Any
    salt: Any
    payload: Any
    id: int | None = None


class Claim(NamedTuple):
    """What a leaf says of itself. ``erased``: the records whose payload it is the erasure of, by stream."""

    stream: str
    seq: int
    prev: str
    commitment: str
    erased: dict[str, list[tuple[int, int]]]


class Check:
    """The walk over one stream: `feed` it the rows in order of ``seq``, then `finish`."""

    def __init__(self, stream: str, signed: Sequence[Checkpoint] = ()) -> None:
        self.stream = stream
        self.erased = Spans()  # the places whose payload is gone
        self.erasures: dict[
            str, list[tuple[int, int]]
        ] = {}  # the places whose payload a record here says to have erased
        self._signed = signed  # smallest first
        self._at = 0  # the first of them that is still ahead
        self._proven = 0  # the largest size that one agreed with
        self._tree: Tree | None = Tree()  # the tree before the next record, None where that is not known
        self._next = 0
        self._id = 0  # of the row before
        self._rows: list[tuple[int, int, str]] = []  # those whose id is not what it should be
        self._records = 0
        self._problems: list[Problem] = []
        self._gaps: list[tuple[int, int]] = []
        self._misfit: tuple[int, Tree] | None = (
            None  # the record before was linked but does not fit; its tree if it did
        )
        self._unlinked: int | None = None  # the first record of a run that fits but is not linked
        self._shift: tuple[int, int] | None = None  # the first record of a run that stands that far from its place

    def feed(self, row: Row) -> None:
        self._walk(row)
        while self._at < len(self._signed) and self._signed[self._at].size <= self._next:
            self._compare(self._signed[self._at])
            self._at += 1

    def _walk(self, row: Row) -> None:
        self._records += 1
        if not isinstance(row.seq, int) or row.seq < 0:
            self._say(Damage.INSERTED, -1, f"a record stands at {row.seq!r}, which is no place")
            return
        if row.seq < self._next:
            self._late(row.seq)
            return
        if row.seq > self._next:
            self._resolve(None, fits=False, linked=False)
            self._gaps.append((self._next, row.seq - 1))
            self._tree = None
        self._next = row.seq + 1
        self._row(row)
        leaf, stored = _bytes(row.leaf), _tree(row.tree)
        claim = _claim(leaf)
        if leaf is None or claim is None:
            self._resolve(None, fits=False, linked=False)
            self._say(Damage.UNREADABLE, row.seq, "its leaf is no JSON of a record")
            self._tree = stored if stored is not None and stored.size == row.seq + 1 else None
            return
        self._place(row.seq, claim)
        if stored is not None and stored.size not in {row.seq + 1, claim.seq + 1}:
            stored = None
        if stored is None:
            self._say(Damage.TREE, row.seq, "the tree stored after it is damaged")
        self._tree = self._grow(row.seq, claim, leaf, stored)
        self._payload(row, claim)
        for stream, spans in claim.erased.items():
            self.erasures.setdefault(stream, []).extend(spans)

    def _compare(self, signed: Checkpoint) -> None:
        """The tree as it is now with the one that was signed for, where it has that size and is known."""
        if signed.size != self._next or self._tree is None or self._tree.size != signed.size:
            return
        if self._misfit is not None and self._misfit[1].root() == signed.root:
            at, self._tree = self._misfit
            self._misfit = None
            self._say(Damage.TREE, at, "the tree stored after it is not the one that was signed for")
        if self._tree.root() == signed.root:
            self._proven = signed.size
            return
        if self._proven == signed.size:  # another one over as many agrees: the two contradict each other
            return
        said = f"the signed checkpoint over {signed.size} records has another root: something up to there was replaced"
        self._say(Damage.REWRITTEN, self._proven, said, signed.size - 1)

    def finish(self, size: int | None) -> Report:
        """What was found; ``size`` is how many records the stream should have, None where that is unknown."""
        self._resolve(None, fits=False, linked=False)
        if self._shift is not None:
            self._shifted_to_the_end(*self._shift)
        for first, last in self._gaps:
            self._say(Damage.DROPPED, first, f"missing; record {last + 1} cannot be checked in full without", last)
        for first, last, message in self._rows:
            if not any(p.names(first) or p.names(last) for p in self._problems if p.damage in _MOVED):
                self._say(Damage.REORDERED, first, message, last)
        expected = max(size or 0, self._signed[-1].size if self._signed else 0)
        if expected > self._next:
            how = (
                "missing from the end" if expected == size else "missing from the end: a checkpoint was signed for them"
            )
            self._say(Damage.TRUNCATED, self._next, how, expected - 1)
        if size is not None and size < self._next:
            self._say(Damage.INSERTED, size, f"the stream has only {size} records", self._next - 1)
        return Report(
            records=self._records,
            erased=len(self.erased),
            streams=[
                StreamHead(
                    stream=self.stream,
                    size=self._next,
                    root=self._tree.root().hex() if self._tree else "",
                    signed=self._proven,
                )
            ],
            problems=sorted(self._problems, key=lambda p: p.seq),
        )

    def _late(self, seq: int) -> None:
        """A record after one that should follow it."""
        for at, (first, last) in enumerate(self._gaps):
            if first <= seq <= last:
                self._gaps[at : at + 1] = [(a, b) for a, b in ((first, seq - 1), (seq + 1, last)) if a <= b]
                self._say(Damage.REORDERED, seq, "it stands behind records that follow it")
                return
        self._say(Damage.INSERTED, seq, "another record has its place")

    def _row(self, row: Row) -> None:
        """Whoever reads the record reads rows by id, from 1 on: they must come in the order of the stream."""
        if row.id is None:
            return
        if row.id < 1:
            self._rows.append((row.seq, row.seq, "its row has a number below 1: nobody who reads the record sees it"))
        elif row.id <= self._id:
            self._rows.append((row.seq - 1, row.seq, "their rows are read in another order than they were written"))
        self._id = max(row.id, 0)

    def _place(self, seq: int, claim: Claim) -> None:
        if claim.stream != self.stream:
            self._say(Damage.INSERTED, seq, f"its leaf belongs to stream {claim.stream[:12]}")
            return
        shift = claim.seq - seq
        if shift:
            where = f"{abs(shift)} {'later' if shift > 0 else 'earlier'}"
            self._say(Damage.REORDERED, seq, f"its leaf says that its place is {where}")
            if self._shift is None or self._shift[1] != shift:
                self._shift = (seq, shift)
        else:
            self._shift = None

    def _shifted_to_the_end(self, first: int, shift: int) -> None:
        """Every record from ``first`` on stands ``shift`` from its place: there was one cut out or put in."""
        if shift > 0:
            self._say(Damage.DROPPED, first, "missing; those after it were renumbered", first + shift - 1)
        elif not any(p.damage is Damage.REORDERED and p.names(first + shift) for p in self._problems):
            self._say(Damage.INSERTED, first + shift, "put in; those after it were renumbered", first - 1)

    def _grow(self, seq: int, claim: Claim, leaf: bytes, stored: Tree | None) -> Tree | None:
        """Check the tree before, the leaf and the tree after against each other; the tree to go on with."""
        hashed = leaf_hash(leaf)
        aligned = claim.stream == self.stream and (stored is None or stored.size == claim.seq + 1)
        if not aligned or self._tree is None or self._tree.size != claim.seq:
            self._resolve(None, fits=False, linked=False)
            if aligned and stored is not None and not _may_end_in(stored, hashed):
                self._say(Damage.EDITED, seq, "its leaf is not the one in the tree")
            return stored
        if self._misfit is not None and self._misfit[1].root().hex() == claim.prev:
            at, self._tree = self._misfit
            self._misfit = None
            self._say(Damage.TREE, at, "the tree stored after it is not the one that its leaf leads to")
        grown = self._tree.append(hashed)
        fits = stored is None or stored == grown
        linked = claim.prev == self._tree.root().hex()
        self._resolve(seq, fits=fits, linked=linked)
        if linked and not fits:
            self._misfit = (seq, grown)
        elif fits and not linked and self._unlinked is None:
            self._unlinked = seq
        elif not fits and not linked and stored is not None:
            mended = leaf.replace(claim.prev.encode(), self._tree.root().hex().encode())
            if not _may_end_in(stored, hashed) or self._tree.append(leaf_hash(mended)) == stored:
                self._say(Damage.EDITED, seq, "its leaf is not the one in the tree")
            else:
                self._say(Damage.EDITED, seq - 1, "its leaf and tree were changed: the next record names another head")
        return grown if stored is None else stored

    def _resolve(self, seq: int | None, *, fits: bool, linked: bool) -> None:
        """Name what was wrong with the records before, now that the next one (or none) is known."""
        if self._misfit is not None:
            self._say(Damage.EDITED, self._misfit[0], "its leaf is not the one in the tree")
            self._misfit = None
        if self._unlinked is None or (fits and not linked and seq is not None):
            return
        first, last = self._unlinked, self._next - (1 if seq is None else 2)
        self._unlinked = None
        if seq is None and first == last:
            self._say(Damage.EDITED, first - 1, "one of the two was changed: the second names another head", first)
        elif first == last:
            self._say(Damage.EDITED, first, "the head that it names is not the one before it")
        else:
            self._say(Damage.EDITED, first - 1, "it was changed and the trees after it rewritten")
            self._say(Damage.TREE, first, "rewritten to fit a changed record", last)

    def _payload(self, row: Row, claim: Claim) -> None:
        if row.salt is None and row.payload is None:
            if claim.commitment:
                self.erased.add(row.seq)
            return
        salt, payload = _bytes(row.salt), _bytes(row.payload)
        if salt is None or payload is None:
            self._say(Damage.PAYLOAD, row.seq, "half of its payload and salt is missing")
        elif not commits(claim.commitment, salt, payload):
            self._say(Damage.PAYLOAD, row.seq, "its payload is not the one it commits to")

    def _say(self, damage: Damage, seq: int, message: str, last: int | None = None) -> None:
        problem = Problem(
            damage=damage, stream=self.stream, seq=seq, last=seq if last is None else last, message=message
        )
        before = self._problems[-1] if self._problems else None
        if before and before.damage is damage and before.names(seq):
            return
        if before and before.damage is damage and before.message == message and before.last == seq - 1:
            problem = msgspec.structs.replace(problem, seq=before.seq)
            self._problems.pop()
        self._problems.append(problem)


def _bytes(value: Any) -> bytes | None:
    return value if isinstance(value, bytes) else value.encode() if isinstance(value, str) else None


def _may_end_in(tree: Tree, leaf: bytes) -> bool:
    """Whether this can be the tree's last leaf: one of odd size says so, one of even size does not."""
    return not tree.size & 1 or tree.peaks[-1] == leaf


def _tree(value: Any) -> Tree | None:
    data = _bytes(value)
    try:
        return None if data is None else Tree.unpack(data)
    except ValueError:
        return None


def _claim(leaf: bytes | None) -> Claim | None:
    """What the leaf says of itself, None where it is no leaf."""
    if leaf is None:
        return None
    try:
        ours = msgspec.json.decode(leaf)["hitl"]
        erased = ours["extra"]["erased"] if ours["kind"] == Kind.ERASURE else {}
        claim = Claim(
            ours["stream"],
            ours["seq"],
            ours["prev"],
            ours.get("commitment", ""),
            msgspec.convert(erased, dict[str, list[tuple[int, int]]]) if erased else _NONE,
        )
    except MALFORMED:
        return None
    return claim if [type(part) for part in claim[:4]] == [str, int, str, str] else None
