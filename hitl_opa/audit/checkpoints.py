"""Checkpoints as rows beside the record, and how far each anchor has got them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from hitl_opa.audit.checkpoint import Checkpoint

if TYPE_CHECKING:
    from hitl_opa.audit.reader import Select
    from hitl_opa.database import Cursor, Database

_NOTES = "SELECT note FROM audit_checkpoint ORDER BY stream, size"
_UNANCHORED = (
    "SELECT c.stream, c.size, c.note FROM audit_checkpoint c LEFT JOIN audit_anchored a "
    "ON a.stream = c.stream AND a.anchor = ? WHERE a.size IS NULL OR a.size < c.size "
    # more than there ever was: somebody wrote that, so that the anchor would get no more
    "OR a.size > (SELECT max(m.size) FROM audit_checkpoint m WHERE m.stream = c.stream) ORDER BY c.stream, c.size"
)
_KEEP = "INSERT INTO audit_checkpoint (stream, size, note) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
_ANCHORED = (
    "INSERT INTO audit_anchored (anchor, stream, size) VALUES (?, ?, ?) "
    "ON CONFLICT (anchor, stream) DO UPDATE SET size = excluded.size"
)


def notes(select: Select) -> list[str]:
    """All signed notes, whatever is in them by now."""
    return [_text(note) for (note,) in select(_NOTES)]


def keep(cursor: Cursor, signed: Checkpoint, database: Database) -> None:
    """Store one in this transaction."""
    cursor.execute(database.sql(_KEEP), (signed.stream, signed.size, signed.note))


def unanchored(select: Select, anchor: str) -> list[tuple[str, int, str]]:
    """Stream, size and note of those that this anchor has not got."""
    return [(_text(stream), int(size), _text(note)) for stream, size, note in select(_UNANCHORED, (anchor,))]


def handed_on(select: Select, anchor: str) -> dict[str, int]:
    """How far this anchor has got each stream; whatever is in that table by now."""
    rows = select("SELECT stream, size FROM audit_anchored WHERE anchor = ?", (anchor,))
    return {_text(stream): size if isinstance(size, int) else -1 for stream, size in rows}


def anchored(cursor: Cursor, anchor: str, sizes: Mapping[str, int], database: Database) -> None:
    """This anchor has got them up to these sizes."""
    cursor.executemany(database.sql(_ANCHORED), [(anchor, stream, size) for stream, size in sizes.items()])


def _text(value: object) -> str:
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)
