"""OPA's ``sprintf`` for ``%s``, ``%v``, ``%d`` and ``%%``: what the portable profile lets policies use.

Everything else raises: regorus answers ``%5d`` with ``5d``-like text and ``%d`` of -5 with ``--5``,
and a silently different message could be a silently different decision.
"""

from __future__ import annotations

import re
from typing import Any

_VERB = re.compile(r"%(.?)", re.DOTALL)
_ESCAPES = {'"': '\\"', "\\": "\\\\"} | {
    chr(code): f"\\{name}" for code, name in zip(range(7, 14), "abtnvfr", strict=True)
}


def sprintf(template: Any, values: Any) -> str:
    """``sprintf(template, values)`` as OPA formats it; TypeError or ValueError outside the verbs above."""
    if not isinstance(template, str) or not isinstance(values, list):
        raise TypeError("sprintf: a string and an array are needed")
    rest = list(values)

    def verb(match: re.Match[str]) -> str:
        if match[1] == "%":
            return "%"
        if match[1] not in ("s", "v", "d"):
            raise ValueError(f"sprintf: only %s, %v, %d and %% are supported, not {match[0]!r}")
        return _format(match[1], rest.pop(0)) if rest else f"%!{match[1]}(MISSING)"

    text = _VERB.sub(verb, template)
    if rest:
        text += f"%!(EXTRA {', '.join(f'{_kind(value)}={_plain(value)}' for value in rest)})"
    return text


def _format(verb: str, value: Any) -> str:
    kind = _kind(value)
    if verb == "v" or (verb == "s" and kind == "string") or (verb == "d" and kind.startswith(("int", "*big"))):
        return _plain(value)
    return f"%!{verb}({kind}={_plain(value)})"


def _kind(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return "string"
    if isinstance(value, float):
        return "float64"
    return "int64" if -(2**63) <= value < 2**63 else "*big.Int"


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else rego_text(value)


def rego_text(value: Any) -> str:
    """A value as OPA prints it: Rego syntax, keys and members sorted."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return _float(value)
    if isinstance(value, str):
        return f'"{"".join(map(_escape, value))}"'
    if isinstance(value, dict):
        return "{" + ", ".join(f"{rego_text(key)}: {rego_text(value[key])}" for key in sorted(value, key=_order)) + "}"
    if isinstance(value, (set, frozenset)):
        return "{" + ", ".join(map(rego_text, sorted(value, key=_order))) + "}" if value else "set()"
    return "[" + ", ".join(map(rego_text, value)) + "]"


def _order(value: Any) -> tuple[int, Any]:
    """OPA's order over types: null, booleans, numbers, strings, the rest."""
    if value is None:
        return (0, 0)
    if isinstance(value, bool):
        return (1, value)
    if isinstance(value, (int, float)):
        return (2, value)
    return (3, value) if isinstance(value, str) else (4, rego_text(value))


def _float(value: float) -> str:
    """Go's ``%v`` of a float64: the shortest digits, with an exponent below 1e-4 and from 1e6 on."""
    mantissa, _, exponent = f"{value!r}".lower().partition("e")
    sign, digits = ("-", mantissa[1:]) if mantissa.startswith("-") else ("", mantissa)
    whole, _, fraction = digits.partition(".")
    figures = (whole + fraction).lstrip("0")
    power = int(exponent or 0) + (len(whole) - 1 if whole.strip("0") else len(figures) - len(fraction) - 1)
    figures = figures.rstrip("0") or "0"
    if figures == "0":
        return f"{sign}0"
    if -4 <= power < 6:
        return f"{sign}{abs(value):.{max(len(figures) - power - 1, 0)}f}"
    rest = f".{figures[1:]}" if len(figures) > 1 else ""
    return f"{sign}{figures[0]}{rest}e{'-' if power < 0 else '+'}{abs(power):02d}"


def _escape(char: str) -> str:
    if char in _ESCAPES:
        return _ESCAPES[char]
    if char.isprintable():
        return char
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x80 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
