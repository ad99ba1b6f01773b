"""The RFC 9162 (and RFC 6962) Merkle tree: heads, inclusion and consistency proofs.

A leaf is hashed with the prefix 0x00 and an inner node with 0x01, so that neither can pass for
the other. `Tree` is the compact form that a log appends to: the roots of the perfect subtrees,
O(log n) hashes. Proofs are put together from O(log² n) of the trees that a log stored on its way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import NamedTuple

HASH_BYTES = 32
EMPTY_ROOT = sha256(b"").digest()


def leaf_hash(data: bytes) -> bytes:
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


class Tree(NamedTuple):
    """A tree of ``size`` leaves; ``peaks`` are the roots of its perfect subtrees, largest first."""

    size: int = 0
    peaks: tuple[bytes, ...] = ()

    def append(self, leaf: bytes) -> Tree:
        """This tree with one more leaf, given by its leaf hash."""
        peaks = list(self.peaks)
        full = self.size  # each trailing 1 bit is a subtree as large as the new node: merge
        while full & 1:
            leaf = node_hash(peaks.pop(), leaf)
            full >>= 1
        peaks.append(leaf)
        return Tree(self.size + 1, tuple(peaks))

    def root(self) -> bytes:
        """The tree head that RFC 9162 calls MTH."""
        return _fold(self.peaks) if self.peaks else EMPTY_ROOT

    def root_from(self, leaf: int) -> bytes | None:
        """The root over ``leaf`` and all after it, None where no peak starts there."""
        start = 0
        for at, peak_bit in enumerate(bit for bit in reversed(range(self.size.bit_length())) if self.size >> bit & 1):
            if start == leaf:
                return _fold(self.peaks[at:])
            start += 1 << peak_bit
        return None

    def pack(self) -> bytes:
        """``size`` as 8 bytes, big endian, then the peaks."""
        return self.size.to_bytes(8, "big") + b"".join(self.peaks)

    @classmethod
    def unpack(cls, data: bytes) -> Tree:
        """The tree that `pack` wrote. Raises ValueError where ``data`` cannot be one."""
        size, rest = int.from_bytes(data[:8], "big"), data[8:]
        if len(data) < 8 or len(rest) != HASH_BYTES * size.bit_count():
            raise ValueError(f"{len(data)} bytes are no tree of {size} leaves")
        return cls(size, tuple(rest[at : at + HASH_BYTES] for at in range(0, len(rest), HASH_BYTES)))


def _split(size: int) -> int:
    """The largest power of two below ``size`` (>= 2)."""
    return 1 << ((size - 1).bit_length() - 1)


def _fold(peaks: Sequence[bytes]) -> bytes:
    root = peaks[-1]
    for peak in peaks[-2::-1]:
        root = node_hash(peak, root)
    return root


At = Callable[[int], tuple[Tree, bytes]]
"""The tree over the first so many leaves (1 or more) of a log, and the hash of the last of them."""


def inclusion_proof(index: int, size: int, at: At) -> list[bytes]:
    """The audit path of leaf ``index`` in the tree of ``size``, lowest sibling first. Raises ValueError."""
    if not 0 <= index < size:
        raise ValueError(f"no leaf {index} in a tree of {size}")
    path: list[bytes] = []
    low, high = 0, size
    while high - low > 1:
        middle = low + _split(high - low)
        if index < middle:
            path.append(_subroot(middle, high, at))
            high = middle
        else:
            path.append(_subroot(low, middle, at))
            low = middle
    return path[::-1]


def consistency_proof(first: int, size: int, at: At) -> list[bytes]:
    """The proof that the tree of ``size`` extends that of its ``first`` leaves (1 <= first <= size)."""
    if not 1 <= first <= size:
        raise ValueError(f"no tree of {first} leaves inside a tree of {size}")
    path: list[bytes] = []
    low, high = 0, size
    whole = True  # the old tree's own root is known to the verifier while it is still a whole subtree
    while first != high:
        middle = low + _split(high - low)
        if first <= middle:
            path.append(_subroot(middle, high, at))
            high = middle
        else:
            path.append(_subroot(low, middle, at))
            low, whole = middle, False
    if not whole:
        path.append(_subroot(low, high, at))
    return path[::-1]


def _subroot(low: int, high: int, at: At) -> bytes:
    """The root over the leaves from ``low`` up to ``high``, a subtree of a tree that holds them."""
    tree, last = at(high)
    if high - low == 1:
        return last
    root = tree.root_from(low)
    if root is None:  # a right half, merged with its left: its own halves are found further down
        middle = low + _split(high - low)
        root = node_hash(_subroot(low, middle, at), _subroot(middle, high, at))
    return root


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], head: bytes) -> bool:
    """Whether the leaf hash is leaf ``index`` of the tree of ``size`` leaves with this head (RFC 9162 2.1.3.2)."""
    if not 0 <= index < size:
        return False
    node, last, result = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return False
        if node & 1 or node == last:
            result = node_hash(sibling, result)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            result = node_hash(result, sibling)
        node, last = node >> 1, last >> 1
    return last == 0 and result == head


def verify_consistency(first: int, second: int, first_head: bytes, second_head: bytes, proof: Sequence[bytes]) -> bool:
    """Whether the tree of ``second`` leaves extends the one of ``first`` leaves (RFC 9162 2.1.4.2)."""
    if not 1 <= first <= second:
        return False
    if first == second:
        return not proof and first_head == second_head
    path = [first_head, *proof] if first & (first - 1) == 0 else list(proof)
    if not path:
        return False
    node, last = first - 1, second - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    old = new = path[0]
    for sibling in path[1:]:
        if last == 0:
            return False
        if node & 1 or node == last:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            new = node_hash(new, sibling)
        node, last = node >> 1, last >> 1
    return last == 0 and old == first_head and new == second_head
