"""The numbers: what share of calls people see, how fast and how well they answer, and what it was good for."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

import msgspec

from hitl_opa.metrics.trail import Trail, Trails

MIN_LOOK = 2.0  # seconds; a faster approval was not a look
READING = 50.0  # characters a second: what fast readers manage on code
_Z = 1.959963984540054  # of the 95 % interval


class Ratio(msgspec.Struct, frozen=True):
    """``hits`` of ``of``."""

    hits: int = 0
    of: int = 0

    @property
    def value(self) -> float | None:
        """The share, None where there is nothing to take a share of."""
        return self.hits / self.of if self.of else None

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval; (0, 1) where nothing is known."""
        if not self.of:
            return 0.0, 1.0
        n, p, z2 = self.of, self.hits / self.of, _Z * _Z
        middle, half = p + z2 / (2 * n), _Z * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n))
        return max(0.0, (middle - half) / (1 + z2 / n)), min(1.0, (middle + half) / (1 + z2 / n))


class Spread(msgspec.Struct, frozen=True, kw_only=True):
    """Median and 95th percentile of ``n`` times in seconds (nearest rank)."""

    n: int = 0
    p50: float = 0.0
    p95: float = 0.0

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread:
        found = sorted(values)
        if not found:
            return cls()
        return cls(n=len(found), p50=_rank(found, 0.50), p95=_rank(found, 0.95))


class Measures(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured over some calls.

    ``escalation``: calls that a person was asked about, of all calls. ``override``: rejected and edited,
    of what people decided. ``expiry``: approvals that ran out unanswered, of those asked for.
    ``resolution`` is from the ask to the answer: ``queue`` until somebody looked, ``look`` until they
    had decided. ``rubber_stamp``: approvals faster than anybody reads, of all approvals whose look was
    timed; a planted request that was approved is one, however long they looked. ``agreement``: Fleiss' kappa
    over approvals on which several people voted, None where there are too few. ``utilisation``: rejections and
    edits that led to a change, of those with a category or reason. ``harm_approved`` and ``harm_automatic``: calls
    with a reported incident, of those that ran. ``canaries``: planted requests that were caught, of those decided;
    ``catches``: the same for each reviewer. ``load``: decisions an hour, by reviewer, over the hours in which they
    decided anything. ``unanswered``: asks that nobody was there for.
    """

    calls: int
    verdicts: dict[str, int]
    choices: dict[str, int]
    failed_closed: int
    unanswered: int
    open: int
    escalation: Ratio
    override: Ratio
    expiry: Ratio
    resolution: Spread
    queue: Spread
    look: Spread
    rubber_stamp: Ratio
    agreement: float | None
    utilisation: Ratio
    harm_approved: Ratio
    harm_automatic: Ratio
    canaries: Ratio
    catches: dict[str, Ratio]
    load: dict[str, float]


def measure(trails: Trails, kept: Iterable[Trail] | None = None) -> Measures:
    """Measure those of ``trails`` that are ``kept``, by default all; planted ones count as the fields say."""
    kept = list(trails if kept is None else kept)
    planted = [t for t in kept if t.canary]
    calls = [t for t in kept if not t.canary]
    asked = [t for t in calls if t.asked_someone]
    choices = Counter(t.choice for t in asked if t.choice)
    judged = choices["approve"] + choices["edit"] + choices["reject"]
    requested = [t for t in calls if t.approval]
    approved = [t for t in calls if t.choice in {"approve", "edit"}]
    timed = [t for t in approved if any(look.ms for look in t.looks)]
    corrected = [t for t in asked if t.choice in {"reject", "edit"} and any(look.category for look in t.looks)]
    waiting = {t.digest for t in requested}
    caught = Ratio(sum(t.choice == "reject" for t in planted), sum(bool(t.choice) for t in planted))
    missed = caught.of - caught.hits
    return Measures(
        calls=len(calls),
        verdicts=dict(Counter(t.verdict for t in calls)),
        choices=dict(choices),
        failed_closed=sum(t.decided_by == "guard" for t in calls),
        unanswered=sum(
            t.verdict == "ask" and not t.asked_someone and not t.carried and t.digest not in waiting for t in calls
        ),
        open=sum(t.state == "pending" for t in requested),
        escalation=Ratio(len(asked), len(calls)),
        override=Ratio(choices["reject"] + choices["edit"], judged),
        expiry=Ratio(sum(t.state == "expired" for t in requested), len(requested)),
        resolution=Spread.of(_resolution(t) for t in asked if t.choice),
        queue=Spread.of(max(0.0, _resolution(t) - _look(t)) for t in asked if t.choice),
        look=Spread.of(look.ms / 1000 for t in asked for look in t.looks if look.ms),
        rubber_stamp=Ratio(sum(stamped(t) for t in timed) + missed, len(timed) + missed),
        agreement=_kappa([Counter(look.choice == "reject" for look in t.looks) for t in asked]),
        utilisation=Ratio(sum(trails.adopted(t) for t in corrected), len(corrected)),
        harm_approved=_harm(t for t in calls if t.asked_someone or t.carried),
        harm_automatic=_harm(t for t in calls if not t.asked_someone and not t.carried),
        canaries=caught,
        catches=catches(planted),
        load=_load(asked),
    )


def stamped(trail: Trail) -> bool:
    """Whether every look at it was shorter than reading it takes."""
    least = max(MIN_LOOK, trail.size / READING)
    return all(look.ms / 1000 < least for look in trail.looks if look.ms)


def catches(trails: Iterable[Trail]) -> dict[str, Ratio]:
    """Of each reviewer, the planted requests that they rejected, of those that they decided on."""
    words: dict[str, list[bool]] = defaultdict(list)
    for trail in trails:
        if trail.canary:
            for look in trail.looks:
                words[look.reviewer].append(look.choice == "reject")
    return {who: Ratio(sum(hits), len(hits)) for who, hits in sorted(words.items())}


def _resolution(trail: Trail) -> float:
    # in a session the ask is the decision itself, and the look is all of the wait
    return trail.settled_at - trail.requested_at if trail.requested_at else _look(trail)


def _look(trail: Trail) -> float:
    return sum(look.ms for look in trail.looks) / 1000


def _harm(trails: Iterable[Trail]) -> Ratio:
    ran = [t for t in trails if t.outcome in {"ran", "failed"}]
    return Ratio(sum(t.incident > 0 for t in ran), len(ran))


def _load(asked: Iterable[Trail]) -> dict[str, float]:
    hours: dict[str, Counter[int]] = defaultdict(Counter)
    for trail in asked:
        for look in trail.looks:
            hours[look.reviewer][int(look.at // 3600)] += 1
    return {who: sum(busy.values()) / len(busy) for who, busy in sorted(hours.items())}


def _kappa(votes: Iterable[Counter[bool]]) -> float | None:
    """Fleiss' kappa of two answers, over items that at least two people judged (their number may vary)."""
    items = [v for v in votes if v.total() > 1]
    total = sum(v.total() for v in items)
    if not total:
        return None
    agreed = sum(sum(n * (n - 1) for n in v.values()) / (v.total() * (v.total() - 1)) for v in items) / len(items)
    share = sum(v[True] for v in items) / total
    chance = share * share + (1 - share) * (1 - share)
    return 1.0 if chance == 1 else (agreed - chance) / (1 - chance)


def _rank(values: Sequence[float], share: float) -> float:
    return values[max(0, math.ceil(share * len(values)) - 1)]
