"""The file of signing keys: made once, rotated with an overlap, readable by its owner only."""

from __future__ import annotations

import os
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import msgspec

from hitl_opa.audit import files
from hitl_opa.audit.notes import Signer, Verifier
from hitl_opa.errors import AuditError

VERSION = 1
Moment = Annotated[datetime, msgspec.Meta(tz=True)]


class Key(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One key. ``signs_until`` is empty for the newest; ``private`` is empty once it signs no more."""

    public: str
    private: str = ""
    created: Moment
    signs_until: Moment | None = None

    def signs(self, now: datetime) -> bool:
        return bool(self.private) and (self.signs_until is None or now < self.signs_until)


class _File(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    version: int
    keys: list[Key]  # newest first


class Keys:
    """The keys in a file. Old ones keep verifying; all that still sign do, so that verifiers have time to follow."""

    def __init__(self, path: Path, keys: list[Key]) -> None:
        self.path = path
        self.keys = keys

    @classmethod
    def new(cls, path: Path, name: str, now: datetime | None = None) -> Keys:
        """A file with one new key. Raises AuditError, also where there is a file already."""
        made = cls(path, [_made(Signer.new(name), now or datetime.now(UTC))])
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        made._write(path, exclusive=True)
        return made

    @classmethod
    def load(cls, path: Path) -> Keys:
        """The keys in this file. Raises AuditError where there are none or others may read them."""
        try:
            mode = path.stat().st_mode
            data = files.read(path)
        except OSError as error:
            raise AuditError(
                f"audit keys {path}: {error.strerror or error}; make them with hitl-opa audit key new"
            ) from error
        if os.name == "posix" and stat.S_IMODE(mode) & 0o077:
            raise AuditError(f"audit keys {path} may be read by others: chmod 600, then rotate them")
        try:
            found = msgspec.json.decode(data, type=_File)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise AuditError(f"audit keys {path} are no file of keys: {error}") from None
        if found.version != VERSION or not found.keys:
            raise AuditError(f"audit keys {path}: version {found.version} with {len(found.keys)} keys is not ours")
        keys = cls(path, found.keys)
        for key, public in zip(found.keys, keys.verifiers(), strict=True):  # damage is found now, not on signing
            if key.private and Signer.parse(key.private).verifier != public:
                raise AuditError(f"audit keys {path}: the public key {public} was changed, it is not the private one's")
        return keys

    def rotate(self, overlap: timedelta, now: datetime | None = None) -> Keys:
        """A new key signs from now on, the last one beside it for ``overlap``; those past theirs lose their secret."""
        now = now or datetime.now(UTC)
        name = Verifier.parse(self.keys[0].public).name
        kept = [k if k.signs_until else msgspec.structs.replace(k, signs_until=now + overlap) for k in self.keys]
        kept = [k if k.signs(now) else msgspec.structs.replace(k, private="") for k in kept]
        rotated = Keys(self.path, [_made(Signer.new(name), now), *kept])
        beside = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        rotated._write(beside, exclusive=True)
        beside.replace(self.path)
        return rotated

    def signers(self, now: datetime | None = None) -> list[Signer]:
        """Who signs now, newest first."""
        now = now or datetime.now(UTC)
        return [Signer.parse(key.private) for key in self.keys if key.signs(now)]

    def verifiers(self) -> list[Verifier]:
        """Every key that ever signed."""
        return [Verifier.parse(key.public) for key in self.keys]

    def _write(self, path: Path, *, exclusive: bool) -> None:
        data = msgspec.json.format(msgspec.json.encode(_File(version=VERSION, keys=self.keys)), indent=2) + b"\n"
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | (os.O_EXCL if exclusive else os.O_TRUNC), 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(descriptor)
        except FileExistsError:
            raise AuditError(f"{path} exists: hitl-opa audit key rotate makes a new key beside those in it") from None
        except OSError as error:
            raise AuditError(f"audit keys {path} cannot be written: {error.strerror or error}") from error


def read_verifiers(text: str) -> list[Verifier]:
    """Public keys, one a line; empty lines and those that start with # are passed over. Raises AuditError."""
    lines = (line.strip() for line in text.splitlines())
    return [Verifier.parse(line) for line in lines if line and not line.startswith("#")]


def _made(signer: Signer, now: datetime) -> Key:
    return Key(public=str(signer.verifier), private=signer.secret(), created=now)
