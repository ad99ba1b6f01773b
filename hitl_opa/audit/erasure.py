"""Erasing payloads: what was recorded goes, what it was stays proven, and the erasure is on record itself.

A leaf names the session, agent and principal and holds digests; those stay. The payload (input
document, result with its messages, comments, errors) and the salt of its commitment are set to
NULL, in the transaction that records which ones, so that a payload that is gone without such a
record is found as damage.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec

from hitl_opa.audit.filter import Filter
from hitl_opa.audit.leaf import Event, Kind, Record
from hitl_opa.audit.spans import Spans
from hitl_opa.errors import AuditError

if TYPE_CHECKING:
    from hitl_opa.audit.log import AuditLog

BATCH = 1000  # records a transaction: writers wait for one batch, not for all

_ERASE = "UPDATE audit_leaf SET salt = NULL, payload = NULL WHERE id = ? AND payload IS NOT NULL"


class Erased(msgspec.Struct, frozen=True):
    """How many payloads were erased. ``scrubbed``: no copy is left in the database's files."""

    count: int
    scrubbed: bool


def erase(log: AuditLog, only: Filter, *, by: str, reason: str = "") -> Erased:
    """Erase the payloads of these records. Raises AuditError; what was erased until then is on record."""
    if not only.named():
        raise AuditError("say which payloads to erase: an empty filter would erase all of them")
    if only.text:
        raise AuditError("the record of the erasure would hold the text: say which session, call or time to erase")
    count = 0
    for batch in _batches(log, only):
        spans: dict[str, Spans] = {}
        for record in batch:
            spans.setdefault(record.stream, Spans()).add(record.seq)
        event = Event(
            kind=Kind.ERASURE,
            reviewer=by,
            extra={"erased": {stream: list(found) for stream, found in spans.items()}, "where": only.named()},
            detail={"reason": reason} if reason else None,
        )
        with log.transaction() as cursor:
            cursor.executemany(log.database.sql(_ERASE), [(record.id,) for record in batch])
            log.append(event, cursor=cursor)
        count += len(batch)
    return Erased(count, scrubbed=log.scrub() if count else True)


def _batches(log: AuditLog, only: Filter) -> Iterator[list[Record]]:
    batch: list[Record] = []
    end = next(iter(log.tail(1)), None)  # not the records of this erasure
    for record in log.records(only):
        if end is not None and record.id > end.id:
            break
        if record.payload is not None:
            batch.append(record)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
