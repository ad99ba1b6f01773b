"""Secrets in a call's input: found by the shape of their text, and replaced before anything is written.

The patterns are data (``secrets.yaml``). A generic detector with entropy tests was not taken: it
costs more to import than a decision may take, and marks hashes and ids that people need to see.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from hitl_opa.facts.data import load
from hitl_opa.model import SecretFact

MAX_SCAN = 262_144  # characters of one string


_compiled = cache(re.compile)  # when first needed: all of them take 10 ms


def find(text: str) -> list[tuple[str, int, int]]:
    """Kind, start and end of every secret in ``text``, leftmost first, none inside another."""
    out: list[tuple[str, int, int]] = []
    if len(text) < 12:
        return out
    text = text[:MAX_SCAN]
    for secret in load().secrets:
        if secret.hint not in text:
            continue
        for match in _compiled(secret.pattern).finditer(text):
            if not any(s < match.end() and match.start() < e for _, s, e in out):
                out.append((secret.kind, match.start(), match.end()))
    return sorted(out, key=lambda found: found[1])


def facts(value: Any) -> list[SecretFact]:
    """One fact per kind and field, with the field's JSON Pointer."""
    seen: dict[tuple[str, str], SecretFact] = {}
    for pointer, text in _strings(value, ""):
        for kind, _, _ in find(text):
            seen.setdefault((kind, pointer), SecretFact(kind=kind, pointer=pointer))
    return list(seen.values())


def suspect(text: str) -> bool:
    """Whether `redact` may find something in the value whose JSON text, escapes resolved, this is."""
    return len(text) > MAX_SCAN or bool(find(text))


def redact(value: Any) -> Any:
    """The same JSON value with each secret replaced by ``[secret:kind]``; keys are redacted too."""
    if isinstance(value, str):
        return redact_text(value)
    texts: set[str] = set()
    _texts(value, texts)
    # nearly no value holds a secret, and one look at all its texts is 3 x faster than a look at each
    joined = "\n".join(texts)
    return value if len(joined) <= MAX_SCAN and not find(joined) else _redacted(value)


def _redacted(value: Any) -> Any:
    if isinstance(value, str):
        return redact_text(value)
    if isinstance(value, dict):
        return {redact_text(k) if isinstance(k, str) else k: _redacted(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_redacted(v) for v in value]
    return value


def _texts(value: Any, out: set[str]) -> None:
    if isinstance(value, str):
        out.add(value)
    elif isinstance(value, dict):
        out.update(key for key in value if isinstance(key, str))
        for item in value.values():
            _texts(item, out)
    elif isinstance(value, list | tuple):
        for item in value:
            _texts(item, out)


def redact_text(text: str) -> str:
    """``text`` with each secret in it replaced; what lies beyond ``MAX_SCAN`` is cut off, not passed unread."""
    out, at = "", 0
    for kind, start, end in find(text):
        out += f"{text[at:start]}[secret:{kind}]"
        at = end
    tail = text[at:MAX_SCAN] + ("[cut]" if len(text) > MAX_SCAN else "")
    return out + tail


def _strings(value: Any, pointer: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield pointer, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _strings(item, f"{pointer}/{str(key).replace('~', '~0').replace('/', '~1')}")
    elif isinstance(value, list | tuple):
        for i, item in enumerate(value):
            yield from _strings(item, f"{pointer}/{i}")
