"""What became of each governed call, put together from the records about it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from functools import lru_cache
from typing import Any

import msgspec

from hitl_opa.audit import UNNAMED, Record

_ENDED = frozenset({"executed", "failed"})
_DECIDED = frozenset({"approved", "denied"})


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """A person's word on a call. ``choice``: ``approve``, ``edit``, ``reject`` or ``answer``; ``ms``: how long they
    looked, 0 where nobody measured it; ``category``: what they found wrong, of the feedback taxonomy."""

    reviewer: str
    choice: str
    ms: float
    at: float
    category: str = ""


class Trail(msgspec.Struct, kw_only=True):
    """One decision and all that followed. Times are seconds since the epoch, 0 where it did not happen.

    ``agent`` is the label ``agent`` of the record's writer, else the call's principal, else ``"agent"``;
    ``version`` the label ``agent_version``. ``size``: characters of the call's input, 0 where erased.
    ``state``: of the durable approval that was asked for, ``""`` without one; ``carried``: the approval
    that this call used up. ``incident``: the worst that was reported of it, 0 (none) to 3 (severe),
    first reported at ``incident_at``. ``changed``: it ran with another input than was decided on.
    """

    id: str
    at: float
    agent: str
    version: str
    tool: str
    risk: str
    verdict: str
    decided_by: str
    level: int
    rules: tuple[str, ...]
    digest: str
    revision: str
    size: int
    looks: list[Look] = []
    approval: str = ""
    state: str = ""
    requested_at: float = 0.0
    decided_at: float = 0.0
    escalated: int = 0
    carried: str = ""
    outcome: str = ""
    incident: int = 0
    incident_at: float = 0.0
    canary: bool = False
    changed: bool = False
    batch: str = ""

    @property
    def alone_at_four(self) -> bool:
        """Whether it was decided on at level 4, of the settings or earned: at high risk, nothing else is."""
        return self.level >= 4 or ("autonomy.earned" in self.rules and self.risk == "high")

    @property
    def asked_someone(self) -> bool:
        """Whether a person was asked: at once, or through an approval."""
        return bool(self.looks or self.approval)

    @property
    def choice(self) -> str:
        """What people decided: ``approve``, ``edit``, ``reject``, ``answer``; ``""`` where nobody (yet) did."""
        if self.approval and self.state not in _DECIDED and not self.decided_at:
            return ""
        if any(look.choice == "reject" for look in self.looks):
            return "reject"
        if any(look.choice == "edit" for look in self.looks):
            return "edit"
        return self.looks[-1].choice if self.looks else ""

    @property
    def settled_at(self) -> float:
        """When people decided, 0 where they have not."""
        if not self.choice:
            return 0.0
        return self.decided_at or self.looks[-1].at


class Act(msgspec.Struct, frozen=True, kw_only=True):
    """What a person (or a rule, in their name) did to earned autonomy. Empty fields mean all.

    ``action``: ``set``, ``confirm``, ``freeze``, ``unfreeze`` or ``reset``.
    """

    at: float
    action: str
    by: str
    agent: str = ""
    version: str = ""
    tool: str = ""
    risk: str = ""
    level: int = 1
    reason: str = ""


class Rating(msgspec.Struct, frozen=True, kw_only=True):
    """How much somebody says that they trust an agent: 1 to 5."""

    at: float
    by: str
    agent: str
    score: int


class Trails:
    """Takes records in the order of the record, as many at a time as there are.

    Records about calls whose decision was not among them are left out: `unmatched` counts them.
    """

    def __init__(self, records: Iterable[Record] = ()) -> None:
        self._trails: dict[str, Trail] = {}
        self._adopted: set[str] = set()
        self.acts: list[Act] = []
        self.ratings: list[Rating] = []
        self.notified: dict[tuple[str, str], int] = {}
        self.unmatched = 0
        self.last = 0
        self.extend(records)

    def extend(self, records: Iterable[Record]) -> None:
        for record in records:
            self.add(record)

    def __iter__(self) -> Iterator[Trail]:
        return iter(self._trails.values())

    def __len__(self) -> int:
        return len(self._trails)

    def get(self, id: str) -> Trail | None:
        """The trail of the decision with this id."""
        return self._trails.get(id)

    def adopted(self, trail: Trail) -> bool:
        """Whether what the reviewer said of this call led to a change of policy, agent or grant."""
        return trail.id in self._adopted

    def add(self, record: Record) -> None:
        self.last = record.id
        if record.kind == "decision":
            self._decision(record)
            return
        extra: dict[str, Any] = record.get("extra", {})
        self._adopted.update(str(id) for id in extra.get("adopted", []))
        if "notified" in extra:
            key = (str(extra["notified"]), str(extra.get("result", "")))
            self.notified[key] = self.notified.get(key, 0) + 1
        if "autonomy" in extra:
            self.acts.append(msgspec.convert({"at": seconds(record.timestamp), **extra["autonomy"]}, Act))
        if "rating" in extra:
            at, by = seconds(record.timestamp), str(record.get("reviewer"))
            self.ratings.append(Rating(at=at, by=by, agent=str(extra["rated"]), score=int(extra["rating"])))
        trail = self._trails.get(str(record.leaf.get("decision_id", "")))
        if trail is None:
            self.unmatched += record.kind in {"review", "approval", "outcome"}
            return
        match record.kind:
            case "review":
                _review(trail, record)
            case "approval":
                _approval(trail, record, extra)
            case "outcome":
                trail.outcome = str(record.get("outcome"))
                trail.changed = record.get("matches", True) is False
                trail.carried = str(extra.get("approval", ""))
            case "note" if "incident" in extra:
                trail.incident = max(trail.incident, int(extra["incident"]))
                trail.incident_at = trail.incident_at or seconds(record.timestamp)

    def _decision(self, record: Record) -> None:
        leaf, labels = record.leaf, record.leaf.get("labels", {})
        id = str(leaf.get("decision_id", ""))
        self._trails[id] = Trail(
            id=id,
            at=seconds(record.timestamp),
            agent=str(labels.get("agent") or leaf.get("requested_by") or UNNAMED),
            version=str(labels.get("agent_version", "")),
            tool=str(record.get("tool")),
            risk=str(record.get("risk")),
            verdict=str(record.get("verdict")),
            decided_by=str(record.get("decided_by")),
            level=int(record.get("level", 0)),
            rules=tuple(record.get("rules", ())),
            digest=str(record.get("digest")),
            revision=str(leaf.get("bundles", {}).get("hitl", {}).get("revision", "")),
            size=_size(record),
            canary=bool(record.get("extra", {}).get("canary")),
        )


def seconds(timestamp: str) -> float:
    """Seconds since the epoch of a record's RFC 3339 time."""
    # fromisoformat takes at most microseconds, and the record has nanoseconds
    return _second(timestamp[:19]) + float(f"0{timestamp[19:].rstrip('Z') or '.0'}")


@lru_cache(maxsize=64)
def _second(text: str) -> float:
    return datetime.fromisoformat(f"{text}+00:00").timestamp()


def _review(trail: Trail, record: Record) -> None:
    if record.get("decided_by") != "reviewer":
        return  # somebody was asked and gave no usable answer
    said = (record.payload or {}).get("result") or {}
    extra: dict[str, Any] = record.get("extra", {})
    look = Look(
        reviewer=str(record.get("reviewer")),
        choice=str(record.get("verdict")),
        ms=float(record.get("elapsed_ms", 0.0)),
        at=seconds(record.timestamp),
        category=str(extra.get("category") or (said.get("category", "") if isinstance(said, dict) else "")),
    )
    trail.looks = [*trail.looks, look]
    trail.batch = str(extra.get("batch", "")) or trail.batch


def _approval(trail: Trail, record: Record, extra: dict[str, Any]) -> None:
    state, at = str(extra.get("state", "")), seconds(record.timestamp)
    trail.approval = str(extra.get("approval", ""))
    trail.canary = trail.canary or bool(extra.get("canary"))
    if "escalated" in extra:
        trail.escalated = int(extra["escalated"])
        return
    if state == "pending" and not trail.requested_at:
        trail.requested_at = at
    if state in _DECIDED:
        trail.decided_at = at
    if state in _ENDED:
        trail.outcome = trail.outcome or ("ran" if state == "executed" else "failed")
    trail.state = state


def _size(record: Record) -> int:
    shown = ((record.payload or {}).get("input") or {}).get("call", {}).get("input")
    return len(msgspec.json.encode(shown)) if shown else 0
