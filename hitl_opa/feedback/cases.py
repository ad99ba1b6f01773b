"""Calls that people decided on, with what they were shown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from hitl_opa.audit import Record
from hitl_opa.errors import HitlError
from hitl_opa.metrics import Trails
from hitl_opa.metrics.measures import stamped
from hitl_opa.model import Decision, Document


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """A decision of policy and, where there was one, of people. ``choice`` as in `hitl_opa.metrics.Trail`;
    ``looked``: whether somebody is known to have looked for as long as reading it takes."""

    id: str
    document: Document
    decision: Decision
    choice: str
    reviewers: tuple[str, ...]
    category: str
    looked: bool

    @property
    def asked(self) -> frozenset[str]:
        """The rules that asked and that a rule of a user's may waive."""
        reasons = self.decision.reasons
        return frozenset(r.rule for r in reasons if r.verdict == "ask" and not r.floor and r.risk != "critical")


class Cases:
    """All decisions of a record whose input is still there; ``erased`` counts the others."""

    def __init__(self, records: Iterable[Record]) -> None:
        self._trails = Trails()
        self._seen: dict[str, tuple[Document, Decision]] = {}
        self.erased = 0
        for record in records:
            self._trails.add(record)
            if record.kind == "decision":
                self._keep(record)

    def __iter__(self) -> Iterator[Case]:
        for id, (document, decision) in self._seen.items():
            trail = self._trails.get(id)
            if trail is None or trail.canary:
                continue
            yield Case(
                id=id,
                document=document,
                decision=decision,
                choice=trail.choice,
                reviewers=tuple(sorted({look.reviewer for look in trail.looks})),
                category=next((look.category for look in trail.looks if look.category), ""),
                looked=any(look.ms for look in trail.looks) and not stamped(trail),
            )

    def _keep(self, record: Record) -> None:
        try:
            payload = record.payload or {}
            read = msgspec.convert(payload["input"], Document), msgspec.convert(payload["result"], Decision)
        except (KeyError, msgspec.ValidationError, HitlError):
            self.erased += 1
            return
        self._seen[str(record.leaf.get("decision_id", ""))] = read


def cases(records: Iterable[Record]) -> Cases:
    """What is in a record."""
    return Cases(records)
