"""What the record says of one agent in a period."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from statistics import median
from typing import Any

import msgspec

from hitl_opa.audit import Kind, Record, Report
from hitl_opa.autonomy import Standing, climb
from hitl_opa.config import Config
from hitl_opa.metrics import Act, Alert, Measures, Trail, Trails, alerts, measure
from hitl_opa.metrics.measures import stamped
from hitl_opa.metrics.trail import seconds

LOOKS = ((2, "under 2 s"), (10, "2-10 s"), (30, "10-30 s"), (120, "30 s - 2 min"), (float("inf"), "over 2 min"))


class Day(msgspec.Struct, frozen=True):
    """Calls of a day (UTC) by verdict, and of how many a person was asked."""

    date: str
    verdicts: Mapping[str, int]
    asked: int


class Reviewer(msgspec.Struct, frozen=True, kw_only=True):
    """What one person decided. ``look``: median seconds, None where no look was timed; ``fast``: approvals faster
    than anybody reads."""

    name: str
    approved: int
    edited: int
    rejected: int
    answered: int
    look: float | None
    fast: int


class Moment(msgspec.Struct, frozen=True, kw_only=True):
    """A call, or something done, that a reader should know of one by one."""

    at: float
    id: str = ""
    tool: str = ""
    risk: str = ""
    rule: str = ""
    who: str = ""
    what: str = ""


class Oversight(msgspec.Struct, frozen=True, kw_only=True):
    """An agent's oversight record from ``since`` to ``until`` (RFC 3339; ``""``: all there is)."""

    agent: str
    since: str
    until: str
    made: str
    first: float
    last: float
    versions: Mapping[str, int]
    policies: Mapping[str, int]
    levels: Mapping[int, int]
    measures: Measures
    alerts: Sequence[Alert]
    days: Sequence[Day]
    looks: Mapping[str, int]
    reviewers: Sequence[Reviewer]
    rules: Mapping[str, Mapping[str, int]]
    tools: Mapping[str, Mapping[str, int]]
    corrections: Sequence[Moment]
    incidents: Sequence[Moment]
    changed: int
    acts: Sequence[Act]
    standings: Sequence[Standing]
    erased: int
    erasures: Sequence[Moment]
    report: Report | None


class _Reading:
    """One pass over the record: the trails, and what they leave out."""

    def __init__(self, records: Iterable[Record], until: str) -> None:
        self.trails = Trails()
        self.erased: set[str] = set()
        self.changed: set[str] = set()
        self.erasures: list[Moment] = []
        for record in records:
            if until and record.timestamp >= until:
                continue
            self.trails.add(record)
            id = str(record.leaf.get("decision_id", ""))
            if record.kind == Kind.DECISION and record.payload is None:
                self.erased.add(id)
            if record.kind == Kind.OUTCOME and record.get("matches", True) is False:
                self.changed.add(id)
            if record.kind == Kind.ERASURE:
                where = record.get("extra", {}).get("where", {})
                what = ", ".join(f"{name} {value}" for name, value in where.items())
                self.erasures.append(Moment(at=seconds(record.timestamp), who=str(record.get("reviewer")), what=what))


def gather(
    records: Iterable[Record],
    *,
    agent: str,
    config: Config,
    since: str = "",
    until: str = "",
    report: Report | None = None,
) -> Oversight:
    """The oversight record of ``agent`` (as `hitl_opa.metrics.Trail` names it), from all records of its log.

    ``since`` (included) and ``until`` (not) are RFC 3339 in UTC. ``report``: what verifying the log found.
    """
    reading = _Reading(records, until)
    trails = reading.trails
    start = seconds(f"{since[:10]}T00:00:00Z") if len(since) == 10 else seconds(since) if since else 0.0

    def wanted(trail: Trail) -> bool:
        return trail.agent == agent and trail.at >= start

    mine = [trail for trail in trails if wanted(trail) and not trail.canary]
    measures = measure(trails, filter(wanted, trails))
    now = max((t.at for t in mine), default=start)
    return Oversight(
        agent=agent,
        since=since,
        until=until,
        made=datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        first=min((t.at for t in mine), default=0.0),
        last=now,
        versions=_counted(t.version for t in mine),
        policies=_counted(t.revision for t in mine),
        levels=dict(sorted(Counter(t.level for t in mine).items())),
        measures=measures,
        alerts=alerts(measures, config.targets),
        days=_days(mine),
        looks=_looks(mine),
        reviewers=_reviewers(mine),
        rules=_rules(mine),
        tools=_tools(mine),
        corrections=[_moment(t) for t in mine if t.choice in {"reject", "edit"}],
        incidents=[_moment(t, f"severity {t.incident}", t.incident_at) for t in mine if t.incident],
        changed=sum(t.id in reading.changed for t in mine),
        acts=[act for act in trails.acts if act.agent in {"", agent} and act.at >= start],
        standings=[s for s in climb(trails, now, config.autonomy) if s.agent == agent],
        erased=sum(t.id in reading.erased for t in mine),
        erasures=[m for m in reading.erasures if m.at >= start],
        report=report,
    )


def _counted(values: Iterable[str]) -> dict[str, int]:
    return dict(Counter(values).most_common())


def _days(trails: Iterable[Trail]) -> list[Day]:
    verdicts: dict[str, Counter[str]] = defaultdict(Counter)
    asked: Counter[str] = Counter()
    for trail in trails:
        date = datetime.fromtimestamp(trail.at, UTC).date().isoformat()
        verdicts[date][trail.verdict] += 1
        asked[date] += trail.asked_someone
    return [Day(date, verdicts[date], asked[date]) for date in sorted(verdicts)]


def _looks(trails: Iterable[Trail]) -> dict[str, int]:
    found = dict.fromkeys((name for _, name in LOOKS), 0)
    for trail in trails:
        for look in trail.looks:
            if look.ms:
                found[next(name for limit, name in LOOKS if look.ms / 1000 < limit)] += 1
    return found


def _reviewers(trails: Iterable[Trail]) -> list[Reviewer]:
    said: dict[str, Counter[str]] = defaultdict(Counter)
    looked: dict[str, list[float]] = defaultdict(list)
    for trail in trails:
        for look in trail.looks:
            said[look.reviewer][look.choice] += 1
            if look.ms:
                looked[look.reviewer].append(look.ms / 1000)
                fast = look.choice in {"approve", "edit"} and stamped(msgspec.structs.replace(trail, looks=[look]))
                said[look.reviewer]["fast"] += fast
    return [
        Reviewer(
            name=name,
            approved=counts["approve"],
            edited=counts["edit"],
            rejected=counts["reject"],
            answered=counts["answer"],
            look=median(looked[name]) if looked[name] else None,
            fast=counts["fast"],
        )
        for name, counts in sorted(said.items())
    ]


def _rules(trails: Iterable[Trail]) -> dict[str, Counter[str]]:
    """Of each rule that came first: what the verdicts were, allows left out; most frequent first."""
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for trail in trails:
        if trail.verdict != "allow" and trail.rules:
            found[trail.rules[0]][trail.verdict] += 1
    return dict(sorted(found.items(), key=lambda item: (-item[1].total(), item[0])))


def _tools(trails: Iterable[Trail]) -> dict[str, Counter[str]]:
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for trail in trails:
        found[trail.tool][trail.verdict] += 1
        found[trail.tool]["asked someone"] += trail.asked_someone
    return dict(sorted(found.items(), key=lambda item: (-sum(item[1][v] for v in ("allow", "ask", "deny")), item[0])))


def _moment(trail: Trail, what: str = "", at: float = 0.0) -> Moment:
    categories = ", ".join(sorted({look.category for look in trail.looks if look.category}))
    words: dict[str, Any] = {"edit": "edited", "reject": "rejected"}
    return Moment(
        at=at or trail.settled_at,
        id=trail.id,
        tool=trail.tool,
        risk=trail.risk,
        rule=trail.rules[0] if trail.rules else "",
        who=", ".join(sorted({look.reviewer for look in trail.looks})),
        what=what or " - ".join(filter(None, (words.get(trail.choice, trail.choice), categories))),
    )
