"""Canonical JSON (RFC 8785) of any Python value: one value, one text, so that it can be hashed.

A tool call may carry what JSON or RFC 8785 cannot: lone surrogates, integers beyond 2**53, NaN,
a hundred levels of nesting. Nothing of that may cost a record, and two different JSON values must
not end in the same text (an approval binds to its hash). So such values are written as an object
with one key that starts with ``$hitl:``, and a key of the caller's that starts so is escaped:

    {"$hitl:int": "9007199254740993"}     {"$hitl:float": "NaN"}      {"$hitl:text": "\\ud800"}
    {"$hitl:deep": "[[[…"}                {"$hitl:cut": "why"}        {"$hitl:repr": "<object …>"}

Only ``$hitl:cut`` (a cycle, or over a million values below the depth limit) and ``$hitl:repr``
(not a JSON type) lose something. Bytes, sets, dates and dataclasses become what msgspec makes of them.
"""

from __future__ import annotations

import json
import math
import re
from hashlib import sha256
from typing import Any

import msgspec

MAX_DEPTH = 64
MAX_VALUES = 1_000_000
MAX_REPR = 10_000
_SAFE_INTEGER = 2**53 - 1
_MARK = "$hitl:"

# What the fast path may get wrong: null (perhaps a NaN), one of our marks, integers out of range, keys
# that need UTF-16 order. A hit inside a string only costs time. Tables, as a regex takes ten times as long, unless
# it begins with text: "0e" stands in every other digest, and four searches for what follows take four times as long.
_MARK_BYTES = b'"' + _MARK.encode()
_NULL = re.compile(rb"[:,\[]null")
_LONG_INTEGER = re.compile(rb"[:,\[]-?\d{16}")
_DIGITS = bytes.maketrans(b"123456789]}", b"000000000,,")  # every number looks like 000, 0.00 or 0e-00, and a comma
_EXPONENT = re.compile(rb"0e(?:-0|0{1,3},)")
_WHOLE_FLOATS = (b".0,", b".0}", b".0]")
_LONG = b"0" * 16
_ESCAPES = (('\\"', '"'), ("\\n", "\n"), ("\\t", "\t"), ("\\r", "\r"), ("\\b", "\b"), ("\\f", "\f"))
_BACKSLASH = "\ud800"  # stands for it meanwhile: no canonical text has a lone surrogate
_CONTROL = re.compile(r"\\u([0-9a-f]{4})")  # the only characters that RFC 8785 writes so
_ALL_BUT_BEYOND_BMP = bytes(sorted(set(range(256)) - set(range(0xF0, 0xF5))))


def _number(text: str) -> int | float:
    value = float(text)
    if value.is_integer() and abs(value) <= _SAFE_INTEGER:
        return int(value)
    if 1e-6 <= abs(value) < 2**53:
        return value
    raise ValueError("a float that the fast path would not write as RFC 8785 does")


_decoder = msgspec.json.Decoder(float_hook=_number)
_sorted = msgspec.json.Encoder(order="sorted")


def canonical(value: Any) -> bytes:
    """RFC 8785 text of ``value``, UTF-8. Never raises for a value that Python can hold."""
    text = _tried(value)
    return _reference(_clean(value, 0, ())) if text is None else text


def canonical_clean(value: Any) -> bytes:
    """RFC 8785 text of a value that was decoded from such a text: what is marked in it stays as it is."""
    text = _tried(value)
    return _reference(_floats(value)) if text is None else text


def _floats(value: Any) -> Any:
    """``value`` with its large floats, which RFC 8785 writes without a point, floats again."""
    if isinstance(value, dict):
        return {key: _floats(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_floats(item) for item in value]
    return float(value) if isinstance(value, int) and abs(value) > _SAFE_INTEGER else value


def unescaped(text: str) -> str:
    """Canonical JSON text with every escape resolved, so that each string in it stands there as it is."""
    if "\\" not in text:
        return text
    text = text.replace("\\\\", _BACKSLASH)
    for escape, character in _ESCAPES:
        text = text.replace(escape, character)
    if "\\u" in text:
        text = _CONTROL.sub(lambda match: chr(int(match[1], 16)), text)
    return text.replace(_BACKSLASH, "\\")


def _tried(value: Any) -> bytes | None:
    try:
        return _fast(value)
    except (TypeError, ValueError, RecursionError, OverflowError, msgspec.MsgspecError):
        return None


def _fast(value: Any) -> bytes | None:
    """The text by msgspec, 10 x faster than the pure Python reference; None (or an error) where that may not do.

    The tests hold the two equal.
    """
    # The zero of an unknown `Number` or `Confidence` stands in every input document. A quote within a
    # string is escaped, so this can only be the end of a key.
    text = _sorted.encode(value).replace(b'value":0.0}', b'value":0}').replace(b'value":0.0,', b'value":0,')
    shape = text.translate(_DIGITS)
    # msgspec writes 1.0 and 1e16 where RFC 8785 wants 1 and 10000000000000000
    if (b".0" in text and any(end in text for end in _WHOLE_FLOATS)) or _EXPONENT.search(shape):
        text = _sorted.encode(_decoder.decode(text))
        shape = text.translate(_DIGITS)
    if text[:1] not in b'{["' or _MARK_BYTES in text or (b"null" in text and _NULL.search(text)):
        return None
    if _LONG in shape and _LONG_INTEGER.search(text):
        return None
    if not text.isascii() and text.translate(None, _ALL_BUT_BEYOND_BMP):
        return None
    return text


def _reference(value: Any) -> bytes:
    import rfc8785

    return rfc8785.dumps(value)


def digest(value: Any) -> str:
    """``sha256:`` and the hex SHA-256 of the canonical text."""
    return "sha256:" + sha256(canonical(value)).hexdigest()


def _clean(value: Any, depth: int, parents: tuple[int, ...]) -> Any:
    """``value`` out of what RFC 8785 can express, marked where it could not."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _text(str.__str__(value))
    if isinstance(value, int):
        return int(value) if abs(value) <= _SAFE_INTEGER else {_MARK + "int": _integer(int(value))}
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else {_MARK + "float": _special(value)}
    if not isinstance(value, (dict, list, tuple)):
        plain = _builtin(value)
        return {_MARK + "repr": _repr(value)} if plain is value else _clean(plain, depth, parents)
    if id(value) in parents:
        return {_MARK + "cut": "contains itself"}
    if depth >= MAX_DEPTH:
        return {_MARK + "deep": _flat(value)}
    parents = (*parents, id(value))
    if isinstance(value, dict):
        return {_key(k): _clean(v, depth + 1, parents) for k, v in value.items()}
    return [_clean(item, depth + 1, parents) for item in value]


def _text(value: str) -> Any:
    if value.isascii() or not _surrogate(value):
        return value
    return {_MARK + "text": _escaped(value)}


def _surrogate(value: str) -> bool:
    return any("\ud800" <= c <= "\udfff" for c in value)


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").encode("utf-8", "backslashreplace").decode()


def _key(value: Any) -> str:
    if not isinstance(value, str):
        value = json.dumps(value) if isinstance(value, (bool, int, float, type(None))) else _repr(value)
    value = str.__str__(value)
    if _surrogate(value):
        return f"{_MARK}text:{_escaped(value)}"
    return f"{_MARK}key:{value}" if value.startswith(_MARK) else value


def _integer(value: int) -> str:
    return str(value) if value.bit_length() < 10_000 else f"{value:#x}"  # Python refuses to print very long decimals


def _special(value: float) -> str:
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _builtin(value: Any) -> Any:
    """A value that is no JSON type, as JSON types; itself where it has no such form."""
    if isinstance(value, msgspec.Struct):  # one level only: a field may hold what to_builtins refuses
        return {name: getattr(value, name) for name in value.__struct_fields__}
    if isinstance(value, (set, frozenset)):
        return sorted(value, key=canonical)
    try:
        plain = msgspec.to_builtins(value, str_keys=True)
    except (TypeError, ValueError, RecursionError, OverflowError, msgspec.MsgspecError):
        plain = value
    return value if type(plain) is type(value) else plain


def _repr(value: Any) -> str:
    try:
        text = repr(value)[:MAX_REPR]
    except Exception:  # noqa: BLE001  a stranger's __repr__ may raise anything; the record matters more
        text = f"<{type(value).__module__}.{type(value).__qualname__} without a repr>"
    return _escaped(text) if _surrogate(text) else text


def _flat(value: Any) -> str:
    """Compact JSON of a deep value, without recursion: nesting has no limit here."""
    out: list[str] = []
    todo: list[tuple[bool, Any]] = [(True, value)]  # (is a value, value or text)
    seen = 0
    while todo:
        is_value, item = todo.pop()
        if not is_value:
            out.append(item)
            continue
        seen += 1
        if seen > MAX_VALUES:
            return json.dumps({_MARK + "cut": f"over {MAX_VALUES} values, or contains itself"})
        if isinstance(item, dict):
            todo.append((False, "}"))
            for at, key in enumerate(sorted(item, key=_key, reverse=True)):
                comma = "" if at == len(item) - 1 else ","
                todo += [(True, item[key]), (False, f"{comma}{json.dumps(_key(key))}:")]
            out.append("{")
        elif isinstance(item, (list, tuple)):
            todo.append((False, "]"))
            for at in range(len(item) - 1, -1, -1):
                todo += [(True, item[at]), (False, "," if at else "")]
            out.append("[")
        else:
            out.append(json.dumps(_clean(item, MAX_DEPTH, ())))
    return "".join(out)
