"""Passwords of accounts. The only module that knows argon2."""

from __future__ import annotations

from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from hitl_opa.errors import ApprovalError

LEAST = 10  # characters


@cache
def _hasher() -> PasswordHasher:
    return PasswordHasher()  # the library's own parameters follow RFC 9106


@cache
def _nobodys() -> str:
    return _hasher().hash("the password of nobody")


def hashed(password: str) -> str:
    """The hash of a new password. Raises ApprovalError where it is too short."""
    if len(password) < LEAST:
        raise ApprovalError(f"a password has at least {LEAST} characters")
    return _hasher().hash(password)


def right(password: str, hash: str) -> bool:
    """Whether it is this password; takes as long where there is no account, so that nobody learns that."""
    try:
        return _hasher().verify(hash or _nobodys(), password) and bool(hash)
    except (Argon2Error, InvalidHashError):
        return False
