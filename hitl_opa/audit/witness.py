"""What vouches for a record from outside of it: checkpoints that a known key signed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

from hitl_opa.audit.checkpoint import Checkpoint, open_checkpoint
from hitl_opa.audit.notes import Verifier
from hitl_opa.audit.report import Damage, Problem
from hitl_opa.errors import AuditError


class Witness:
    """The checkpoints among ``notes`` that one of ``keys`` signed, by stream.

    Where no key is known nothing can be checked: ``unchecked`` counts those notes.
    """

    def __init__(self, notes: Iterable[str] = (), keys: Sequence[Verifier] = ()) -> None:
        self.problems: list[Problem] = []
        self.unchecked = 0
        self.streams: dict[str, list[Checkpoint]] = {}
        known = list(dict.fromkeys(notes))
        if not keys:
            self.unchecked = len(known)
            return
        for note in known:
            try:
                found = open_checkpoint(note, keys)
            except AuditError as error:
                self.problems.append(Problem(damage=Damage.FORGED, message=f"{_head(note)}: {error}"))
            else:
                self.streams.setdefault(found.stream, []).append(found)
        for signed in self.streams.values():
            signed.sort(key=lambda c: c.size)
            for one, other in pairwise(signed):
                if one.size == other.size and one.root != other.root:
                    self.problems.append(
                        Problem(
                            damage=Damage.REWRITTEN,
                            stream=one.stream,
                            seq=0,
                            last=one.size - 1,
                            message=f"two checkpoints over {one.size} records name different roots: "
                            "a key of this log signed for two histories",
                        )
                    )

    def of(self, stream: str) -> list[Checkpoint]:
        """Those of one stream, smallest first."""
        return self.streams.get(stream, [])


def _head(note: str) -> str:
    """What a checkpoint says of itself, for a person, whether it is true or not."""
    origin, _, rest = note.partition("\n")
    size = rest.partition("\n")[0]
    return f"a checkpoint over {size[:20]!r} records of stream {origin.rpartition('/')[2][:12]!r}"
