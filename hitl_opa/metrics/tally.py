"""Counts for a scraper, kept up to date record by record: a scrape costs what is new, not what there is."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable

from hitl_opa.audit import Record
from hitl_opa.metrics.trail import Trail, Trails

MAX_TOOLS = 100  # tools that get a label of their own, those seen first: a model may make names up
OTHER = "other"
WAITS = (1, 5, 15, 60, 300, 900, 3600, 4 * 3600, 24 * 3600, 7 * 24 * 3600)  # seconds
LOOKS = (1, 2, 5, 10, 30, 60, 120, 300, 600)  # seconds
_OVER = frozenset({"expired", "cancelled", "superseded"})

Key = tuple[str, ...]


class Histogram:
    """Values of one label by the bounds that they do not exceed."""

    def __init__(self, bounds: tuple[int, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def add(self, value: float, times: int) -> None:
        self.counts[bisect_left(self.bounds, value)] += times
        self.sum += value * times


class Tally:
    """What was decided, answered and planted so far. Numbers that count never fall, but for what waits.

    ``decided``: (agent, tool, risk, verdict); ``answered``: (risk, what became of the ask: a choice of people,
    ``timeout`` where nobody's was needed, or how it ended without any); ``pending``: risk; ``escalated``: step;
    ``canaries``: caught or missed. ``waits`` and ``looks``: seconds, by risk.
    """

    def __init__(self) -> None:
        self.trails = Trails()
        self.decided: Counter[Key] = Counter()
        self.answered: Counter[Key] = Counter()
        self.pending: Counter[str] = Counter()
        self.escalated: Counter[Key] = Counter()
        self.canaries: Counter[Key] = Counter()
        self.waits: dict[str, Histogram] = {}
        self.looks: dict[str, Histogram] = {}
        self._tools: set[str] = set()

    def extend(self, records: Iterable[Record]) -> None:
        """Take what is new."""
        for record in records:
            id = str(record.leaf.get("decision_id", ""))
            self._count(self.trails.get(id), -1)  # what was counted of this call is counted anew
            self.trails.add(record)
            self._count(self.trails.get(id), 1)

    def _count(self, trail: Trail | None, times: int) -> None:
        if trail is None:
            return
        if trail.canary:
            if trail.choice:
                self.canaries[("caught" if trail.choice == "reject" else "missed",)] += times
            return
        self.decided[trail.agent, self._named(trail.tool), trail.risk, trail.verdict] += times
        if not trail.asked_someone:
            return
        if became := _became(trail):
            self.answered[trail.risk, became] += times
        if trail.state == "pending":
            self.pending[trail.risk] += times
        for step in range(1, trail.escalated + 1):
            self.escalated[(str(step),)] += times
        if trail.settled_at and trail.requested_at:
            self.waits.setdefault(trail.risk, Histogram(WAITS)).add(trail.settled_at - trail.requested_at, times)
        for look in trail.looks:
            if look.ms:
                self.looks.setdefault(trail.risk, Histogram(LOOKS)).add(look.ms / 1000, times)

    def _named(self, tool: str) -> str:
        if len(self._tools) < MAX_TOOLS:
            self._tools.add(tool)
        return tool if tool in self._tools else OTHER


def _became(trail: Trail) -> str:
    if trail.choice or not trail.approval:
        return trail.choice
    if trail.decided_at:
        return "timeout"
    return trail.state if trail.state in _OVER else ""
