"""The tree agrees with published vectors, and with its own definition in RFC 6962."""

import json
from base64 import b64decode
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest

from tidegate.core.errors import ProofError
from tidegate.core.ledger.merkle import (
    CompactRange,
    consistency_path,
    fold,
    inclusion_path,
    range_root,
    verify_consistency,
    verify_inclusion,
)
from tidegate.core.merkle import EMPTY_ROOT, leaf_hash, node_hash


def definition(leaves: Sequence[bytes]) -> bytes:
    """MTH of RFC 6962, section 2.1, word by word."""
    if not leaves:
        return EMPTY_ROOT
    if len(leaves) == 1:
        return leaves[0]
    half = 1
    while half * 2 < len(leaves):
        half *= 2
    return node_hash(definition(leaves[:half]), definition(leaves[half:]))


LEAVES = [leaf_hash(b"%d" % number) for number in range(40)]


def node(height: int, index: int) -> bytes:
    return definition(LEAVES[index << height : (index + 1) << height])


def test_roots_follow_the_definition() -> None:
    tree = CompactRange()
    for size, leaf in enumerate(LEAVES):
        assert tree.root == definition(LEAVES[:size]) == range_root(node, 0, size)
        tree.append(leaf)


def test_known_answers() -> None:
    """The first vectors of the Certificate Transparency reference tests."""
    entries = [b"", b"\x00", b"\x10", b"\x20\x21", b"\x30\x31", b"\x40\x41\x42\x43"]
    tree = CompactRange()
    roots = []
    for entry in entries:
        tree.append(leaf_hash(entry))
        roots.append(tree.root.hex())
    assert roots[0] == "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
    assert roots[1] == "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"
    assert roots[5] == "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef"


def test_an_edge_must_fit_its_size() -> None:
    with pytest.raises(ProofError):
        CompactRange(3, [LEAVES[0]])


def test_every_inclusion_proof_of_small_trees_verifies_and_no_other_does() -> None:
    for size in range(1, len(LEAVES)):
        root = definition(LEAVES[:size])
        for index in range(size):
            path = inclusion_path(node, index, size)
            verify_inclusion(LEAVES[index], index, size, path, root)
            for other in {0, size - 1, (index + 1) % size} - {index}:
                with pytest.raises(ProofError):
                    verify_inclusion(LEAVES[index], other, size, path, root)


def test_every_consistency_proof_of_small_trees_verifies_and_no_other_does() -> None:
    roots = [definition(LEAVES[:size]) for size in range(len(LEAVES))]
    for new in range(1, len(LEAVES)):
        for old in range(1, new + 1):
            path = consistency_path(node, old, new)
            verify_consistency(old, new, roots[old], roots[new], path)
            if old < new:
                with pytest.raises(ProofError):
                    verify_consistency(old, new, roots[old - 1], roots[new], path)
                with pytest.raises(ProofError):
                    verify_consistency(old, new, roots[old], roots[new], path[:-1])
                with pytest.raises(ProofError):
                    verify_consistency(old, new, roots[old], roots[new], (*path, path[-1]))


def test_growth_from_nothing_proves_nothing() -> None:
    assert consistency_path(node, 0, 5) == ()
    with pytest.raises(ProofError):
        verify_consistency(0, 5, EMPTY_ROOT, definition(LEAVES[:5]), ())
    verify_consistency(0, 0, EMPTY_ROOT, EMPTY_ROOT, ())


@pytest.mark.parametrize(("index", "size"), [(5, 5), (-1, 5), (0, 0)])
def test_no_proof_for_what_is_not_there(index: int, size: int) -> None:
    with pytest.raises(ProofError):
        inclusion_path(node, index, size)
    with pytest.raises(ProofError):
        verify_inclusion(LEAVES[0], index, size, (), LEAVES[0])


def test_a_smaller_tree_continues_nothing() -> None:
    with pytest.raises(ProofError):
        consistency_path(node, 6, 5)


def test_a_proof_is_bounded() -> None:
    with pytest.raises(ProofError, match="at most 63"):
        verify_inclusion(LEAVES[0], 0, 2**62, [LEAVES[0]] * 70, LEAVES[0])


def test_completed_nodes_are_reported_once() -> None:
    seen: list[tuple[int, bytes]] = []
    tree = CompactRange(on_node=lambda height, value: seen.append((height, value)))
    for leaf in LEAVES[:8]:
        tree.append(leaf)
    assert [height for height, _ in seen] == [0, 0, 1, 0, 0, 1, 2, 0, 0, 1, 0, 0, 1, 2, 3]
    assert seen[-1][1] == tree.root == fold(tree.edge)


def _vectors(shared: Path, kind: str) -> list[tuple[str, dict[str, object]]]:
    files = sorted((shared / "data/supply/merkle" / kind).rglob("*.json"))
    return [(str(file), json.loads(file.read_bytes())) for file in files]


def _bytes(values: object) -> list[bytes]:
    return [b64decode(value) for value in values] if isinstance(values, list) else []


def _refused(kind: str, vector: dict[str, object]) -> bool:
    try:
        if kind == "inclusion":
            leaf, root = _bytes([vector["leafHash"], vector["root"]])
            index, size = int(str(vector["leafIdx"])), int(str(vector["treeSize"]))
            verify_inclusion(leaf, index, size, _bytes(vector["proof"]), root)
        else:
            first, second = _bytes([vector["root1"], vector["root2"]])
            old, new = int(str(vector["size1"])), int(str(vector["size2"]))
            verify_consistency(old, new, first, second, _bytes(vector["proof"]))
    except ProofError:
        return True
    return False


@pytest.mark.parametrize("kind", ["inclusion", "consistency"])
def test_the_transparency_dev_vectors(shared: Path, kind: str) -> None:
    """All 98 vectors of a kind: the good ones pass, the bad ones are refused."""
    vectors = _vectors(shared, kind)
    wrong = [name for name, vector in vectors if _refused(kind, vector) != vector["wantErr"]]
    assert wrong == []
    assert len(vectors) == 98
    assert {vector["wantErr"] for _, vector in vectors} == {True, False}


def test_sizes_between_powers_of_two_are_covered() -> None:
    assert all(b - a == 1 for a, b in pairwise(range(len(LEAVES))))
