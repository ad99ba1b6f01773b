"""The check of a whole record: every stream, against checkpoints, and erasures against what is erased."""

from __future__ import annotations

from collections.abc import Iterable

from hitl_opa.audit.check import Check
from hitl_opa.audit.report import Damage, Problem, Report, merge
from hitl_opa.audit.spans import Spans
from hitl_opa.audit.witness import Witness


class Examination:
    """Takes the walk over each stream, and says in the end what was found."""

    def __init__(self, witness: Witness | None = None) -> None:
        self._witness = witness or Witness()
        self._checks: dict[str, Check] = {}
        self._reports: dict[str, Report] = {}

    @property
    def signed(self) -> bool:
        """Whether there is any checkpoint that a known key signed."""
        return bool(self._witness.streams)

    def check(self, stream: str) -> Check:
        """The walk over this stream."""
        if stream not in self._checks:
            self._checks[stream] = Check(stream, self._witness.of(stream))
        return self._checks[stream]

    def finish(self, stream: str, size: int | None) -> None:
        """There is no more of this stream; ``size`` is how long it should be, None where that is unknown."""
        self._reports[stream] = self.check(stream).finish(size)

    def report(self, problems: Iterable[Problem] = ()) -> Report:
        """Everything. Streams that were not finished end here; those only checkpoints know of are missing."""
        for stream in [*self._checks, *self._witness.streams]:
            if stream not in self._reports:
                self.finish(stream, None)
        unexplained = [p for check in self._checks.values() for p in self._unexplained(check)]
        found = merge(self._reports.values(), [*problems, *self._witness.problems, *unexplained])
        return Report(
            records=found.records,
            erased=found.erased,
            streams=found.streams,
            problems=found.problems,
            unchecked=self._witness.unchecked,
        )

    def _unexplained(self, check: Check) -> list[Problem]:
        """Payloads that are gone although nobody put their erasure on record."""
        claimed = Spans()
        for other in self._checks.values():
            claimed.update(other.erasures.get(check.stream, []))
        message = "its payload is missing, and no recorded erasure names it"
        return [
            Problem(damage=Damage.PAYLOAD, stream=check.stream, seq=first, last=last, message=message)
            for first, last in check.erased.without(claimed)
        ]
