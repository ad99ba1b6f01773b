"""Text that somebody else wrote, for a terminal: made visible, measured and wrapped.

Whoever writes a tool call also writes what its reviewer reads. A terminal obeys escape sequences,
and a reader is fooled by text that turns round, has no width or looks like a space: all of that is
shown as ``<U+202E>`` and never reaches the terminal.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from typing import NamedTuple

TAB = 4
MAX_MARKS = 2  # combining marks on one character; more of them climb over the lines above

# No width, or the width of a space, though Unicode calls them letters, symbols or marks.
_BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0") | {chr(c) for c in range(0x180B, 0x1810)}
_SELECTORS = (range(0xFE00, 0xFE10), range(0xE0100, 0xE01F0))
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Zs"})
_GAP = re.compile("( {80,})")
_LOOKALIKES = frozenset({"ARMENIAN", "CHEROKEE", "COPTIC", "CYRILLIC", "GREEK"})
_STYLES = {
    "bold": "1",
    "dim": "2",
    "red": "31",
    "green": "32",
    "yellow": "33",
    "cyan": "36",
    "danger": "1;31",
    "hidden": "7",
    "critical": "1;37;41",
}


class Span(NamedTuple):
    """A piece of a line that looks the same throughout; ``style`` is a key of the table above or ``""``."""

    text: str
    style: str = ""


Line = list[Span]


def hidden(character: str) -> bool:
    """Whether a reader would not see this character, or see something else."""
    if character.isascii():
        return not character.isprintable()
    return (
        unicodedata.category(character) in _HIDDEN
        or character in _BLANK
        or any(ord(character) in block for block in _SELECTORS)
    )


def visible(text: str, *, keep: str = "") -> str:
    """``text`` with everything invisible spelled out. Characters of ``keep`` stay (``"\\n"`` for blocks)."""
    if text.isascii() and text.isprintable() and not _GAP.search(text):
        return text
    return "".join(span.text for span in spans(text, keep=keep))


def spans(text: str, style: str = "", *, keep: str = "") -> Line:
    """``text`` in this style, with what was invisible in it spelled out and set off."""
    line: Line = []
    plain: list[str] = []
    marks = 0
    if _GAP.search(text):
        # so many spaces push what follows off the screen
        for part in _GAP.split(text):
            line += [Span(f"<{len(part)} spaces>", "hidden")] if _GAP.fullmatch(part) else spans(part, style, keep=keep)
        return line
    for character in text:
        marks = marks + 1 if unicodedata.combining(character) else 0
        if character not in keep and (hidden(character) or marks > MAX_MARKS):
            if plain:
                line.append(Span("".join(plain), style))
                plain = []
            line.append(Span(f"<U+{ord(character):04X}>", "hidden"))
        else:
            plain.append(character)
    if plain:
        line.append(Span("".join(plain), style))
    return line


def mixed(text: str) -> list[str]:
    """Words of ``text`` that mix Latin letters with look-alikes of other alphabets."""
    found = []
    for word in "".join(c if c.isalpha() else " " for c in text).split():
        if not word.isascii():
            scripts = {unicodedata.name(c, "?").partition(" ")[0] for c in word}
            if "LATIN" in scripts and scripts & _LOOKALIKES:
                found.append(word)
    return found


def width(text: str) -> int:
    """Columns that ``text`` takes; it must hold nothing invisible."""
    if text.isascii():
        return len(text)
    return sum(_columns(c) for c in text)


def _columns(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in {"W", "F"} else 1


def block(text: str, style: str = "") -> Iterator[Line]:
    """The lines of a text of several lines, tabs spread out, the rest spelled out."""
    for line in text.split("\n"):
        yield spans(line.removesuffix("\r").expandtabs(TAB), style)


def wrap(
    line: Iterable[Span], columns: int, *, indent: int = 0, hanging: int = 0, words: bool = True
) -> Iterator[Line]:
    """``line`` broken at ``columns``, each part indented, all but the first by ``hanging`` more.

    With ``words`` it breaks at spaces where there are any; code breaks wherever the edge is.
    """
    room = max(columns - indent, hanging + 8)
    margin, first = 0, True
    current: Line = []
    used = 0
    for span in _pieces(line, words):
        text = span.text
        while text:
            if width(text) <= room - used:
                current.append(Span(text, span.style))
                used += width(text)
                break
            begun = used > margin
            if words and begun and (text.isspace() or width(text) <= room - hanging):
                text = text.lstrip()
            else:
                head, text = _cut(text, room - used, force=not begun)
                current.append(Span(head, span.style))
            yield [Span(" " * (indent + margin)), *current]
            current, first, margin = [], False, hanging
            used = margin
    if first or used > margin:
        yield [Span(" " * (indent + margin)), *current]


def _pieces(line: Iterable[Span], words: bool) -> Iterator[Span]:
    for span in line:
        if not words:
            yield span
            continue
        start = 0
        for at in range(1, len(span.text)):
            if span.text[at].isspace() != span.text[at - 1].isspace():
                yield Span(span.text[start:at], span.style)
                start = at
        if span.text[start:]:
            yield Span(span.text[start:], span.style)


def _cut(text: str, columns: int, *, force: bool) -> tuple[str, str]:
    """``text`` in two where ``columns`` are full; at least one character if ``force``."""
    used = 0
    for at, character in enumerate(text):
        used += _columns(character)
        if used > columns:
            cut = max(at, 1) if force else at
            return text[:cut], text[cut:]
    return text, ""


def paint(line: Iterable[Span], *, colour: bool) -> str:
    """The line as it is written to the terminal."""
    if not colour:
        return "".join(span.text for span in line).rstrip()
    return "".join(
        f"\x1b[{_STYLES[span.style]}m{span.text}\x1b[0m" if span.style and span.text else span.text for span in line
    )


def plain(line: Iterable[Span]) -> str:
    return "".join(span.text for span in line)


def carets(line: Line) -> Line | None:
    """A line of ``^`` below what is dangerous, None where nothing is: colour alone does not reach everybody."""
    if not any(span.style == "danger" for span in line):
        return None
    marks = "".join(("^" if s.style == "danger" else " ") * width(s.text) for s in line).rstrip()
    return [Span(marks, "danger")]
