"""Expansions of constants: braces, escapes, parameter operators."""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING

from hitl_opa.facts.paths import UNKNOWN

if TYPE_CHECKING:
    pass
MAX_FIELDS = 4096


_ESCAPES = {
    "a": "\a",
    "b": "\b",
    "e": "\x1b",
    "E": "\x1b",
    "f": "\f",
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "v": "\v",
    "\\": "\\",
    "'": "'",
    '"': '"',
    "?": "?",
}

_ANSI = re.compile(
    r"\\(?:x([0-9a-fA-F]{1,2})|u([0-9a-fA-F]{1,4})|U([0-9a-fA-F]{1,8})|([0-7]{1,3})|c(.)|(.))", re.DOTALL
)


def ansi_c(text: str) -> str:
    """The value of ``$'…'``."""

    def one(m: re.Match[str]) -> str:
        if m[1] or m[2] or m[3]:
            code = int(m[1] or m[2] or m[3], 16)
            return chr(code) if 0 < code < 0x110000 and not 0xD800 <= code < 0xE000 else ""
        if m[4]:
            return chr(int(m[4], 8) & 255 or 0xFFFD)
        if m[5]:
            return chr(ord(m[5]) & 31 or 0xFFFD)
        return _ESCAPES.get(m[6], "\\" + m[6])

    return _ANSI.sub(one, text).replace("\0", "")


def expand_braces(text: str, depth: int = 0) -> list[str]:
    """``a{b,c}d`` and ``{1..3}``; bounded."""
    if depth > 8:
        return [text]
    start = -1
    while True:
        start = text.find("{", start + 1)
        if start < 0:
            return [text]
        if start and text[start - 1] == "$":
            continue
        level, cuts = 0, []
        for i in range(start, len(text)):
            c = text[i]
            if c == "{":
                level += 1
            elif c == "}":
                level -= 1
                if not level:
                    break
            elif c == "," and level == 1:
                cuts.append(i)
        else:
            continue
        inner = text[start + 1 : i]
        if cuts:
            edges = [start, *cuts, i]
            options = [text[a + 1 : b] for a, b in itertools.pairwise(edges)]
        elif (span := re.fullmatch(r"(-?\d{1,9}|[A-Za-z])\.\.(-?\d{1,9}|[A-Za-z])(?:\.\.-?\d+)?", inner)) and span[
            1
        ].isalpha() == span[2].isalpha():
            options = _span(span[1], span[2])
        else:
            continue
        tails = expand_braces(text[i + 1 :], depth + 1)
        out = [text[:start] + h + t for o in options for h in expand_braces(o, depth + 1) for t in tails[:64]]
        return out[:MAX_FIELDS]


def _span(first: str, last: str) -> list[str]:
    if first.isalpha():
        a, b = ord(first), ord(last)
        return [chr(c) for c in (range(a, b + 1) if a <= b else range(a, b - 1, -1))]
    a, b = int(first), int(last)
    if abs(b - a) > 256:
        return [first, UNKNOWN, last]
    return [str(n) for n in (range(a, b + 1) if a <= b else range(a, b - 1, -1))]


def arithmetic(text: str) -> str:
    inner = text[3:-2] if text.startswith("$((") else text
    return inner.strip() if re.fullmatch(r"\s*\d{1,15}\s*", inner) else UNKNOWN


def transform(value: str, rest: str) -> str:
    """``${x%…}``, ``${x#…}``, ``${x/…/…}``, ``${x:…}``, ``${x^^}``, ``${x,,}`` on a known value."""
    import fnmatch

    if rest in ("^^", ",,", "^", ","):
        return {
            "^^": value.upper(),
            ",,": value.lower(),
            "^": value[:1].upper() + value[1:],
            ",": value[:1].lower() + value[1:],
        }[rest]
    if cut := re.fullmatch(r":\s*(-?\d+)(?::\s*(-?\d+))?", rest):
        start, length = int(cut[1]), cut[2]
        tail = value[start:]
        return tail if length is None else tail[: int(length)]
    if len(value) > 2000:
        return UNKNOWN
    if UNKNOWN in value:  # what is cut off may lie in the part that is known
        head, _, tail = value.rpartition(UNKNOWN)
        if rest[0] == "%" and rest[1:2] != "%" and (kept := transform(tail, rest)) != tail:
            return f"{head}{UNKNOWN}{kept}"
        return tail.rpartition("/")[2] if rest == "##*/" and "/" in tail else UNKNOWN
    if rest[0] in "%#":
        pattern = rest.lstrip(rest[0])
        order = range(len(value) + 1)
        greedy = rest[1:2] == rest[0]
        if rest[0] == "#":
            for i in reversed(order) if greedy else order:
                if fnmatch.fnmatchcase(value[:i], pattern):
                    return value[i:]
        else:
            for i in order if greedy else reversed(order):
                if fnmatch.fnmatchcase(value[i:], pattern):
                    return value[:i]
        return value
    if rest[0] == "/":
        every = rest[1:2] == "/"
        pattern, _, new = rest[2 if every else 1 :].partition("/")
        if any(c in pattern for c in "*?[\\") or pattern[:1] in "#%":
            return UNKNOWN
        return value.replace(pattern, new) if every else value.replace(pattern, new, 1)
    return UNKNOWN
