"""Keeps earned levels as the record says, and raises the alarm once an episode."""

from __future__ import annotations

from collections.abc import Iterator

from hitl_opa.approvals.standings import Standings
from hitl_opa.approvals.store import Store
from hitl_opa.approvals.worker import Step
from hitl_opa.audit import Event, Kind, Record
from hitl_opa.autonomy import Standing, climb
from hitl_opa.config import Config
from hitl_opa.metrics import Trails
from hitl_opa.metrics.alarms import Episode, Episodes, alarms


class Overseer:
    """Reads on in the record of ``store`` each time. Any number may do so at the same time, in any processes."""

    def __init__(self, store: Store, config: Config) -> None:
        self._store = store
        self._config = config
        self._standings = Standings(store)
        self._trails = Trails()
        self._episodes = Episodes()
        self._begun: set[str] = set()
        self._climb: list[Standing] = []
        self._news = True

    def once(self, now: float) -> Iterator[Step]:
        """Put in force what was earned and lost, and raise and end alarms. ``now``: seconds since the epoch.

        What takes a person's word (level 4) is only proposed. Raises AuditError, ApprovalError, ConfigError.
        """
        self._read()
        if self._config.autonomy.earn:
            for one in self._standings.apply(lambda: self._climbed(now), now):
                words = f"{one.agent}: {one.tool} at {one.risk} risk, level {one.old} to {one.new}: {one.why}"
                yield Step(kind="autonomy", status="done", error=words)
        yield from self._alarm(now)

    def untold(self, now: float, grace: float) -> dict[str, Episode]:
        """Alarms that were raised here, and those that whoever raised them had ``grace`` seconds to tell of."""
        self._read()
        return {n: e for n, e in self._episodes.open.items() if n in self._begun or e.at + grace <= now}

    def _read(self) -> None:
        for record in self._store.audit.records(after=self._trails.last):
            self._trails.add(record)
            self._episodes.add(record)
            self._news = self._news or _bears(record)

    def _climbed(self, now: float) -> list[Standing]:
        self._read()  # nothing can be written now: what took a level away a moment ago is seen
        if self._news:
            self._climb = climb(self._trails, now, self._config.autonomy)
            self._news = False
        return self._climb

    def _alarm(self, now: float) -> Iterator[Step]:
        found = {alarm.name: alarm.message for alarm in alarms(self._trails, now, self._config.targets)}
        if found.keys() == self._episodes.open.keys():
            return
        with self._store.begin() as transaction:
            self._read()  # another worker may have been faster
            for name in sorted(found.keys() - self._episodes.open.keys()):
                about = {"alarm": name, "state": "began"}
                transaction.record(Event(kind=Kind.NOTE, extra=about, detail={"message": found[name]}))
                self._begun.add(name)
                yield Step(kind="alarm", status="began", error=found[name])
            for name in sorted(self._episodes.open.keys() - found.keys()):
                transaction.record(Event(kind=Kind.NOTE, extra={"alarm": name, "state": "ended"}))
                self._begun.discard(name)
                yield Step(kind="alarm", status="ended", error=self._episodes.open[name].message)


def _bears(record: Record) -> bool:
    """Whether it may change what was earned."""
    return record.kind not in ("decision", "outcome")
