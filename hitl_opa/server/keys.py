"""API keys: who calls, from the credential and never from the body."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Sequence

from hitl_opa.config import Key

PREFIX = "hitl_"


def new_key() -> tuple[str, str]:
    """A key to hand out once, and its SHA-256 in hex to keep."""
    key = PREFIX + secrets.token_urlsafe(32)
    return key, fingerprint(key)


def fingerprint(key: str) -> str:
    """SHA-256 in hex. Keys are 256 random bits, so no slow hash is needed to protect a short secret."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def find(keys: Sequence[Key], authorization: str) -> Key | None:
    """The key that an ``Authorization: Bearer`` header carries. Every key is compared, in constant time."""
    scheme, _, presented = authorization.partition(" ")
    if scheme.lower() != "bearer" or not presented:
        return None
    digest = fingerprint(presented.strip())
    found = None
    for key in keys:
        if hmac.compare_digest(key.sha256, digest):
            found = key
    return found
