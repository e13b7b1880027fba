"""The Merkle tree of RFC 6962 over leaves in memory: hashes, root, audit path.

The parts of an artifact and the entries of the ledger hash in this one way.

>>> leaves = [leaf_hash(part) for part in (b"a", b"b", b"c")]
>>> root(leaves).hex()[:16]
'36642e73c2540ab1'
>>> root_from(leaves[2], 2, 3, path(leaves, 2)) == root(leaves)
True
"""

from collections.abc import Sequence
from hashlib import sha256

from tidegate.core.errors import ProofError

EMPTY_ROOT = sha256(b"").digest()
"""The root of the tree without leaves."""


def leaf_hash(*parts: bytes | memoryview) -> bytes:
    """Hash a leaf, given in parts (RFC 6962, section 2.1)."""
    state = sha256(b"\x00")
    for part in parts:
        state.update(part)
    return state.digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash two subtrees into their parent (RFC 6962, section 2.1)."""
    return sha256(b"\x01" + left + right).digest()


def root(leaves: Sequence[bytes]) -> bytes:
    """Return the root over leaf hashes."""
    level = list(leaves)
    while len(level) > 1:
        level = _parents(level)
    return level[0] if level else EMPTY_ROOT


def path(leaves: Sequence[bytes], index: int) -> tuple[bytes, ...]:
    """Return the audit path of one leaf, from the bottom up (RFC 6962, section 2.1.1).

    Raises:
        ProofError: There is no such leaf.
    """
    if not 0 <= index < len(leaves):
        raise ProofError(f"leaf {index} is not one of {len(leaves)}", slug="no-such-leaf")
    level, siblings = list(leaves), list[bytes]()
    while len(level) > 1:
        if index ^ 1 < len(level):
            siblings.append(level[index ^ 1])
        level = _parents(level)
        index >>= 1
    return tuple(siblings)


def root_from(leaf: bytes, index: int, size: int, siblings: Sequence[bytes]) -> bytes:
    """Return the root that a leaf and its audit path lead to (RFC 9162, section 2.1.3.2).

    Raises:
        ProofError: The path has another length than this leaf's in a tree of this size.
    """
    if not 0 <= index < size:
        raise ProofError(f"leaf {index} is not one of {size}", slug="no-such-leaf")
    last, rest = size - 1, list(reversed(siblings))
    while last:
        if index & 1 or index < last:
            if not rest:
                raise ProofError("the inclusion proof is too short", slug="inclusion")
            other = rest.pop()
            leaf = node_hash(other, leaf) if index & 1 else node_hash(leaf, other)
        index >>= 1
        last >>= 1
    if rest:
        raise ProofError("the inclusion proof is too long", slug="inclusion")
    return leaf


def _parents(level: list[bytes]) -> list[bytes]:
    # A last node without a partner moves up as it is, which is where RFC 6962 splits.
    pairs = zip(level[::2], level[1::2], strict=False)
    return [node_hash(left, right) for left, right in pairs] + level[len(level) & ~1 :]
