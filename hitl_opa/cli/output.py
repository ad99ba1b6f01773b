"""How commands print: people get lines that fit their terminal, programs get JSON."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import click
import msgspec

from hitl_opa.terminal.text import Line, Span, paint, plain, spans, width, wrap

VERDICT_STYLES = {"allow": "green", "ask": "yellow", "deny": "red"}
RISK_STYLES = {"low": "green", "medium": "yellow", "high": "danger", "critical": "critical"}
_PLAIN_COLUMNS = 80
_json = msgspec.json.Encoder(order="sorted")


def columns() -> int:
    """How wide to print: the terminal, at most 100; 80 where there is none."""
    found = shutil.get_terminal_size((_PLAIN_COLUMNS, 24)).columns
    return min(max(found, 40), 100)


def colour(stream: Any = None) -> bool:
    """Whether to colour. ``NO_COLOR`` and dumb terminals: no; ``FORCE_COLOR``: yes; else if it is a terminal."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    terminal = (stream or sys.stdout).isatty()
    return bool(terminal) and os.environ.get("TERM", "") != "dumb"


def say(*line: Span | str, indent: int = 0, hanging: int = 2, err: bool = False) -> None:
    """One line, broken to fit. Text that is not ours has to come as `spans`."""
    stream = sys.stderr if err else sys.stdout
    parts = [Span(part) if isinstance(part, str) else part for part in line]
    for part in wrap(parts, columns(), indent=indent, hanging=hanging):
        # colour is decided here, so click must not strip it again
        click.echo(paint(part, colour=colour(stream)), err=err, color=True)


def clipped(*line: Span | str) -> None:
    """One line that stays one: what does not fit is cut off."""
    parts = [Span(part) if isinstance(part, str) else part for part in line]
    click.echo(paint(_clip(parts, columns()), colour=colour()), color=True)


def whole(*line: Span) -> None:
    """One line as it is, however long: what may be copied must not be broken."""
    click.echo(paint(list(line), colour=colour()), color=True)


def emit(value: Any) -> None:
    """A value as one line of JSON."""
    click.echo(_json.encode(value))


def heading(text: str) -> None:
    click.echo()
    say(Span(text, "bold"))


def table(header: Sequence[str], rows: Iterable[Sequence[Line | str]], *, shrink: int = -1, indent: int = 0) -> None:
    """Columns as wide as they need be; where that is too wide, column ``shrink`` is cut off with an ellipsis."""
    cells = [[_line(cell) for cell in row] for row in rows]
    heads: list[Line] = [[Span(name, "dim")] for name in header]
    widths = [max(_width(row[at]) for row in [heads, *cells]) for at in range(len(header))]
    spare = columns() - indent - sum(widths) - 2 * (len(header) - 1)
    if spare < 0:
        widths[shrink] = max(widths[shrink] + spare, 8)
    for row in [heads, *cells] if any(header) else cells:
        line: Line = [Span(" " * indent)]
        for at, cell in enumerate(row):
            shown = _clip(cell, widths[at])
            line += [*shown, Span(" " * (widths[at] - _width(shown) + 2))]
        click.echo(paint(line, colour=colour()).rstrip(), color=True)


@contextmanager
def working(what: str) -> Iterator[None]:
    """Says on a terminal's standard error that something takes a while; nothing where nobody looks."""
    shown = sys.stderr.isatty()
    if shown:
        click.echo(f"{what} …", err=True, nl=False)
    try:
        yield
    finally:
        if shown:
            click.echo(f"\r{' ' * (width(what) + 2)}\r", err=True, nl=False)


class Progress:
    """Counts on a terminal's standard error, a few times a second. ``prints``: something comes out meanwhile, which
    the count must not stand in when both go to one terminal."""

    def __init__(self, what: str, *, prints: bool = False) -> None:
        self._what = what
        self._shown = sys.stderr.isatty() and not (prints and sys.stdout.isatty())
        self._next = time.monotonic() + 0.5
        self._drawn = False

    def at(self, count: int) -> None:
        if self._shown and time.monotonic() >= self._next:
            self._next = time.monotonic() + 0.2
            self._drawn = True
            click.echo(f"\r{count:,} {self._what} ", err=True, nl=False)

    def done(self) -> None:
        if self._drawn:
            click.echo(f"\r{' ' * 40}\r", err=True, nl=False)


def verdict(value: str) -> Span:
    return Span(f"{value.upper():5}", VERDICT_STYLES.get(value, ""))


def risk(value: str) -> Span:
    return Span(value, RISK_STYLES.get(value, ""))


def _line(cell: Line | str) -> Line:
    return spans(cell) if isinstance(cell, str) else cell


def _width(line: Line) -> int:
    return width(plain(line))


def _clip(line: Line, room: int) -> Line:
    if _width(line) <= room:
        return line
    kept: Line = []
    left = room - 1
    for span in line:
        text = span.text
        while text and width(text) > left:
            text = text[:-1]
        kept.append(Span(text, span.style))
        left -= width(text)
        if len(text) < len(span.text):
            break
    return [*kept, Span("…")]
