"""The ladder: what each tool of an agent has earned at each risk, computed from the record and nothing else.

A level is earned by (agent, version, tool, risk): low risk earns level 2, medium 3, high 4, each the
level at which such calls run alone; critical calls never do. Whoever has the record can compute the
same standing again, and see why.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import msgspec

from hitl_opa.autonomy.evidence import Evidence
from hitl_opa.config import Autonomy
from hitl_opa.metrics import Act, Look, Trail, Trails
from hitl_opa.metrics.hygiene import Sieve, blind, real

DAY = 86_400.0
LEVELS: Mapping[str, int] = {"low": 2, "medium": 3, "high": 4}
BARS: Mapping[int, float] = {2: 0.90, 3: 0.95, 4: 0.99}
CONFIRMED = 4  # from this level on a person has to confirm what the evidence proposes
SEVERE = 3


class Key(NamedTuple):
    """What earns."""

    agent: str
    version: str
    tool: str
    risk: str


class Move(msgspec.Struct, frozen=True, kw_only=True):
    """A change of level, why, and the call that brought it about (``""`` where it was a person)."""

    at: float
    old: int
    new: int
    why: str
    call: str = ""


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """Where a key stands. ``missing``: what it still takes; empty where nothing more can be earned, or
    where the climb waits for a person (``proposed``)."""

    agent: str
    version: str
    tool: str
    risk: str
    level: int
    next: int
    evidence: Evidence
    reviewers: list[str]
    since: float
    cooling_until: float
    alpha: float
    proposed: bool
    frozen: bool
    missing: list[str]
    moves: list[Move]


class _Climb:
    """One key on its way."""

    def __init__(self, key: Key, terms: Autonomy) -> None:
        self.key = key
        self.terms = terms
        self.level = 1
        self.next = LEVELS[key.risk]
        self.falls = 0
        self.cooling_until = 0.0
        self.proposed = False
        self.moves: list[Move] = []
        self.revision = ""
        self.restart(0.0)

    def restart(self, at: float) -> None:
        self.evidence = Evidence(bar=BARS[self.next])
        self.reviewers: set[str] = set()
        self.sieve = Sieve()
        self.since = at
        self.first = 0.0
        self.proposed = False

    @property
    def alpha(self) -> float:
        return self.terms.alpha / float(2 ** min(self.falls, 2))

    def move(self, at: float, level: int, why: str, call: str = "") -> None:
        self.moves.append(Move(at=at, old=self.level, new=level, why=why, call=call))
        if level < self.level:
            self.falls += 1
            self.cooling_until = at + self.terms.cooldown * DAY
        self.level = level
        self.restart(at)

    def judged(self, trail: Trail, looks: list[Look], at: float) -> None:
        """People decided on a call of this key."""
        if self.revision and trail.revision != self.revision and self.terms.reset_on_policy:
            self.changed(at, "the policy changed", trail.id)
        self.revision = trail.revision
        good = trail.choice == "approve"
        if self.sieve.why_not(trail.digest, trail.batch, approved=good):
            return
        self.reviewers |= {look.reviewer for look in looks}
        self.first = self.first or at
        self.count(good, at, trail.id)

    def count(self, good: bool, at: float, call: str) -> None:
        self.evidence = self.evidence.after(good)
        if self.level > 1 and self.evidence.failing_now:
            self.move(at, 1, "people had to correct it too often lately", call)
        elif self.level < self.next and not self.missing(at):
            if self.next >= CONFIRMED:
                self.proposed = True
            else:
                self.move(at, self.next, _earned(self), call)

    def changed(self, at: float, why: str, call: str) -> None:
        """What was trusted is not what it was."""
        if self.level > 1:
            self.move(at, 1, why, call)
            self.cooling_until = at  # nothing went wrong: no penalty
            self.falls -= 1
        else:
            self.restart(at)

    def missing(self, now: float) -> list[str]:
        if self.level >= self.next:
            return []
        found = []
        if self.evidence.e_value < 1 / self.alpha:
            found.append(f"evidence {self.evidence.worded} of {1 / self.alpha:g}")
        if len(self.reviewers) < self.terms.reviewers:
            found.append(f"{len(self.reviewers)} of {self.terms.reviewers} reviewers")
        if (days := (now - self.first) / DAY if self.first else 0.0) < self.terms.days:
            found.append(f"{days:.1f} of {self.terms.days:g} days")
        if now < self.cooling_until:
            found.append(f"{(self.cooling_until - now) / DAY:.1f} days of cooling down")
        return found

    def standing(self, now: float, frozen: bool) -> Standing:
        return Standing(
            **self.key._asdict(),
            level=1 if frozen else self.level,
            next=self.next,
            evidence=self.evidence,
            reviewers=sorted(self.reviewers),
            since=self.since,
            cooling_until=self.cooling_until,
            alpha=self.alpha,
            proposed=self.proposed,
            frozen=frozen,
            missing=[] if self.proposed else self.missing(now),
            moves=self.moves,
        )


def climb(trails: Trails, now: float, terms: Autonomy | None = None) -> list[Standing]:
    """Where every key of the record stands at ``now`` (seconds since the epoch), in order of their names."""
    terms = terms or Autonomy()
    climbs: dict[Key, _Climb] = {}
    misses = blind(trails, terms.canary_catch)
    steps: list[tuple[float, int, Callable[[], None]]] = []
    frozen: list[Act] = []

    def of(trail: Trail) -> _Climb:
        key = Key(trail.agent, trail.version, trail.tool, trail.risk)
        return climbs.setdefault(key, _Climb(key, terms))

    def matching(act: Act) -> Iterable[_Climb]:
        if act.action == "set" and act.agent and act.tool and act.risk in LEVELS:
            key = Key(act.agent, act.version, act.tool, act.risk)
            climbs.setdefault(key, _Climb(key, terms))
        wanted = (act.agent, act.version, act.tool, act.risk)
        return [c for c in climbs.values() if all(w in ("", had) for w, had in zip(wanted, c.key, strict=True))]

    def severe(trail: Trail) -> None:
        for one in climbs.values():
            if (one.key.agent, one.key.version) == (trail.agent, trail.version) and one.level > 1:
                one.move(trail.incident_at, 1, f"a severe incident with {trail.tool}", trail.id)

    def act(done: Act) -> None:
        if done.action == "freeze":
            frozen.append(done)
        elif done.action == "unfreeze":
            frozen.clear()
        for one in matching(done):
            if done.action == "reset":
                one.changed(done.at, done.reason or f"{done.by} reset it", "")
            elif done.action == "set":
                one.move(done.at, min(done.level, one.next), f"{done.by} set it: {done.reason}".rstrip(": "))
            elif done.action == "confirm" and one.proposed:
                one.move(done.at, one.next, f"{done.by} confirmed it; {_earned(one)}")

    for trail in trails:
        if trail.canary or trail.risk not in LEVELS:
            continue
        looks = [look for look in trail.looks if look.reviewer not in misses]
        if trail.choice in {"approve", "edit", "reject"} and looks and real(trail):
            steps.append(
                (trail.settled_at, 0, lambda t=trail, s=looks: of(t).judged(t, s, t.settled_at))  # type: ignore[misc]
            )
        if trail.incident >= SEVERE:
            steps.append((trail.incident_at, 1, lambda t=trail: severe(t)))  # type: ignore[misc]
        elif trail.incident:
            steps.append(
                (trail.incident_at, 1, lambda t=trail: of(t).count(False, t.incident_at, t.id))  # type: ignore[misc]
            )
    steps += [(a.at, 2, lambda a=a: act(a)) for a in trails.acts]  # type: ignore[misc]
    for at, _, step in sorted(steps, key=lambda entry: entry[:2]):
        if at <= now:
            step()
    ordered = sorted(climbs.values(), key=lambda one: (*one.key[:3], one.next))
    return [one.standing(now, bool(frozen)) for one in ordered]


def _earned(one: _Climb) -> str:
    seen = one.evidence
    return (
        f"{seen.successes} of {seen.successes + seen.failures} approved unchanged by {len(one.reviewers)} reviewers: "
        f"evidence {seen.worded}, needed {1 / one.alpha:g}"
    )
