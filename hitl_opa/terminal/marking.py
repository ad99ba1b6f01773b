"""A command line with the part to look at twice marked."""

from __future__ import annotations

import re
from collections.abc import Iterator

from hitl_opa.model import Facts
from hitl_opa.terminal.text import TAB, Line, spans
from hitl_opa.terminal.words import dangerous

MAX_CHARS = 50_000  # beyond that nothing is marked; effects are listed all the same
MAX_PLACES = 100
_BREAKS = ";&|\n()`"


def marked(command: str, facts: Facts) -> list[Line]:
    """The command's lines; dangerous parts have the style ``danger``."""
    marks = bytearray(len(command))
    head = command[:MAX_CHARS]
    quoted = [(o.via, o.text) for o in facts.opaque]
    quoted += [(e.via, e.target.value) for e in facts.effects if dangerous(e)]
    for via, value in list(dict.fromkeys(quoted))[:MAX_PLACES]:
        # what has no name of its own is marked where its program stands
        for number, (start, end) in enumerate(_words(head, value) if value else _programs(head, via)):
            if number >= MAX_PLACES:
                break
            first = _program(head, via, start)
            marks[first:end] = b"\x01" * (end - first)
    return _lines(command, marks)


def _words(command: str, value: str) -> Iterator[tuple[int, int]]:
    """Where ``value`` stands in the command as a word of its own."""
    for found in re.finditer(re.escape(value), command):
        before = command[found.start() - 1 : found.start()] if found.start() else ""
        after = command[found.end() : found.end() + 1]
        if not (before.isalnum() or after.isalnum()):
            yield found.span()


def _programs(command: str, via: str) -> Iterator[tuple[int, int]]:
    """Where a program stands in the command."""
    if via:
        for found in re.finditer(rf"(?<![\w.-]){re.escape(via)}(?![\w.-])", command):
            yield found.span()


def _program(command: str, via: str, at: int) -> int:
    """Where the simple command around ``at`` starts, if that is the program meant, else ``at``."""
    start = max(command.rfind(character, 0, at) for character in _BREAKS) + 1
    words = command[start:at]
    found = re.search(rf"(?<![\w.-])(?:(?<!\S)\S*/)?{re.escape(via)}(?![\w-])", words) if via else None
    return start + found.start() if found else at


def _lines(text: str, marks: bytearray) -> list[Line]:
    lines: list[Line] = []
    at = 0
    for line in text.split("\n"):
        end = at + len(line)
        spanned: Line = []
        start = at
        while start < end:
            stop = marks.find(1 - marks[start], start, end)
            stop = end if stop < 0 else stop
            spanned += spans(text[start:stop].expandtabs(TAB), "danger" if marks[start] else "")
            start = stop
        lines.append(spanned)
        at = end + 1
    return lines
