"""The numbers for Prometheus. The only module that knows prometheus_client.

Counters are read from the record, so every process that scrapes or is restarted shows the same.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from itertools import accumulate
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from hitl_opa.audit import AuditLog
from hitl_opa.metrics.tally import Histogram, Tally

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Exposition:
    """``/metrics`` of one record. May be shared by threads. Reads what is new at each scrape.

    ``levels`` gives the earned levels: (agent, tool, risk) to level.
    """

    def __init__(self, audit: AuditLog, levels: Callable[[], dict[tuple[str, str, str], int]] | None = None) -> None:
        self._audit = audit
        self._levels = levels or dict
        self._tally = Tally()
        self._lock = threading.Lock()
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)

    def text(self) -> bytes:
        """The exposition. Raises AuditError where the record cannot be read."""
        with self._lock:
            self._tally.extend(self._audit.records(after=self._tally.trails.last))
            return generate_latest(self._registry)

    def collect(self) -> Iterable[Metric]:
        """For prometheus_client."""
        tally = self._tally
        labels = ("agent", "tool", "risk", "outcome")
        yield _counter("hitl_policy_decisions", "Tool calls decided.", labels, tally.decided)
        yield _counter("hitl_approvals", "Asks by what became of them.", ("risk", "verdict"), tally.answered)
        yield _histogram("hitl_approval_wait_seconds", "From asking to the decision.", tally.waits)
        yield _histogram("hitl_approval_look_seconds", "How long people looked.", tally.looks)
        pending = GaugeMetricFamily("hitl_approvals_pending", "Approvals that wait.", labels=("risk",))
        for risk in ("low", "medium", "high", "critical"):
            pending.add_metric([risk], tally.pending[risk])
        yield pending
        yield _counter("hitl_escalations", "Approvals escalated, by step.", ("level",), tally.escalated)
        yield _counter("hitl_notifications", "Notifications.", ("channel", "result"), tally.trails.notified)
        yield _counter("hitl_canary", "Planted requests decided.", ("result",), tally.canaries)
        level = GaugeMetricFamily("hitl_autonomy_level", "Earned level.", labels=("agent", "tool", "risk"))
        for key, value in sorted(self._levels().items()):
            level.add_metric(key, value)
        yield level
        unmatched = tally.trails.unmatched
        yield _gauge("hitl_calls_unmatched", "Records about calls that are not in the record.", unmatched)


def _counter(name: str, help: str, labels: tuple[str, ...], counts: Mapping[Any, int]) -> Metric:
    family = CounterMetricFamily(name, help, labels=labels)
    for values, count in sorted(counts.items()):
        if count:
            family.add_metric(values, count)
    return family


def _gauge(name: str, help: str, value: float) -> Metric:
    return GaugeMetricFamily(name, help, value=value)


def _histogram(name: str, help: str, found: Mapping[str, Histogram]) -> Metric:
    family = HistogramMetricFamily(name, help, labels=("risk",))
    for risk, histogram in sorted(found.items()):
        sums = list(accumulate(histogram.counts))
        buckets = [(str(float(bound)), float(count)) for bound, count in zip(histogram.bounds, sums, strict=False)]
        if sums[-1]:
            family.add_metric([risk], [*buckets, ("+Inf", float(sums[-1]))], histogram.sum)
    return family
