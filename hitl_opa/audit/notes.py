"""Signed notes (c2sp.org/signed-note): a text, and under it who vouches for it, with Ed25519.

Keys are written as Go's ``sumdb/note`` writes them, so that other tools of transparency logs can
check our notes and we can check theirs:

    name+keyid+base64(0x01 ‖ public key)                 who can check
    PRIVATE+KEY+name+keyid+base64(0x01 ‖ seed)           who can sign
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Iterable
from hashlib import sha256

import msgspec

from hitl_opa.errors import AuditError

_ED25519 = b"\x01"
_KEY_BYTES = 32
_ID_BYTES = 4
_SIGNATURE = "— "
_PRIVATE = "PRIVATE+KEY+"
MAX_NOTE = 1_000_000  # characters


class Verifier(msgspec.Struct, frozen=True):
    """A public key and the name it signs under."""

    name: str
    public: bytes

    @classmethod
    def parse(cls, text: str) -> Verifier:
        """The key that `str` wrote. Raises AuditError."""
        name, id_, data = _parts(text.strip(), "a public key")
        found = cls(name, data)
        if found.id.hex() != id_:
            raise AuditError(f"the key id of {name} is {found.id.hex()}, not {id_}: the key was mistyped or cut")
        return found

    @property
    def id(self) -> bytes:
        """Four bytes that tell keys of the same name apart."""
        return sha256(self.name.encode() + b"\n" + _ED25519 + self.public).digest()[:_ID_BYTES]

    def __str__(self) -> str:
        return f"{self.name}+{self.id.hex()}+{_base64(_ED25519 + self.public)}"

    def verifies(self, signature: bytes, text: bytes) -> bool:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, text)
        except InvalidSignature:
            return False
        return True


class Signer(msgspec.Struct, frozen=True):
    """A private key and the name it signs under."""

    name: str
    seed: bytes

    @classmethod
    def new(cls, name: str) -> Signer:
        """A new key. Raises AuditError where notes cannot carry this name."""
        if not name or "+" in name or any(c.isspace() or not c.isprintable() for c in name):
            raise AuditError(f"{name!r} cannot name a key: no spaces, no + and no control characters")
        return cls(name, os.urandom(_KEY_BYTES))

    @classmethod
    def parse(cls, text: str) -> Signer:
        """The key that `secret` wrote. Raises AuditError, without the key in it."""
        if not text.startswith(_PRIVATE):
            raise AuditError("that is no private key: one starts with PRIVATE+KEY+")
        name, id_, data = _parts(text.removeprefix(_PRIVATE).strip(), "a private key")
        found = cls(name, data)
        if found.verifier.id.hex() != id_:
            raise AuditError(f"the private key of {name} is damaged: its id is not {id_}")
        return found

    def secret(self) -> str:
        """The private key as text."""
        return f"{_PRIVATE}{self.name}+{self.verifier.id.hex()}+{_base64(_ED25519 + self.seed)}"

    @property
    def verifier(self) -> Verifier:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        return Verifier(self.name, Ed25519PrivateKey.from_private_bytes(self.seed).public_key().public_bytes_raw())

    def sign(self, text: bytes) -> bytes:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        return Ed25519PrivateKey.from_private_bytes(self.seed).sign(text)


def sign(text: str, signers: Iterable[Signer]) -> str:
    """The note: ``text`` (lines, the last one ended too), an empty line, a signature by each signer."""
    body = text.encode()
    lines = [f"{_SIGNATURE}{s.name} {_base64(s.verifier.id + s.sign(body))}\n" for s in signers]
    return f"{text}\n{''.join(lines)}"


def open_note(note: str, keys: Iterable[Verifier]) -> str:
    """The text of the note, once at least one of ``keys`` is seen to have signed it.

    Signatures of unknown keys are passed over, as the format wants it. Raises AuditError where a
    known key's signature is wrong or none is there.
    """
    known = {(key.name, key.id): key for key in keys}
    text, signatures = _split(note)
    checked = 0
    for name, data in signatures:
        key = known.get((name, data[:_ID_BYTES]))
        if key is None:
            continue
        if not key.verifies(data[_ID_BYTES:], text.encode()):
            raise AuditError(f"the signature of {name} does not fit the note")
        checked += 1
    if not checked:
        names = ", ".join(sorted({f"{name}+{data[:_ID_BYTES].hex()}" for name, data in signatures}))
        raise AuditError(f"none of the known keys signed the note (signed by {names})")
    return text


def _split(note: str) -> tuple[str, list[tuple[str, bytes]]]:
    if len(note) > MAX_NOTE or any(c < " " and c != "\n" for c in note):
        raise AuditError("that is no signed note: too long, or control characters in it")
    text, gap, tail = note.rpartition("\n\n")
    if not gap or not tail.endswith("\n"):
        raise AuditError("that is no signed note: it has no signature under an empty line")
    signatures = []
    for line in tail.removesuffix("\n").split("\n"):
        name, space, encoded = line.removeprefix(_SIGNATURE).partition(" ")
        data = _decoded(encoded)
        if not line.startswith(_SIGNATURE) or not name or not space or data is None or len(data) <= _ID_BYTES:
            raise AuditError("that is no signed note: a line under it is no signature")
        signatures.append((name, data))
    return f"{text}\n", signatures


def _parts(text: str, what: str) -> tuple[str, str, bytes]:
    name, _, rest = text.partition("+")
    id_, _, encoded = rest.partition("+")
    data = _decoded(encoded)
    if not name or data is None or data[:1] != _ED25519 or len(data) != 1 + _KEY_BYTES:
        raise AuditError(f"that is no Ed25519 key of a signed note ({what} is name+id+base64)")
    return name, id_, data[1:]


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _decoded(text: str) -> bytes | None:
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return data if _base64(data) == text else None  # the last character has bits to spare: one spelling counts
