"""Reading the audit log: records, the tail, the export, the check of everything."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import msgspec

from hitl_opa.audit import checkpoints
from hitl_opa.audit.check import Check, Row
from hitl_opa.audit.examination import Examination
from hitl_opa.audit.filter import Filter
from hitl_opa.audit.leaf import MALFORMED, Record
from hitl_opa.audit.notes import Verifier
from hitl_opa.audit.report import Damage, Problem, Report
from hitl_opa.audit.witness import Witness
from hitl_opa.errors import AuditError

_PAGE = 1000
_POLL_SECONDS = 0.2

Select = Callable[..., list[tuple[Any, ...]]]
"""Runs a query in a transaction of its own and returns all rows; text may come as str or bytes."""


class Reader:
    """Reads by short queries, a page each, so that neither checkpoints nor forks wait for a reader."""

    def __init__(self, path: str, select: Select, damage: Callable[[], list[str]]) -> None:
        self._path = path
        self._select = select
        self._damage = damage

    def records(self, only: Filter, after: int = 0) -> Iterator[Record]:
        for row in self._rows(only, after):
            if record := self._record(row, only):
                yield record

    def leaves(self, only: Filter) -> Iterator[tuple[dict[str, Any], str | bytes | None]]:
        for row in self._rows(only, 0):
            if fields := self._leaf(row, only):
                yield fields, row[4]

    def tail(self, n: int, only: Filter, *, follow: bool) -> Iterator[Record]:
        top = self._select("SELECT coalesce(max(id), 0) FROM audit_leaf")[0][0]
        last: deque[Record] = deque()
        before = top + 1
        while len(last) < n and (rows := self._page(only, "id < ? ORDER BY id DESC", before)):
            for row in rows:
                if len(last) < n and (record := self._record(row, only)):
                    last.appendleft(record)
            before = rows[-1][0]
        yield from last
        while follow:
            for record in self.records(only, top):
                top = record.id
                yield record
            time.sleep(_POLL_SECONDS)

    def about(self, which: str) -> list[Record]:
        found = list(self.records(Filter(call_id=which))) if which else []
        if found or not which:
            return found
        found = list(self.records(Filter(decision_id=which)))
        ids = {record.leaf["decision_id"] for record in found}
        if len(ids) > 1:
            raise AuditError(f"{len(ids)} decisions have an id that starts with {which!r}: give more of it")
        return found

    def export(self) -> Iterator[str]:
        for note in checkpoints.notes(self._select):
            yield f'{{"checkpoint":{msgspec.json.encode(note).decode()}}}'
        names: dict[int, str] = {}
        for _, stream, seq, leaf, payload, salt, tree in self._rows(Filter(), 0):
            if stream not in names:
                names = {key: _text(name) for key, name in self._select("SELECT id, stream FROM audit_stream")}
            yield (
                f'{{"leaf":{_text(leaf)},"payload":{"null" if payload is None else _text(payload)},'
                f'"salt":{"null" if salt is None else _hex(salt)},"seq":{seq},'
                f'"stream":"{names.get(stream, "")}","tree":{_hex(tree)}}}'
            )

    def verify(self, keys: Sequence[Verifier], anchored: Iterable[str]) -> Report:
        problems = self._check_database()
        found = Examination(Witness(anchored, keys))
        try:
            found = Examination(Witness([*checkpoints.notes(self._select), *anchored], keys))
            for key, name in self._select("SELECT id, stream FROM audit_stream ORDER BY id"):
                check = found.check(_text(name))
                size = self._walk(key, check)
                if not isinstance(size, int):
                    problems.append(_no_count(check.stream, size))
                found.finish(check.stream, size if isinstance(size, int) else None)
            problems += self._strays()
        except AuditError as error:
            problems.append(Problem(damage=Damage.DATABASE, message=f"reading stopped early: {error}"))
        return found.report(problems)

    def _walk(self, key: int, check: Check) -> Any:
        """Feed the whole stream to its check; how long the stream should be, as it stands there."""
        last: tuple[Any, Any] = float("-inf"), 0
        while True:
            rows = self._select(
                "SELECT seq, leaf, tree, salt, payload, id FROM audit_leaf "
                "WHERE stream = ? AND (seq, id) > (?, ?) ORDER BY seq, id LIMIT ?",
                (key, *last, _PAGE),
            )
            for row in rows:
                check.feed(Row(*row))
            if rows:
                last = rows[-1][0], rows[-1][5]
                continue
            # In one query: a record appended since the last page is one to go on with, not one too many
            found = self._select(
                "SELECT size, EXISTS (SELECT 1 FROM audit_leaf WHERE stream = ? AND (seq, id) > (?, ?)) "
                "FROM audit_stream WHERE id = ?",
                (key, *last, key),
            )
            if not found:
                raise AuditError(f"stream {check.stream} was removed while it was being read")
            if not found[0][1]:
                return found[0][0]

    def _strays(self) -> list[Problem]:
        strays = self._select(
            "SELECT stream, min(seq), max(seq) FROM audit_leaf "
            "WHERE stream NOT IN (SELECT id FROM audit_stream) GROUP BY stream"
        )
        message = "they belong to no stream: it was removed, or they were put in"
        return [
            Problem(damage=Damage.INSERTED, stream=f"#{key}", seq=first, last=last, message=message)
            for key, first, last in strays
        ]

    def _check_database(self) -> list[Problem]:
        try:
            found = self._damage()
        except AuditError as error:
            found = [str(error)]
        return [Problem(damage=Damage.DATABASE, message=message) for message in found]

    def _rows(self, only: Filter, after: int) -> Iterator[tuple[Any, ...]]:
        while rows := self._page(only, "id > ? ORDER BY id", after):
            yield from rows
            after = rows[-1][0]

    def _page(self, only: Filter, order: str, at: int) -> list[tuple[Any, ...]]:
        where, values = only.where()
        return self._select(
            f"SELECT id, stream, seq, leaf, payload, salt, tree FROM audit_leaf WHERE {where} AND {order} LIMIT ?",  # noqa: S608  constants
            (*values, at, _PAGE),
        )

    def _record(self, row: tuple[Any, ...], only: Filter) -> Record | None:
        key, _, seq, _, payload, _, _ = row
        if (fields := self._leaf(row, only)) is None:
            return None
        try:
            plain = None if payload is None else msgspec.json.decode(payload)
            return Record(id=key, stream=fields["hitl"]["stream"], seq=seq, leaf=fields, payload=plain)
        except MALFORMED as error:
            raise self._no_record(key) from error

    def _leaf(self, row: tuple[Any, ...], only: Filter) -> dict[str, Any] | None:
        try:
            fields: dict[str, Any] = msgspec.json.decode(row[3])
            return fields if only.matches(fields) else None
        except MALFORMED as error:
            raise self._no_record(row[0]) from error

    def _no_record(self, key: int) -> AuditError:
        return AuditError(
            f"audit log {self._path}: row {key} is no record; run `hitl-opa audit verify` to see what was changed"
        )


def _no_count(stream: str, size: Any) -> Problem:
    message = f"its number of records was changed to {_text(size)[:20]!r}; what is missing from its end may not show"
    return Problem(damage=Damage.DATABASE, stream=stream, message=message)


def _text(value: Any) -> str:
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)


def _hex(value: Any) -> str:
    data = value if isinstance(value, bytes) else str(value).encode("utf-8", "backslashreplace")
    return f'"{data.hex()}"'
