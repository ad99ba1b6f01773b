"""What verifying a log found."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

import msgspec


class Damage(StrEnum):
    """What happened to a record."""

    EDITED = "edited"  # its leaf is not the one that was appended
    DROPPED = "dropped"  # it is missing, and later ones of its stream are there
    TRUNCATED = "truncated"  # it is missing from the end of its stream
    REORDERED = "reordered"  # it stands where another one was
    INSERTED = "inserted"  # it was never appended here
    PAYLOAD = "payload"  # its payload is not the one committed to, or half of it is missing
    TREE = "tree"  # the tree stored after it is not the one that was written
    REWRITTEN = "rewritten"  # its tree is not the one that a checkpoint was signed for
    FORGED = "forged"  # a checkpoint that no known key signed
    UNSIGNED = "unsigned"  # no checkpoint vouches for any of an export
    ANCHOR = "anchor"  # a place that keeps checkpoints lost some, or cannot be read
    UNREADABLE = "unreadable"  # it cannot be read as a record at all
    DATABASE = "database"  # the file itself is damaged, or its schema was changed


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """One finding. ``seq`` to ``last`` are places in the stream; ``seq`` is -1 where it concerns no record."""

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

    def names(self, seq: int) -> bool:
        """Whether this finding is about the record at this place."""
        return self.seq <= seq <= max(self.last, self.seq)


class StreamHead(msgspec.Struct, frozen=True, kw_only=True):
    """A stream as found: how many records it has and its tree head (hex, ``""`` where that is lost).

    ``signed`` is how many of them the largest checkpoint that agrees was signed for.
    """

    stream: str
    size: int
    root: str
    signed: int = 0


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What verifying found. ``erased`` counts records whose payload was erased, which is no damage.

    ``unchecked`` counts checkpoints that were passed over, as no key to check them with is known; ``anchored``
    those that anchors keep.
    """

    records: int
    erased: int
    streams: list[StreamHead]
    problems: list[Problem]
    unchecked: int = 0
    anchored: int = 0

    @property
    def unsigned(self) -> int:
        """How many records no checkpoint vouches for."""
        return sum(max(head.size - head.signed, 0) for head in self.streams)

    @property
    def ok(self) -> bool:
        return not self.problems


def merge(reports: Iterable[Report], problems: Iterable[Problem] = ()) -> Report:
    """One report of several streams, and of what was found outside of them."""
    found = list(reports)
    return Report(
        records=sum(r.records for r in found),
        erased=sum(r.erased for r in found),
        streams=[head for r in found for head in r.streams],
        problems=[*problems, *(p for r in found for p in r.problems)],
    )
