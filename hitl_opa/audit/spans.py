"""Places in a stream, as few spans as it takes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator


class Spans:
    """A set of whole numbers, kept as spans ``(first, last)``, both included."""

    def __init__(self, spans: Iterable[tuple[int, int]] = ()) -> None:
        self._spans: list[tuple[int, int]] = []
        self._sorted = True
        self.update(spans)

    def add(self, number: int) -> None:
        """One more number; cheap where they come in order."""
        if self._spans and self._spans[-1][1] == number - 1:
            self._spans[-1] = (self._spans[-1][0], number)
        else:
            self._spans.append((number, number))
            self._sorted = False

    def update(self, spans: Iterable[tuple[int, int]]) -> None:
        """All numbers of these spans."""
        self._spans.extend((first, last) for first, last in spans if first <= last)
        self._sorted = False

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """The spans, in order, none touching the next."""
        if not self._sorted:
            merged: list[tuple[int, int]] = []
            for first, last in sorted(self._spans):
                if merged and first <= merged[-1][1] + 1:
                    merged[-1] = (merged[-1][0], max(merged[-1][1], last))
                else:
                    merged.append((first, last))
            self._spans, self._sorted = merged, True
        return iter(list(self._spans))

    def __len__(self) -> int:
        """How many numbers."""
        return sum(last - first + 1 for first, last in self)

    def without(self, others: Spans) -> Iterator[tuple[int, int]]:
        """The spans of what is here and not there."""
        cuts = iter(others)
        cut = next(cuts, None)
        for first, last in self:
            at = first
            while cut is not None and cut[1] < at:
                cut = next(cuts, None)
            while cut is not None and cut[0] <= last:
                if at < cut[0]:
                    yield at, cut[0] - 1
                at = cut[1] + 1
                if at > last:
                    break
                cut = next(cuts, None)
            if at <= last:
                yield at, last
