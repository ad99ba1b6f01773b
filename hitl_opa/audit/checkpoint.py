"""A signed checkpoint (c2sp.org/tlog-checkpoint): how many records a stream had, and the root of its tree.

<log name>/<stream>
<size>
<root, base64>
time <RFC 3339>

— <key name> <signature>
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable

import msgspec

from hitl_opa.audit.merkle import HASH_BYTES
from hitl_opa.audit.notes import Signer, Verifier, open_note, sign
from hitl_opa.errors import AuditError

_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")
_TIME = "time "


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True):
    """What was signed. ``note`` is the signed note itself; ``time`` is ``""`` where the signer gave none."""

    origin: str
    size: int
    root: bytes
    time: str
    note: str

    @property
    def stream(self) -> str:
        """The stream that it is about: the last part of the origin."""
        return self.origin.rpartition("/")[2]


def checkpoint(stream: str, size: int, root: bytes, *, time: str, signers: Iterable[Signer]) -> Checkpoint:
    """Sign for this tree, with every signer; the first one's name is the log's."""
    by = list(signers)
    origin = f"{by[0].name}/{stream}"
    text = f"{origin}\n{size}\n{base64.b64encode(root).decode()}\n{_TIME}{time}\n"
    return Checkpoint(origin=origin, size=size, root=root, time=time, note=sign(text, by))


def open_checkpoint(note: str, keys: Iterable[Verifier]) -> Checkpoint:
    """What the note says, once one of ``keys`` is seen to have signed it. Raises AuditError."""
    lines = open_note(note, keys).removesuffix("\n").split("\n")
    if len(lines) < 3 or not all(lines) or not _SIZE.fullmatch(lines[1]):
        raise AuditError("the signed note is no checkpoint: it needs a name, a size and a root")
    try:
        root = base64.b64decode(lines[2], validate=True)
    except (binascii.Error, ValueError):
        root = b""
    if len(root) != HASH_BYTES:
        raise AuditError("the signed note is no checkpoint: its root is no SHA-256")
    time = next((line.removeprefix(_TIME) for line in lines[3:] if line.startswith(_TIME)), "")
    return Checkpoint(origin=lines[0], size=int(lines[1]), root=root, time=time, note=note)
