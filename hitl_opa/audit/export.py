"""The export that verifies alone: a line of JSON a checkpoint, then a line a record."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from hitl_opa.audit.check import Row
from hitl_opa.audit.examination import Examination
from hitl_opa.audit.notes import Verifier
from hitl_opa.audit.report import Damage, Problem, Report
from hitl_opa.audit.witness import Witness


class _Line(msgspec.Struct, frozen=True):
    leaf: msgspec.Raw = msgspec.Raw()
    payload: msgspec.Raw = msgspec.Raw()
    salt: str | None = None
    seq: int = 0
    stream: str = ""
    tree: str = ""
    checkpoint: str = ""


_decoder = msgspec.json.Decoder(_Line)


def verify(lines: Iterable[str | bytes], keys: Sequence[Verifier] = (), anchored: Iterable[str] = ()) -> Report:
    """Check an export (`AuditLog.export`), without the database it came from.

    Only checkpoints, in the export and ``anchored`` elsewhere, say how long its streams should be: without
    ``keys`` to check them with, a cut-off end does not show.
    """
    notes = list(anchored)
    examination: Examination | None = None
    problems = []
    for number, line in enumerate(lines, 1):
        try:
            found = _decoder.decode(line)
            if found.checkpoint:
                notes.append(found.checkpoint)
                if examination is not None:  # too late: what it was signed for has passed by
                    problems.append(_problem(Damage.REORDERED, number, "is a checkpoint behind records"))
                continue
            stream, row = _row(found)
        except (msgspec.MsgspecError, UnicodeDecodeError, ValueError, RecursionError) as error:
            problems.append(_problem(Damage.UNREADABLE, number, f"is no exported record: {error}"))
            continue
        examination = examination or Examination(Witness(notes, keys))
        examination.check(stream).feed(row)
    return (examination or Examination(Witness(notes, keys))).report(problems)


def _problem(damage: Damage, line: int, message: str) -> Problem:
    return Problem(damage=damage, message=f"line {line} {message}")


def _row(line: _Line) -> tuple[str, Row]:
    if not line.leaf or not line.stream:
        raise ValueError("it has no leaf or no stream")
    payload = bytes(line.payload)
    salt = None if line.salt is None else bytes.fromhex(line.salt)
    tree = bytes.fromhex(line.tree)
    return line.stream, Row(line.seq, bytes(line.leaf), tree, salt, None if payload == b"null" else payload)
