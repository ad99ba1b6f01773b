"""A record written event by event, at times of the test's choosing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from hitl_opa.audit import AuditLog, Event, Kind

START = datetime(2026, 1, 5, 12, tzinfo=UTC)


class Book:
    """Writes what happens to calls."""

    def __init__(self, log: AuditLog) -> None:
        self.log = log
        self.events: list[Event] = []

    def write(self, kind: Kind, id: str, at: float, **fields: Any) -> None:
        time = (START + timedelta(seconds=at)).isoformat().replace("+00:00", "Z")
        self.events.append(Event(kind=kind, decision_id=id, timestamp=time, **fields))

    def decision(self, id: str, at: float = 0, verdict: str = "ask", tool: str = "Bash", **fields: Any) -> None:
        values = {"decided_by": "policy", "risk": "medium", "digest": id, "input": {"call": {"input": {"x": 1}}}}
        self.write(Kind.DECISION, id, at, verdict=verdict, tool=tool, **{**values, **fields})

    def review(self, id: str, at: float, choice: str, who: str = "ann", ms: float = 5000, **extra: Any) -> None:
        self.write(Kind.REVIEW, id, at, verdict=choice, reviewer=who, decided_by="reviewer", elapsed_ms=ms, extra=extra)

    def state(self, id: str, at: float, state: str, **extra: Any) -> None:
        self.write(Kind.APPROVAL, id, at, extra={"approval": f"a-{id}", "state": state, **extra})

    def write_escalation(self, id: str, at: float, step: int) -> None:
        self.write(Kind.APPROVAL, id, at, extra={"approval": f"a-{id}", "escalated": step})

    def outcome(self, id: str, at: float, outcome: str = "ran", **extra: Any) -> None:
        self.write(Kind.OUTCOME, id, at, outcome=outcome, extra=extra)

    def note(self, id: str, at: float, **extra: Any) -> None:
        self.write(Kind.NOTE, id, at, extra=extra)

    def close(self) -> AuditLog:
        """Everything so far, on the record."""
        self.log.write([self.log.seal(event) for event in self.events])
        self.events = []
        return self.log
