"""What somebody should be told of, and of what they were: one alarm an episode, kept in the record itself."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from hitl_opa.audit import Record
from hitl_opa.config import Target
from hitl_opa.metrics.measures import measure
from hitl_opa.metrics.targets import alerts
from hitl_opa.metrics.trail import Trail, Trails, seconds

PERIOD = 30 * 86_400.0  # seconds over which numbers are held against their targets
HOUR = 3_600.0
WEEK = 7 * 24  # hours
REFUSED, FAILED, BURST = 3, 5, 30  # of one tool in an hour
TIMES = 3  # a burst is more than so many times the busiest hour of the week before


class Alarm(msgspec.Struct, frozen=True):
    """Something out of order: ``name`` is the same for as long as it is."""

    name: str
    message: str


class Episode(msgspec.Struct):
    """An alarm that was raised ``at`` (seconds since the epoch) and is not over: the channels that were told of it,
    and how often each could not be."""

    at: float
    message: str
    told: set[str] = msgspec.field(default_factory=set)
    failures: Counter[str] = msgspec.field(default_factory=Counter)


class Episodes:
    """The episodes that are not over, from records in their order."""

    def __init__(self) -> None:
        self.open: dict[str, Episode] = {}

    def add(self, record: Record) -> None:
        extra: dict[str, Any] = record.get("extra", {})
        if "alarm" not in extra:
            return
        name, channel = str(extra["alarm"]), str(extra.get("notified", ""))
        if extra.get("state") == "began":
            said = (record.payload or {}).get("detail") or {}
            self.open[name] = Episode(at=seconds(record.timestamp), message=str(said.get("message", name)))
        elif extra.get("state") == "ended":
            self.open.pop(name, None)
        elif (episode := self.open.get(name)) is not None:
            if extra.get("result") == "sent":
                episode.told.add(channel)
            else:
                episode.failures[channel] += 1


def alarms(trails: Trails, now: float, targets: Mapping[str, Target] | None = None) -> list[Alarm]:
    """What is out of order at ``now`` (seconds since the epoch): numbers outside their targets over `PERIOD`, and
    what tools do that run alone at level 4. Raises ConfigError for a target of no number."""
    lately = measure(trails, (trail for trail in trails if now - PERIOD <= trail.at <= now))
    found = [Alarm(f"metric {a.name}", f"{a.name.replace('_', ' ')}: {a.message}") for a in alerts(lately, targets)]
    return [*found, *_anomalies(trails, now)]


def _anomalies(trails: Trails, now: float) -> Iterator[Alarm]:
    hours: dict[tuple[str, str], dict[int, list[Trail]]] = defaultdict(lambda: defaultdict(list))
    for trail in trails:
        ago = int((now - trail.at) // HOUR)
        if trail.alone_at_four and 0 <= ago <= WEEK:
            hours[trail.agent, trail.tool][ago].append(trail)
    for (agent, tool), by_hour in sorted(hours.items()):
        last = by_hour.pop(0, [])
        who = f"{agent}: {tool} at level 4"
        ran = [t for t in last if t.outcome in {"ran", "failed"}]
        refused = sum(t.verdict == "deny" for t in last)
        failed = sum(t.outcome == "failed" for t in ran)
        before = max(map(len, by_hour.values()), default=0)
        if any(t.changed for t in last):
            yield Alarm(f"changed {agent} {tool}", f"{who} ran another input than was decided on")
        if refused >= REFUSED:
            yield Alarm(f"refused {agent} {tool}", f"{who} was denied {refused} times within an hour")
        if failed >= FAILED and failed * 2 > len(ran):
            yield Alarm(f"failing {agent} {tool}", f"{who} failed in {failed} of {len(ran)} calls within an hour")
        if before and len(last) >= max(BURST, TIMES * before + 1):
            words = f"{who} made {len(last)} calls within an hour, at most {before} in any of the week before"
            yield Alarm(f"burst {agent} {tool}", words)
