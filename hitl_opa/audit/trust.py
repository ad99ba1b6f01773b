"""What a record is held against: the public keys of its signers, and the places that keep its checkpoints."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import msgspec

from hitl_opa.audit.report import Damage, Problem, Report

if TYPE_CHECKING:
    from hitl_opa.audit.anchors import Anchor, Kept
    from hitl_opa.audit.log import AuditLog
    from hitl_opa.audit.notes import Verifier


class Trust:
    """``keys`` that may have signed, and the ``anchors`` that checkpoints were handed to."""

    def __init__(self, keys: Sequence[Verifier] = (), anchors: Sequence[Anchor] = ()) -> None:
        self.keys = keys
        self.anchors = anchors

    def notes(self) -> list[str]:
        """Every checkpoint that the anchors keep."""
        return _notes(self._kept())

    def verify(self, log: AuditLog) -> Report:
        """`AuditLog.verify` against all of it; an anchor that lost what it was given is damage too."""
        handed = {anchor.name: log.handed_on(anchor.name) for anchor in self.anchors}  # before reading: they grow
        kept = self._kept()
        report = log.verify(self.keys, _notes(kept))
        lost = [problem for name, one in kept.items() for problem in _lost(name, one, handed[name])]
        return _with(report, kept, lost)

    def verify_export(self, lines: Iterable[str | bytes]) -> Report:
        """`hitl_opa.audit.verify` against all of it."""
        from hitl_opa.audit.export import verify

        kept = self._kept()
        return _with(verify(lines, self.keys, _notes(kept)), kept)

    def _kept(self) -> dict[str, Kept]:
        return {anchor.name: kept for anchor in self.anchors if (kept := anchor.read()) is not None}


def _notes(kept: dict[str, Kept]) -> list[str]:
    return [note for one in kept.values() for note in one.notes]


def _with(report: Report, kept: dict[str, Kept], lost: Iterable[Problem] = ()) -> Report:
    damaged = [Problem(damage=Damage.ANCHOR, message=said) for one in kept.values() for said in one.problems]
    return msgspec.structs.replace(
        report,
        anchored=sum(len(set(one.notes)) for one in kept.values()),
        problems=[*damaged, *lost, *report.problems],
    )


def _lost(name: str, kept: Kept, handed: dict[str, int]) -> Iterator[Problem]:
    """The checkpoints that this anchor was given last and does not have."""
    places = {tuple(note.split("\n", 2)[:2]) for note in kept.notes}
    has = {(origin.rpartition("/")[2], size) for origin, size in (place for place in places if len(place) == 2)}
    for stream, size in handed.items():
        if (stream, str(size)) in has:
            continue
        said = f"{name} has no checkpoint over {size} records, and the database says that it got one"
        then = (
            "the one or the other was changed or put back to an older state. Restore it; a new place gets all of them"
        )
        yield Problem(damage=Damage.ANCHOR, stream=stream, seq=0, last=max(size - 1, 0), message=f"{said}: {then}")
