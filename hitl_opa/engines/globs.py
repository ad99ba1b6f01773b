"""OPA's ``glob.match``: gobwas/glob patterns, matched in time that a long hostile text cannot blow up.

``*`` any run without a delimiter, ``**`` any run, ``?`` one character that is no delimiter,
``[abc]``, ``[!a-z]``, ``{a,b}`` (nests), ``\\`` escapes. A pattern is split into its alternatives,
and each becomes a regular expression whose wildcards give nothing back once what follows them
matched (atomic groups), wherever that cannot lose a match.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, NamedTuple

MAX_ALTERNATIVES = 256
MAX_TEXT = 4096  # characters, as many as a path may have, for the patterns that stay quadratic or worse


class GlobError(ValueError):
    """A pattern or operand that OPA refuses too, or a text too long for a pattern this hard."""


class _Token(NamedTuple):
    kind: str  # one | any | super
    regex: str
    delimiter: bool  # may match a delimiter


def glob_match(pattern: Any, delimiters: Any, text: Any) -> bool:
    """``glob.match(pattern, delimiters, text)`` as OPA answers it; GlobError for what OPA refuses."""
    if not isinstance(pattern, str) or not isinstance(text, str):
        raise GlobError("glob.match: pattern and match must be strings")
    if delimiters is None:
        marks = ""
    elif isinstance(delimiters, list) and all(isinstance(mark, str) and len(mark) == 1 for mark in delimiters):
        marks = "".join(delimiters) or "."
    else:
        raise GlobError("glob.match: delimiters must be null or an array of single characters")
    bounded, compiled = _compile(pattern, marks)
    if bounded and len(text) > MAX_TEXT:
        raise GlobError(f"glob.match: text of more than {MAX_TEXT} characters against {pattern!r}")
    return compiled.fullmatch(text) is not None


@lru_cache(maxsize=4096)
def _compile(pattern: str, delimiters: str) -> tuple[bool, re.Pattern[str]]:
    """(whether texts must be bounded, the regular expression)."""
    other = f"[^{re.escape(delimiters)}]" if delimiters else "."
    alternatives, end = _parse(pattern, 0, other, delimiters, nested=False)
    if end != len(pattern):
        raise GlobError(f"glob.match: unexpected {pattern[end]!r} in {pattern!r}")
    rendered = [_render(tokens) for tokens in alternatives]
    return any(bounded for bounded, _ in rendered), re.compile("|".join(regex for _, regex in rendered), re.DOTALL)


def _parse(pattern: str, at: int, other: str, delimiters: str, *, nested: bool) -> tuple[list[list[_Token]], int]:
    """Alternatives of the pattern from ``at`` on, up to its end or, nested, the closing brace."""
    done: list[list[_Token]] = []
    open_: list[list[_Token]] = [[]]
    while at < len(pattern):
        char = pattern[at]
        if nested and char in ",}":
            done += open_
            open_ = [[]]
            if char == "}":
                return done, at
            at += 1
        elif char == "{":
            inner, at = _parse(pattern, at + 1, other, delimiters, nested=True)
            if at >= len(pattern):
                raise GlobError(f"glob.match: unclosed brace in {pattern!r}")
            at += 1
            if len(open_) * len(inner) > MAX_ALTERNATIVES:
                raise GlobError(f"glob.match: more than {MAX_ALTERNATIVES} alternatives in {pattern!r}")
            open_ = [left + right for left in open_ for right in inner]
        else:
            token, at = _token(pattern, at, other, delimiters)
            for tokens in open_:
                tokens.append(token)
    return done + open_, at


def _token(pattern: str, at: int, other: str, delimiters: str) -> tuple[_Token, int]:
    char = pattern[at]
    if char == "*":
        end = at + 1
        while end < len(pattern) and pattern[end] == "*":
            end += 1
        if end - at > 1:
            return _Token("super", ".*?", True), end
        return _Token("any", f"{other}*?", False), end
    if char == "?":
        return _Token("one", other, False), at + 1
    if char == "[":
        return _class(pattern, at, delimiters)
    if char == "\\":
        if at + 1 >= len(pattern):
            raise GlobError(f"glob.match: trailing backslash in {pattern!r}")
        at += 1
    char = pattern[at]
    return _Token("one", re.escape(char), False), at + 1  # a delimiter written out cannot be passed by a wildcard


def _class(pattern: str, at: int, delimiters: str) -> tuple[_Token, int]:
    """``[abc]``, ``[a-z]`` and their ``[!…]``: exactly one range without escapes, or a list of characters."""
    start, at = at, at + 1
    negated = pattern[at : at + 1] == "!"
    at += negated
    if pattern[at + 1 : at + 2] == "-":
        low, high = pattern[at], pattern[at + 2 : at + 3]
        at += 3
        body = f"{re.escape(low)}-{re.escape(high)}" if low <= high else ""
    else:
        chars: list[str] = []
        while at < len(pattern) and pattern[at] != "]":
            at += pattern[at] == "\\"
            chars.append(pattern[at : at + 1])
            at += 1
        body = "".join(map(re.escape, chars))
    if not body or pattern[at : at + 1] != "]":
        raise GlobError(f"glob.match: bad character class in {pattern[start:]!r}")
    regex = f"[{'^' if negated else ''}{body}]"
    crosses = any(re.fullmatch(regex, mark) for mark in delimiters)
    return _Token("one", regex, crosses), at + 1


def _render(tokens: list[_Token]) -> tuple[bool, str]:
    """The tokens as a regular expression, and whether it may backtrack more than linearly.

    Units run from one ``**`` to before the next. A unit that has matched never needs to match
    later, because the next ``**`` takes up whatever is between: so it is atomic. Within it, a
    ``*`` and what follows are atomic too, unless a class there could step over a delimiter.
    """
    units: list[list[_Token]] = [[]]
    for token in tokens:
        if token.kind == "super":
            units.append([])
        units[-1].append(token)
    crossing = any(token.delimiter and token.kind == "one" for token in tokens)
    bounded = False
    out: list[str] = []
    for index, unit in enumerate(units):
        last = index == len(units) - 1
        segments: list[list[_Token]] = [[]]
        for token in unit:
            if token.kind == "any":
                segments.append([])
            segments[-1].append(token)
        parts = ["".join(token.regex for token in segment) for segment in segments]
        wildcards = sum(token.kind != "one" for token in unit)
        bounded = bounded or wildcards > 1 or (crossing and wildcards > 0)
        # The last segment of all is anchored at the end of the text, so it may not settle for its first match.
        settled = parts if not last else parts[:-1]
        joined = "".join(
            f"(?>{part})" if not crossing and position and position < len(settled) else part
            for position, part in enumerate(parts)
        )
        out.append(joined if last or not unit else f"(?>{joined})")
    return bounded, f"(?:{''.join(out)})"
