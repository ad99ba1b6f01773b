"""The numbers for Prometheus. The only module that knows prometheus_client.

Counters are read from the record, so every process that scrapes or is restarted shows the same.
"""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from hitl_opa.audit import AuditLog
from hitl_opa.metrics.trail import Trails

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
MAX_TOOLS = 100  # tools that get a label of their own, the most used ones; a model may make names up
OTHER = "other"
WAITS = (1, 5, 15, 60, 300, 900, 3600, 4 * 3600, 24 * 3600, 7 * 24 * 3600)  # seconds
LOOKS = (1, 2, 5, 10, 30, 60, 120, 300, 600)  # seconds


class Exposition:
    """``/metrics`` of one record. May be shared by threads. Reads what is new at each scrape.

    ``levels`` gives the earned levels: (agent, tool, risk) to level.
    """

    def __init__(self, audit: AuditLog, levels: Callable[[], dict[tuple[str, str, str], int]] | None = None) -> None:
        self._audit = audit
        self._levels = levels or dict
        self._trails = Trails()
        self._lock = threading.Lock()
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)

    def text(self) -> bytes:
        """The exposition. Raises AuditError where the record cannot be read."""
        with self._lock:
            self._trails.extend(self._audit.records(after=self._trails.last))
            return generate_latest(self._registry)

    def collect(self) -> Iterable[Metric]:
        """For prometheus_client."""
        trails = list(self._trails)
        calls = [t for t in trails if not t.canary]
        known = {tool for tool, _ in Counter(t.tool for t in calls).most_common(MAX_TOOLS)}
        decided = Counter((t.agent, t.tool if t.tool in known else OTHER, t.risk, t.verdict) for t in calls)
        yield _counter("hitl_policy_decisions", "Tool calls decided.", ("agent", "tool", "risk", "outcome"), decided)
        answers = Counter((t.risk, t.choice or t.state) for t in calls if t.asked_someone and (t.choice or t.state))
        yield _counter("hitl_approvals", "Asks by what became of them.", ("risk", "verdict"), answers)
        waits: dict[str, list[float]] = defaultdict(list)
        looks: dict[str, list[float]] = defaultdict(list)
        for trail in calls:
            if trail.settled_at and trail.requested_at:
                waits[trail.risk].append(trail.settled_at - trail.requested_at)
            looks[trail.risk] += [look.ms / 1000 for look in trail.looks if look.ms]
        yield _histogram("hitl_approval_wait_seconds", "From asking to the decision.", WAITS, waits)
        yield _histogram("hitl_approval_look_seconds", "How long people looked.", LOOKS, looks)
        pending = GaugeMetricFamily("hitl_approvals_pending", "Approvals that wait.", labels=("risk",))
        for risk in ("low", "medium", "high", "critical"):
            pending.add_metric([risk], sum(t.state == "pending" and t.risk == risk for t in calls))
        yield pending
        steps = Counter((str(step),) for t in calls for step in range(1, t.escalated + 1))
        yield _counter("hitl_escalations", "Approvals escalated, by step.", ("level",), steps)
        yield _counter("hitl_notifications", "Notifications.", ("channel", "result"), Counter(self._trails.notified))
        caught = Counter(("caught" if t.choice == "reject" else "missed",) for t in trails if t.canary and t.choice)
        yield _counter("hitl_canary", "Planted requests decided.", ("result",), caught)
        level = GaugeMetricFamily("hitl_autonomy_level", "Earned level.", labels=("agent", "tool", "risk"))
        for key, value in sorted(self._levels().items()):
            level.add_metric(key, value)
        yield level
        yield _gauge("hitl_calls_unmatched", "Records about calls that are not in the record.", self._trails.unmatched)


def _counter(name: str, help: str, labels: tuple[str, ...], counts: Mapping[Any, int]) -> Metric:
    family = CounterMetricFamily(name, help, labels=labels)
    for values, count in sorted(counts.items()):
        family.add_metric(values, count)
    return family


def _gauge(name: str, help: str, value: float) -> Metric:
    return GaugeMetricFamily(name, help, value=value)


def _histogram(name: str, help: str, bounds: tuple[int, ...], values: dict[str, list[float]]) -> Metric:
    family = HistogramMetricFamily(name, help, labels=("risk",))
    for risk, found in sorted(values.items()):
        buckets = [(str(float(bound)), float(sum(v <= bound for v in found))) for bound in bounds]
        family.add_metric([risk], [*buckets, ("+Inf", float(len(found)))], sum(found))
    return family
