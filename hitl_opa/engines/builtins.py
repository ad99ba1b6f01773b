"""Built-in functions where regorus differs from OPA or has none, with OPA's semantics.

A function gets plain Python values (sets for Rego sets) and returns one. Raising makes the
evaluation an error, as a strict OPA does.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from typing import TYPE_CHECKING, Any

from hitl_opa.engines.formats import sprintf
from hitl_opa.engines.globs import glob_match

if TYPE_CHECKING:
    from collections.abc import Callable


def _hex(algorithm: str) -> Callable[[Any], str]:
    return lambda text: hashlib.new(algorithm, _text(text), usedforsecurity=False).hexdigest()


def _hmac(algorithm: str) -> Callable[[Any, Any], str]:
    return lambda text, key: hmac.new(_text(key), _text(text), algorithm).hexdigest()


def _text(value: Any) -> bytes:
    return _string(value).encode()


def _letters(change: Callable[[str], str]) -> Callable[[Any], str]:
    """Letter by letter, as Go does it: what has no single-letter counterpart (ß) stays, and İ becomes i."""

    def letter(char: str) -> str:
        changed = change(char)
        return changed if len(changed) == 1 else changed[0] if char == "İ" else char

    def apply(value: Any) -> str:
        text = _string(value)
        return change(text) if text.isascii() else "".join(map(letter, text))

    return apply


def _string(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"operand must be a string but got {type(value).__name__}")
    return value


def _indexof(text: Any, part: Any) -> int:
    if not _string(part):
        raise ValueError("empty search character")
    return _string(text).find(part)


def _to_number(value: Any) -> int | float:
    if value is None or isinstance(value, bool):
        return int(bool(value))
    if isinstance(value, (int, float)):
        return value
    if not _NUMBER.fullmatch(_string(value)):
        raise ValueError(f"to_number: invalid syntax: {value!r}")
    return float(value) if set(value) & set(".eE") else int(value)


_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")
_GLOB_META = re.compile(r"[*?\\\[\]{}]")

OVERRIDES: dict[str, tuple[int, Callable[..., Any]]] = {
    "glob.match": (3, glob_match),
    "glob.quote_meta": (1, lambda text: _GLOB_META.sub(r"\\\g<0>", _string(text))),
    "sprintf": (2, sprintf),
    "lower": (1, _letters(str.lower)),
    "upper": (1, _letters(str.upper)),
    "indexof": (2, _indexof),
    "to_number": (1, _to_number),
    "crypto.md5": (1, _hex("md5")),
    "crypto.sha1": (1, _hex("sha1")),
    "crypto.sha256": (1, _hex("sha256")),
    "crypto.hmac.md5": (2, _hmac("md5")),
    "crypto.hmac.sha1": (2, _hmac("sha1")),
    "crypto.hmac.sha256": (2, _hmac("sha256")),
    "crypto.hmac.sha512": (2, _hmac("sha512")),
    "crypto.hmac.equal": (2, lambda left, right: hmac.compare_digest(_text(left), _text(right))),
}
