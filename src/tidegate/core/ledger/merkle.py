"""The RFC 6962 Merkle tree that grows: right edge, proofs and their verification.

A perfect subtree is named by its height and its index at that height; everything here reads
the tree through a function of those two, wherever the hashes are kept.

>>> from tidegate.core.merkle import leaf_hash
>>> tree = CompactRange()
>>> for entry in (b"a", b"b", b"c"):
...     tree.append(leaf_hash(entry))
>>> tree.size, tree.root.hex()[:16]
(3, '36642e73c2540ab1')
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import repeat

from tidegate.core.errors import ProofError
from tidegate.core.merkle import EMPTY_ROOT, node_hash, root_from

HASH_SIZE = 32
MAX_PATH = 63
"""No honest proof is longer: sizes stay below 2**63."""

NodeReader = Callable[[int, int], bytes]
"""Gives the root of the perfect subtree at (height, index); leaves have height 0."""


def fold(edge: Sequence[bytes]) -> bytes:
    """Join the roots of perfect subtrees, left to right, into the root of the whole."""
    if not edge:
        return EMPTY_ROOT
    root = edge[-1]
    for left in reversed(edge[:-1]):
        root = node_hash(left, root)
    return root


class CompactRange:
    """A growing tree of which only the right edge is kept: log2(size) hashes.

    Args:
        size: Number of leaves so far.
        edge: Roots of the perfect subtrees, left to right: one for each bit set in ``size``.
        on_node: Called with height and hash of each perfect subtree that an append completes,
            the leaf itself included.
    """

    def __init__(
        self,
        size: int = 0,
        edge: Iterable[bytes] = (),
        on_node: Callable[[int, bytes], None] | None = None,
    ) -> None:
        self.size = size
        self._edge = list(edge)
        self._on_node = on_node
        if len(self._edge) != size.bit_count():
            raise ProofError(f"{len(self._edge)} hashes are no right edge of {size} leaves")

    @property
    def edge(self) -> tuple[bytes, ...]:
        """Roots of the perfect subtrees, left to right."""
        return tuple(self._edge)

    @property
    def root(self) -> bytes:
        """The RFC 6962 root of everything appended so far."""
        return fold(self._edge)

    def append(self, leaf: bytes) -> None:
        """Add one leaf hash."""
        edge, rest, height, node = self._edge, self.size, 0, leaf
        while True:
            if self._on_node is not None:
                self._on_node(height, node)
            if not rest & 1:
                break
            node = node_hash(edge.pop(), node)
            rest >>= 1
            height += 1
        edge.append(node)
        self.size += 1


def perfect_subtrees(start: int, stop: int) -> Iterator[tuple[int, int]]:
    """Split leaves [start, stop) into perfect subtrees, largest first.

    ``start`` must be a multiple of the smallest power of two that is not below the length.
    """
    while start < stop:
        height = (stop - start).bit_length() - 1
        yield height, start >> height
        start += 1 << height


def range_root(read: NodeReader, start: int, stop: int) -> bytes:
    """Root over the leaves [start, stop) of a range that RFC 6962 splits off."""
    return fold([read(height, index) for height, index in perfect_subtrees(start, stop)])


def inclusion_path(read: NodeReader, index: int, size: int) -> tuple[bytes, ...]:
    """Prove that leaf ``index`` is in the tree of ``size`` leaves (RFC 6962, section 2.1.1).

    Raises:
        ProofError: There is no such leaf.
    """
    if not 0 <= index < size:
        raise ProofError(f"entry {index} is not in a log of {size}", slug="no-such-entry")
    path: list[bytes] = []
    start, stop = 0, size
    while stop - start > 1:
        middle = start + _left_width(stop - start)
        if index < middle:
            path.append(range_root(read, middle, stop))
            stop = middle
        else:
            path.append(range_root(read, start, middle))
            start = middle
    return tuple(reversed(path))


def consistency_path(read: NodeReader, old: int, new: int) -> tuple[bytes, ...]:
    """Prove that the tree of ``old`` leaves is the beginning of the one of ``new`` leaves.

    RFC 6962, section 2.1.2; empty where ``old`` is 0 or equals ``new``.

    Raises:
        ProofError: ``old`` is larger than ``new``.
    """
    if not 0 <= old <= new:
        raise ProofError(f"a log of {new} can't continue one of {old}", slug="shrunk")
    if old in {0, new}:
        return ()
    path: list[bytes] = []
    start, stop = 0, new
    while stop != old:
        middle = start + _left_width(stop - start)
        if old <= middle:
            path.append(range_root(read, middle, stop))
            stop = middle
        else:
            path.append(range_root(read, start, middle))
            start = middle
    if start:
        path.append(range_root(read, start, stop))
    return tuple(reversed(path))


def verify_inclusion(
    leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes
) -> None:
    """Check an inclusion proof (RFC 9162, section 2.1.3.2).

    Raises:
        ProofError: It does not prove the leaf at that index under that root.
    """
    _check_hashes((leaf, root, *path))
    if not 0 <= index < size:
        raise ProofError(f"entry {index} is not in a log of {size}", slug="no-such-entry")
    if root_from(leaf, index, size, path) != root:
        raise ProofError(
            f"the inclusion proof does not lead from entry {index} to the root of {size}",
            slug="inclusion",
        )


def verify_consistency(
    old: int, new: int, old_root: bytes, new_root: bytes, path: Sequence[bytes]
) -> None:
    """Check a consistency proof (RFC 9162, section 2.1.4.2).

    Growth from the empty tree proves nothing and is refused: callers decide about first sight.

    Raises:
        ProofError: It does not prove that the new tree continues the old one.
    """
    if old == new:
        if path or old_root != new_root or (old == 0 and old_root != EMPTY_ROOT):
            raise ProofError(f"two different trees of {old} leaves", slug="consistency")
        return
    _check_hashes((old_root, new_root, *path))
    if not 0 < old < new or not path:
        raise ProofError(f"nothing proves that {new} continues {old}", slug="consistency")
    position, last = old - 1, new - 1
    while position & 1:
        position >>= 1
        last >>= 1
    # Where the old tree is perfect, its root is a node of the new one and is left out.
    first, *rest = path if position else (old_root, *path)
    old_side = new_side = first
    for sibling in rest:
        if last == 0:
            raise ProofError("the consistency proof is too long", slug="consistency")
        if position & 1 or position == last:
            old_side = node_hash(sibling, old_side)
            new_side = node_hash(sibling, new_side)
            while not position & 1 and position:
                position >>= 1
                last >>= 1
        else:
            new_side = node_hash(new_side, sibling)
        position >>= 1
        last >>= 1
    if last or old_side != old_root or new_side != new_root:
        raise ProofError(
            f"the tree of {new} leaves is no continuation of the one of {old}", slug="consistency"
        )


def _left_width(length: int) -> int:
    """The largest power of two below ``length``."""
    return 1 << ((length - 1).bit_length() - 1)


def _check_hashes(hashes: Sequence[bytes]) -> None:
    if len(hashes) > MAX_PATH + 2 or any(map(int.__ne__, map(len, hashes), repeat(HASH_SIZE))):
        raise ProofError(f"a proof has at most {MAX_PATH} hashes of 32 bytes", slug="malformed")
