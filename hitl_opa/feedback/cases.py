"""Calls that people decided on, with what they were shown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from hitl_opa.audit import Record
from hitl_opa.errors import HitlError
from hitl_opa.metrics import Trails
from hitl_opa.metrics.hygiene import BLIND, STAMPED, blind, real
from hitl_opa.model import Decision, Document


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """A decision of policy and, where there was one, of people. ``choice`` as in `hitl_opa.metrics.Trail`;
    ``reviewers``: those who are known to look. ``doubt``: why it is no evidence, ``""`` where it is."""

    id: str
    document: Document
    decision: Decision
    choice: str
    reviewers: tuple[str, ...]
    category: str
    digest: str
    batch: str
    doubt: str

    @property
    def asked(self) -> frozenset[str]:
        """The rules that asked and that a rule of a user's may waive."""
        reasons = self.decision.reasons
        return frozenset(r.rule for r in reasons if r.verdict == "ask" and not r.floor and r.risk != "critical")


class Cases:
    """All decisions of a record whose input is still there; ``erased`` counts the others.

    ``catch``: who caught less than this share of planted requests is not known to look.
    """

    def __init__(self, records: Iterable[Record], catch: float) -> None:
        self._catch = catch
        self._trails = Trails()
        self._seen: dict[str, tuple[Document, Decision]] = {}
        self.erased = 0
        for record in records:
            self._trails.add(record)
            if record.kind == "decision":
                self._keep(record)

    def __iter__(self) -> Iterator[Case]:
        misses = blind(self._trails, self._catch)
        for id, (document, decision) in self._seen.items():
            trail = self._trails.get(id)
            if trail is None or trail.canary:
                continue
            reviewers = {look.reviewer for look in trail.looks} - misses
            yield Case(
                id=id,
                document=document,
                decision=decision,
                choice=trail.choice,
                reviewers=tuple(sorted(reviewers)),
                category=next((look.category for look in trail.looks if look.category), ""),
                digest=trail.digest,
                batch=trail.batch,
                doubt=BLIND if not reviewers else "" if real(trail) else STAMPED,
            )

    def _keep(self, record: Record) -> None:
        try:
            payload = record.payload or {}
            read = msgspec.convert(payload["input"], Document), msgspec.convert(payload["result"], Decision)
        except (KeyError, msgspec.ValidationError, HitlError):
            self.erased += 1
            return
        self._seen[str(record.leaf.get("decision_id", ""))] = read


def cases(records: Iterable[Record], catch: float = 0.8) -> Cases:
    """What is in a record. ``catch`` as in `Cases`."""
    return Cases(records, catch)
