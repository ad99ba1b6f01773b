"""Proofs that stand alone: a record is in a signed tree, and a signed tree extends an older one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from hitl_opa.audit.checkpoint import Checkpoint, open_checkpoint
from hitl_opa.audit.leaf import MALFORMED, commits
from hitl_opa.audit.merkle import (
    At,
    Tree,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    verify_consistency,
    verify_inclusion,
)
from hitl_opa.audit.notes import Verifier
from hitl_opa.audit.witness import Witness
from hitl_opa.errors import AuditError

if TYPE_CHECKING:
    from hitl_opa.audit.leaf import Record
    from hitl_opa.audit.reader import Select

_ROW = "SELECT l.leaf, l.tree FROM audit_leaf l JOIN audit_stream s ON s.id = l.stream WHERE s.stream = ? AND l.seq = ?"


class Inclusion(msgspec.Struct, frozen=True, kw_only=True, tag="inclusion"):
    """That the leaf with this exact text is record ``seq`` of the stream in the tree of ``checkpoint``.

    ``payload`` and ``salt`` (hex) are None where there is no payload or it was erased. ``path``: hex
    hashes, lowest sibling first (RFC 9162 2.1.3).
    """

    version: Literal[1] = 1
    leaf: str
    seq: int
    payload: str | None
    salt: str | None
    path: list[str]
    checkpoint: str


class Consistency(msgspec.Struct, frozen=True, kw_only=True, tag="consistency"):
    """That the tree of ``checkpoint`` extends the one of ``older`` (RFC 9162 2.1.4)."""

    version: Literal[1] = 1
    older: str
    checkpoint: str
    path: list[str]


Proof = Inclusion | Consistency


class Prover:
    """Puts proofs together from the rows of a log and the checkpoints that one of ``keys`` signed."""

    def __init__(self, select: Select, notes: Iterable[str], keys: Sequence[Verifier]) -> None:
        self._select = select
        self._witness = Witness(notes, keys)
        self._keys = keys

    def inclusion(self, record: Record) -> Inclusion:
        """That this record is in the first checkpoint that was signed for it. Raises AuditError."""
        signed = next((c for c in self._witness.of(record.stream) if c.size > record.seq), None)
        if signed is None:
            raise AuditError(
                f"record {record.seq} of stream {record.stream[:12]} is not signed for yet: hitl-opa audit checkpoint"
            )
        rows = self._select("SELECT leaf, payload, salt FROM audit_leaf WHERE id = ?", (record.id,))
        leaf, payload, salt = rows[0]
        proof = Inclusion(
            leaf=_text(leaf),
            seq=record.seq,
            payload=None if payload is None else _text(payload),
            salt=None if salt is None else bytes(salt).hex(),
            path=[node.hex() for node in inclusion_proof(record.seq, signed.size, self._trees(record.stream))],
            checkpoint=signed.note,
        )
        check(proof, self._keys)  # a damaged record gives no proof, and says so now
        return proof

    def consistency(self, older: str) -> Consistency:
        """That the newest checkpoint of its stream extends this signed note. Raises AuditError."""
        old = open_checkpoint(older, self._keys)
        newer = self._witness.of(old.stream)
        if not newer:
            raise AuditError(f"there is no checkpoint of stream {old.stream[:12]} in this record")
        if newer[-1].size < old.size:
            raise AuditError(
                f"the newest checkpoint of stream {old.stream[:12]} is over {newer[-1].size} records, "
                f"fewer than {old.size}: the end was cut off"
            )
        path = consistency_proof(old.size, newer[-1].size, self._trees(old.stream))
        proof = Consistency(older=older, checkpoint=newer[-1].note, path=[node.hex() for node in path])
        check(proof, self._keys)
        return proof

    def _trees(self, stream: str) -> At:
        def at(size: int) -> tuple[Tree, bytes]:
            rows = self._select(_ROW, (stream, size - 1))
            try:
                leaf, tree = rows[0][0], Tree.unpack(bytes(rows[0][1]))
            except (LookupError, TypeError, ValueError):
                leaf, tree = b"", Tree()
            if tree.size != size:
                raise AuditError(f"the tree after record {size - 1} of stream {stream[:12]} is damaged or missing")
            return tree, leaf_hash(leaf if isinstance(leaf, bytes) else str(leaf).encode())

        return at


class Proven(msgspec.Struct, frozen=True):
    """What a proof showed. ``leaf`` is the record's, None of a consistency proof."""

    checkpoint: Checkpoint
    older: Checkpoint | None
    seq: int
    leaf: dict[str, Any] | None
    payload: dict[str, Any] | None


def read_proofs(data: bytes) -> list[Proof]:
    """The proofs in a file, one a line. Raises AuditError."""
    try:
        return [msgspec.json.decode(line, type=Inclusion | Consistency) for line in data.splitlines() if line.strip()]
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise AuditError(f"that is no proof: {error}") from None


def check(proof: Proof, keys: Sequence[Verifier]) -> Proven:
    """Check a proof with nothing but the public keys. Raises AuditError, which says what does not fit."""
    signed = open_checkpoint(proof.checkpoint, keys)
    path = [_bytes(node) for node in proof.path]
    if isinstance(proof, Consistency):
        older = open_checkpoint(proof.older, keys)
        if older.origin != signed.origin:
            raise AuditError("the two checkpoints are of different streams")
        if not verify_consistency(older.size, signed.size, older.root, signed.root, path):
            raise AuditError(f"the signed tree of {signed.size} records does not extend the one of {older.size}")
        return Proven(signed, older, -1, None, None)
    if not verify_inclusion(leaf_hash(proof.leaf.encode()), proof.seq, signed.size, path, signed.root):
        raise AuditError(f"the leaf is not record {proof.seq} of the signed tree of {signed.size} records")
    try:
        leaf = msgspec.json.decode(proof.leaf, type=dict[str, Any])
        ours = leaf["hitl"]
        promised, place = ours.get("commitment", ""), (ours["stream"], ours["seq"])
    except MALFORMED as error:
        raise AuditError("what is in the signed tree there is no record") from error
    if place != (signed.stream, proof.seq):
        raise AuditError("the leaf names another place than the proof")
    if (proof.payload is None) != (proof.salt is None):
        raise AuditError("half of payload and salt is missing")
    if proof.payload is None or proof.salt is None:
        return Proven(signed, None, proof.seq, leaf, None)
    if not promised or not commits(promised, _bytes(proof.salt), proof.payload.encode()):
        raise AuditError("the payload is not the one that the leaf commits to")
    return Proven(signed, None, proof.seq, leaf, msgspec.json.decode(proof.payload))


def _bytes(texts: str) -> bytes:
    try:
        return bytes.fromhex(texts)
    except ValueError:
        raise AuditError("that is no proof: a hash or salt in it is not hex") from None


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
