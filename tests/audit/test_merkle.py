from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hitl_opa.audit.merkle import (
    EMPTY_ROOT,
    Tree,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    verify_consistency,
    verify_inclusion,
)

# The vectors of the Certificate Transparency reference implementation (merkle_tree_test)
LEAVES = [
    leaf_hash(bytes.fromhex(data))
    for data in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
INCLUSION = {  # (index, size): path
    (0, 1): [],
    (0, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (5, 8): [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 3): ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"],
    (1, 5): [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}
CONSISTENCY = {  # (old size, new size): proof
    (1, 1): [],
    (1, 8): INCLUSION[0, 8],
    (6, 8): [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 5): [
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}


def trees(leaves: list[bytes]) -> list[Tree]:
    """The tree after each leaf, the empty one first."""
    found = [Tree()]
    for leaf in leaves:
        found.append(found[-1].append(leaf))
    return found


def at(leaves: list[bytes]) -> Callable[[int], tuple[Tree, bytes]]:
    found = trees(leaves)
    return lambda size: (found[size], leaves[size - 1])


AT = at(LEAVES)


def root(leaves: list[bytes]) -> bytes:
    return trees(leaves)[-1].root()


def test_roots() -> None:
    assert Tree().root() == root([]) == EMPTY_ROOT == sha256(b"").digest()
    for size, expected in enumerate(ROOTS, 1):
        assert AT(size)[0].root().hex() == expected


@pytest.mark.parametrize(("index", "size"), INCLUSION)
def test_inclusion(index: int, size: int) -> None:
    proof = inclusion_proof(index, size, AT)
    assert [node.hex() for node in proof] == INCLUSION[index, size]
    assert verify_inclusion(LEAVES[index], index, size, proof, bytes.fromhex(ROOTS[size - 1]))


@pytest.mark.parametrize(("first", "second"), CONSISTENCY)
def test_consistency(first: int, second: int) -> None:
    proof = consistency_proof(first, second, AT)
    assert [node.hex() for node in proof] == CONSISTENCY[first, second]
    heads = [bytes.fromhex(ROOTS[size - 1]) for size in (first, second)]
    assert verify_consistency(first, second, *heads, proof)


def _recursive_root(leaves: list[bytes]) -> bytes:
    """MTH as RFC 9162 section 2.1.1 defines it."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    half = 1
    while half * 2 < len(leaves):
        half *= 2
    return sha256(b"\x01" + _recursive_root(leaves[:half]) + _recursive_root(leaves[half:])).digest()


def _leaves(size: int) -> list[bytes]:
    return [leaf_hash(str(number).encode()) for number in range(size)]


@pytest.mark.parametrize("size", range(70))
def test_every_proof_of_small_trees_holds_and_no_other(size: int) -> None:
    leaves = _leaves(size)
    head = _recursive_root(leaves)
    assert root(leaves) == head
    there = at(leaves)
    for index in range(size):
        proof = inclusion_proof(index, size, there)
        assert verify_inclusion(leaves[index], index, size, proof, head)
        assert not verify_inclusion(leaves[index - 1], index, size, proof, head) or size == 1
        assert not verify_inclusion(leaves[index], index + 1, size, proof, head)
        assert not verify_inclusion(leaves[index], index, size, [*proof, head], head)
        assert not verify_inclusion(leaves[index], index, size, proof[:-1], head) or not proof
    for first in range(1, size + 1):
        proof = consistency_proof(first, size, there)
        old = _recursive_root(leaves[:first])
        assert verify_consistency(first, size, old, head, proof)
        assert not verify_consistency(first, size, leaf_hash(b"x"), head, proof)
        assert not verify_consistency(first, size, old, leaf_hash(b"x"), proof)
        assert not verify_consistency(first, size, old, head, [*proof, head])
        assert not verify_consistency(first, size, old, head, proof[:-1]) or not proof


@given(st.integers(1, 400), st.data())
def test_a_flipped_bit_breaks_a_proof(size: int, data: st.DataObject) -> None:
    leaves = _leaves(size)
    head = root(leaves)
    index = data.draw(st.integers(0, size - 1))
    proof = inclusion_proof(index, size, at(leaves))
    if proof:
        place, bit = data.draw(st.integers(0, len(proof) - 1)), data.draw(st.integers(0, 255))
        flipped = int.from_bytes(proof[place], "big") ^ (1 << bit)
        proof[place] = flipped.to_bytes(32, "big")
        assert not verify_inclusion(leaves[index], index, size, proof, head)
    assert not verify_inclusion(leaf_hash(b"another"), index, size, proof, head)


@given(st.integers(0, 300))
def test_the_compact_tree_survives_packing(size: int) -> None:
    tree = Tree()
    for leaf in _leaves(size):
        tree = tree.append(leaf)
    assert tree.root() == _recursive_root(_leaves(size))
    assert Tree.unpack(tree.pack()) == tree


@pytest.mark.parametrize("data", [b"", b"1234567", b"\0" * 9, (3).to_bytes(8, "big") + b"x" * 32])
def test_what_is_no_tree_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="no tree"):
        Tree.unpack(data)


def test_proofs_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match="no leaf 8"):
        inclusion_proof(8, 8, AT)
    with pytest.raises(ValueError, match="no tree of 9"):
        consistency_proof(9, 8, AT)
    assert not verify_inclusion(LEAVES[0], 1, 1, [], LEAVES[0])
    assert not verify_consistency(0, 8, EMPTY_ROOT, root(LEAVES), [])
    assert not verify_consistency(3, 2, LEAVES[0], LEAVES[0], [])
