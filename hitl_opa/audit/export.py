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
    wrong = _Wrong()
    for number, line in enumerate(lines, 1):
        try:
            found = _decoder.decode(line)
            placed = None if found.checkpoint else _row(found)
            if not _ours(line, found):
                wrong.say(Damage.UNREADABLE, number, "something was added to what audit export wrote")
            if placed is None:
                notes.append(found.checkpoint)
                if examination is not None:  # too late: what it was signed for has passed by
                    wrong.say(Damage.REORDERED, number, "a checkpoint behind records")
                continue
        except (msgspec.MsgspecError, UnicodeDecodeError, ValueError, RecursionError) as error:
            wrong.say(Damage.UNREADABLE, number, f"no exported record: {error}")
            continue
        examination = examination or Examination(Witness(notes, keys))
        stream, row = placed
        examination.check(stream).feed(row)
    problems = wrong.problems()
    if examination is None:
        return Examination(Witness(notes, keys)).report(problems)
    if keys and not examination.signed:
        said = "no known key signed a checkpoint of it: anybody could have made it up. Export after audit checkpoint"
        problems.append(Problem(damage=Damage.UNSIGNED, message=said))
    return examination.report(problems)


class _Wrong:
    """Lines that are not as they should be; those in a row with the same damage are one finding."""

    def __init__(self) -> None:
        self._found: list[tuple[Damage, int, int, str]] = []

    def say(self, damage: Damage, line: int, message: str) -> None:
        if self._found and self._found[-1][0] is damage and self._found[-1][2] == line - 1:
            _, first, _, message = self._found.pop()
            self._found.append((damage, first, line, message))
        else:
            self._found.append((damage, line, line, message))

    def problems(self) -> list[Problem]:
        return [
            Problem(damage=damage, message=f"line {first}{f' to {last}' if last > first else ''}: {message}")
            for damage, first, last, message in self._found
        ]


def _ours(text: str | bytes, line: _Line) -> bool:
    """Whether the line says this and nothing else: who reads the file by eye or by another program reads the same."""
    data = text.encode() if isinstance(text, str) else text
    if line.checkpoint:
        return data.rstrip(b"\r\n") == b'{"checkpoint":%s}' % msgspec.json.encode(line.checkpoint)
    salt = b"null" if line.salt is None else b'"%s"' % line.salt.encode()
    parts = bytes(line.leaf), bytes(line.payload), salt, line.seq, line.stream.encode(), line.tree.encode()
    return data.rstrip(b"\r\n") == b'{"leaf":%s,"payload":%s,"salt":%s,"seq":%d,"stream":"%s","tree":"%s"}' % parts


def _row(line: _Line) -> tuple[str, Row]:
    if not line.leaf or not line.stream:
        raise ValueError("it has no leaf or no stream")
    payload = bytes(line.payload)
    salt = None if line.salt is None else bytes.fromhex(line.salt)
    tree = bytes.fromhex(line.tree)
    return line.stream, Row(line.seq, bytes(line.leaf), tree, salt, None if payload == b"null" else payload)
