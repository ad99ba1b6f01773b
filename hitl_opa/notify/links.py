"""Signed tokens of links and buttons. The only module that knows itsdangerous."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from hitl_opa.approvals.letter import Link
from hitl_opa.errors import NotifyError

Purpose = Literal["review-link", "link-form", "slack-button"]
MIN_KEY = 32  # characters


class Signer:
    """Signs with the first key and accepts all, so that keys can be replaced. No token serves another purpose."""

    def __init__(self, keys: Sequence[str]) -> None:
        """Raises NotifyError where a key is too short to keep anybody out."""
        if not keys:
            raise NotifyError("links and buttons need a key: `keys` in the part notify of hitl.yaml")
        if min(len(key) for key in keys) < MIN_KEY:
            raise NotifyError(f"a key for links and buttons has fewer than {MIN_KEY} characters")
        self._keys = list(reversed(keys))  # itsdangerous signs with the last

    def sign(self, purpose: Purpose, link: Link) -> str:
        """A token that fits into a URL."""
        return str(self._serializer(purpose).dumps(msgspec.to_builtins(link)))

    def read(self, purpose: Purpose, token: str, max_age: float) -> tuple[Link, float]:
        """What a token says, and when it was signed (seconds since the epoch). ``max_age`` in seconds.

        Raises NotifyError for what is forged, for another purpose, or too old.
        """
        from itsdangerous import BadData, SignatureExpired

        try:
            said, when = self._serializer(purpose).loads(token, max_age=int(max_age), return_timestamp=True)
            return msgspec.convert(said, Link), when.timestamp()
        except SignatureExpired:
            raise NotifyError("it is too old, or the clocks of two machines differ") from None
        except (BadData, msgspec.ValidationError, ValueError, RecursionError):
            raise NotifyError("its signature is not ours") from None

    def _serializer(self, purpose: Purpose) -> Any:
        from hashlib import sha256

        from itsdangerous import URLSafeTimedSerializer

        return URLSafeTimedSerializer(
            self._keys,
            salt=f"hitl-opa {purpose} 1",
            signer_kwargs={"digest_method": sha256, "key_derivation": "hmac"},
        )
