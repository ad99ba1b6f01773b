"""Erasing payloads: what was recorded goes, what it was stays proven, and the erasure is on record itself.

A leaf names the session, agent and principal and holds digests; those stay. The payload (input
document, result with its messages, comments, errors) and the salt of its commitment are set to
NULL, in the transaction that records which ones, so that a payload that is gone without such a
record is found as damage.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING

import msgspec

from hitl_opa.audit.filter import Filter
from hitl_opa.audit.leaf import Event, Kind, Record
from hitl_opa.audit.spans import Spans
from hitl_opa.database import Cursor
from hitl_opa.errors import AuditError

if TYPE_CHECKING:
    from hitl_opa.audit.log import AuditLog

Within = Callable[[Sequence[Record]], AbstractContextManager[tuple[Cursor, int]]]
"""A transaction on the record's database in which what else holds the payload of these records is erased, and how
many such copies there were."""

BATCH = 1000  # records a transaction: writers wait for one batch, not for all

_ERASE = "UPDATE audit_leaf SET salt = NULL, payload = NULL WHERE id = ? AND payload IS NOT NULL"


class Erased(msgspec.Struct, frozen=True):
    """How many payloads were erased, and how many copies besides (approvals, transcripts' entries). ``scrubbed``:
    nothing of it is left in the database's files."""

    count: int
    copies: int
    scrubbed: bool


def erase(log: AuditLog, only: Filter, *, by: str, reason: str = "", within: Within | None = None) -> Erased:
    """Erase the payloads of these records. Raises AuditError; what was erased until then is on record.

    ``within`` erases what holds them besides, of records too whose payload was erased before.
    """
    if not only.named():
        raise AuditError("say which payloads to erase: an empty filter would erase all of them")
    if only.text:
        raise AuditError("the record of the erasure would hold the text: say which session, call or time to erase")
    count = copies = 0
    for batch in _batches(log, only):
        spans: dict[str, Spans] = {}
        there = [record for record in batch if record.payload is not None]
        for record in there:
            spans.setdefault(record.stream, Spans()).add(record.seq)
        erased = {stream: list(found) for stream, found in spans.items()}
        with within(batch) if within else _alone(log) as (cursor, besides):
            if not (there or besides):
                continue
            event = Event(
                kind=Kind.ERASURE,
                reviewer=by,
                extra={"erased": erased, "where": only.named(), **({"copies": besides} if besides else {})},
                detail={"reason": reason} if reason else None,
            )
            cursor.executemany(log.database.sql(_ERASE), [(record.id,) for record in there])
            log.append(event, cursor=cursor)
        count += len(there)
        copies += besides
    return Erased(count, copies, scrubbed=log.scrub() if count or copies else True)


@contextmanager
def _alone(log: AuditLog) -> Iterator[tuple[Cursor, int]]:
    with log.transaction() as cursor:
        yield cursor, 0


def _batches(log: AuditLog, only: Filter) -> Iterator[list[Record]]:
    batch: list[Record] = []
    end = next(iter(log.tail(1)), None)  # not the records of this erasure
    for record in log.records(only):
        if end is not None and record.id > end.id:
            break
        batch.append(record)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
