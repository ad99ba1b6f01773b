"""Proofs against the log, against pymerkle, and against whoever changes them."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hitl_opa.audit import AuditLog, Event
from hitl_opa.audit.keys import Keys
from hitl_opa.audit.merkle import Tree, consistency_proof, inclusion_proof, leaf_hash, verify_consistency
from hitl_opa.audit.notary import Notary
from hitl_opa.audit.notes import Signer
from hitl_opa.audit.proofs import Consistency, Inclusion, check, read_proofs
from hitl_opa.errors import AuditError

Make = Callable[..., Event]
SIZE = 21


@pytest.fixture
def signed(path: Path, keys: Keys, event: Make) -> Path:
    """A log of 21 records, signed for at 8, 16 and 21."""
    with AuditLog.open(path, notary=Notary(keys, every=8)) as log:
        for number in range(SIZE):
            log.append(event(number))
    return path


def proofs_of(path: Path, keys: Keys) -> list[Inclusion]:
    with AuditLog.open(path, readonly=True) as log:
        prover = log.prover(keys.verifiers())
        return [prover.inclusion(record) for record in log.records()]


@given(st.integers(1, 120), st.data())
def test_pymerkle_agrees(size: int, data: st.DataObject) -> None:
    import pymerkle

    oracle = pymerkle.InmemoryTree(algorithm="sha256")
    trees, leaves = [Tree()], []
    for number in range(size):
        entry = str(number).encode()
        oracle.append_entry(entry)
        leaves.append(leaf_hash(entry))
        trees.append(trees[-1].append(leaves[-1]))

    def at(count: int) -> tuple[Tree, bytes]:
        return trees[count], leaves[count - 1]

    index, first = data.draw(st.integers(0, size - 1)), data.draw(st.integers(1, size))
    assert oracle.get_root(size) == trees[size].root()
    theirs = oracle.prove_inclusion(index + 1, size)
    assert list(theirs.path) == [leaves[index], *inclusion_proof(index, size, at)]
    pymerkle.verify_inclusion(leaves[index], trees[size].root(), theirs)
    ours = consistency_proof(first, size, at)
    assert verify_consistency(first, size, oracle.get_root(first), oracle.get_root(size), ours)


def test_every_record_has_a_proof_that_stands_alone(signed: Path, keys: Keys) -> None:
    proofs = proofs_of(signed, keys)
    signed.unlink()
    for seq, proof in enumerate(read_proofs(b"\n".join(map(msgspec.json.encode, proofs)))):
        shown = check(proof, keys.verifiers())
        assert shown.checkpoint.size == (8 if seq < 8 else 16 if seq < 16 else SIZE)
        assert shown.leaf is not None
        assert shown.leaf["decision_id"] == f"d{seq}"
        assert shown.payload == {"input": {"number": seq}}


def test_any_change_to_a_proof_shows(signed: Path, keys: Keys) -> None:
    proof = proofs_of(signed, keys)[11]
    other = proofs_of(signed, keys)[12]
    path = [node[:-1] + ("0" if node[-1] != "0" else "1") for node in proof.path]
    for change in (
        {"leaf": proof.leaf.replace("allow", "deny")},
        {"seq": 10},
        {"payload": '{"input":{"number":12}}'},
        {"payload": None},
        {"salt": other.salt},
        {"salt": "xyz"},
        {"path": path},
        {"path": proof.path[1:]},
        {"path": ["xyz"]},
        {"checkpoint": other.checkpoint.replace("16\n", "17\n", 1)},
    ):
        with pytest.raises(AuditError):
            check(msgspec.structs.replace(proof, **change), keys.verifiers())
    with pytest.raises(AuditError, match="none of the known keys"):
        check(proof, [Signer.new("log").verifier])


def test_a_leaf_in_the_tree_of_another_log_of_the_same_key_names_its_own_place(
    signed: Path, keys: Keys, tmp_path: Path
) -> None:
    """Whoever copies leaves into a stream of their own, and gets that signed, proves nothing with them."""
    from hitl_opa.audit.checkpoint import checkpoint

    proof = proofs_of(signed, keys)[0]
    tree = Tree().append(leaf_hash(proof.leaf.encode()))
    note = checkpoint("0" * 32, 1, tree.root(), time="", signers=keys.signers()).note
    with pytest.raises(AuditError, match="names another place"):
        check(msgspec.structs.replace(proof, path=[], checkpoint=note), keys.verifiers())


def test_newer_trees_extend_older_ones(signed: Path, keys: Keys) -> None:
    with AuditLog.open(signed, readonly=True) as log:
        prover, notes = log.prover(keys.verifiers()), log.notes()
        for note, size in zip(notes, (8, 16, SIZE), strict=True):
            shown = check(prover.consistency(note), keys.verifiers())
            assert shown.older is not None
            assert (shown.older.size, shown.checkpoint.size) == (size, SIZE)
        proof = prover.consistency(notes[0])
    for change in ({"path": proof.path[1:]}, {"older": notes[1]}, {"checkpoint": notes[1]}):
        with pytest.raises(AuditError, match="does not extend"):
            check(msgspec.structs.replace(proof, **change), keys.verifiers())


def test_checkpoints_of_different_streams_extend_nothing(signed: Path, keys: Keys, event: Make) -> None:
    with AuditLog.open(signed, notary=Notary(keys)) as other:
        other.append(event())
    with AuditLog.open(signed, readonly=True) as log:
        by_stream = {note.partition("\n")[0]: note for note in log.notes()}
    one, two = by_stream.values()
    with pytest.raises(AuditError, match="of different streams"):
        check(Consistency(older=one, checkpoint=two, path=[]), keys.verifiers())


def test_a_cut_off_record_cannot_extend_what_was_signed(signed: Path, keys: Keys) -> None:
    with AuditLog.open(signed, readonly=True) as log:
        newest = log.notes()[-1]
    with sqlite3.connect(signed) as database:
        database.execute("DELETE FROM audit_checkpoint WHERE size > 8")
    database.close()
    with AuditLog.open(signed, readonly=True) as log, pytest.raises(AuditError, match="the end was cut off"):
        log.prover(keys.verifiers()).consistency(newest)


def test_a_damaged_record_gives_no_proof(signed: Path, keys: Keys) -> None:
    with sqlite3.connect(signed) as database:
        database.execute("UPDATE audit_leaf SET leaf = replace(leaf, 'allow', 'deny') WHERE seq = 3")
        database.execute("UPDATE audit_leaf SET tree = x'00' WHERE seq = 15")
    database.close()
    with AuditLog.open(signed, readonly=True) as log:
        prover = log.prover(keys.verifiers())
        records = list(log.records())
        with pytest.raises(AuditError, match="is not record 3 of the signed tree"):
            prover.inclusion(records[3])
        with pytest.raises(AuditError, match=r"tree after record 15 .* is damaged"):
            prover.inclusion(records[9])


def test_what_is_not_signed_for_has_no_proof(path: Path, keys: Keys, log: AuditLog, event: Make) -> None:
    log.append(event())
    (record,) = log.records()
    with pytest.raises(AuditError, match="not signed for yet"):
        log.prover(keys.verifiers()).inclusion(record)
    with pytest.raises(AuditError, match="no signed note"):
        log.prover(keys.verifiers()).consistency("nonsense")


@pytest.mark.parametrize(
    "data",
    [
        *(b"{}", b"x", b'{"type":"inclusion"}', b'{"type":"consistency","version":2}', b"\xff"),
        b'{"type":"inclusion","x":' + b"[" * 100_000,
    ],
)
def test_what_is_no_proof_is_refused(data: bytes) -> None:
    with pytest.raises(AuditError, match="that is no proof"):
        read_proofs(data)
