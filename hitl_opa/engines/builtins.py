"""Built-in functions where regorus differs from OPA or has none, with OPA's semantics.

A function gets plain Python values (sets for Rego sets) and returns one. Raising makes the
evaluation an error, as a strict OPA does.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING, Any

from hitl_opa.engines.globs import glob_match

if TYPE_CHECKING:
    from collections.abc import Callable


def _hex(algorithm: str) -> Callable[[Any], str]:
    return lambda text: hashlib.new(algorithm, _text(text), usedforsecurity=False).hexdigest()


def _hmac(algorithm: str) -> Callable[[Any, Any], str]:
    return lambda text, key: hmac.new(_text(key), _text(text), algorithm).hexdigest()


def _text(value: Any) -> bytes:
    if not isinstance(value, str):
        raise TypeError(f"operand must be a string but got {type(value).__name__}")
    return value.encode()


OVERRIDES: dict[str, tuple[int, Callable[..., Any]]] = {
    "glob.match": (3, glob_match),
    "crypto.md5": (1, _hex("md5")),
    "crypto.sha1": (1, _hex("sha1")),
    "crypto.sha256": (1, _hex("sha256")),
    "crypto.hmac.md5": (2, _hmac("md5")),
    "crypto.hmac.sha1": (2, _hmac("sha1")),
    "crypto.hmac.sha256": (2, _hmac("sha256")),
    "crypto.hmac.sha512": (2, _hmac("sha512")),
    "crypto.hmac.equal": (2, lambda left, right: hmac.compare_digest(_text(left), _text(right))),
}
