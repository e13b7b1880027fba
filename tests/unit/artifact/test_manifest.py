"""Manifests name every file that is bad, missing or extra, and read nothing that is not theirs."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tidegate.core import merkle
from tidegate.core.artifact.manifest import (
    Changes,
    Difference,
    Manifest,
    Mismatch,
    build_manifest,
    diff,
    verify,
)
from tidegate.core.artifact.walk import Links
from tidegate.core.canonical import dumps
from tidegate.core.digest import sha256
from tidegate.core.errors import EmptySubject, ProofError, SubjectError, VerificationError
from tidegate.tables.chunks import BadChunk, ChunkManifest, build_chunks


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    for name in ("a", "b/c", "b/d", "e"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(f"content of {name}")
    return root


def test_a_tree_verifies_against_its_manifest(tree: Path) -> None:
    assert verify(build_manifest(tree), tree) == []


def test_every_difference_is_named(tree: Path) -> None:
    manifest = build_manifest(tree)
    (tree / "a").write_text("CONTENT of a")
    (tree / "b/c").write_text("longer content than it was")
    (tree / "b/d").unlink()
    (tree / "b/x").write_text("planted")
    assert verify(manifest, tree) == [
        Mismatch("a", Difference.CONTENT),
        Mismatch("b/c", Difference.SIZE),
        Mismatch("b/d", Difference.MISSING),
        Mismatch("b/x", Difference.EXTRA),
    ]
    assert diff(manifest, build_manifest(tree)) == Changes(("b/x",), ("b/d",), ("a", "b/c"))


def test_the_digest_is_of_content_and_paths_alone(tree: Path, tmp_path: Path) -> None:
    """Neither times, nor modes, nor where the tree lies, nor the order of creation count."""
    copy = tmp_path / "elsewhere"
    for name in ("e", "b/d", "b/c", "a"):
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / name).write_bytes((tree / name).read_bytes())
        (copy / name).chmod(0o600)
    (copy / "empty").mkdir()
    assert build_manifest(copy).digest == build_manifest(tree).digest


def test_the_digest_can_be_computed_from_the_documented_format(tree: Path) -> None:
    manifest = build_manifest(tree)
    leaves = [
        merkle.leaf_hash(
            json.dumps(
                {"blake3": e.blake3, "path": e.path, "sha256": e.sha256, "size": e.size},
                separators=(",", ":"),
            ).encode()
        )
        for e in manifest.entries
    ]
    header = (
        '{"files":4,"format":"tidegate/manifest/v1","ignore":[],"links":"refuse",'
        f'"root":"{merkle.root(leaves).hex()}","size":{manifest.size}}}'
    )
    assert manifest.digest == sha256(header.encode())


def test_ignore_patterns_and_link_policy_are_under_the_digest(tree: Path) -> None:
    """Else a planted file could be hidden by a planted pattern."""
    plain = build_manifest(tree)
    ignoring = build_manifest(tree, ignore=("*.tmp",))
    following = build_manifest(tree, links=Links.INSIDE)
    assert plain.entries == ignoring.entries == following.entries
    assert len({plain.digest, ignoring.digest, following.digest}) == 3
    (tree / "x.tmp").write_text("x")
    assert verify(ignoring, tree) == []
    assert verify(plain, tree) == [Mismatch("x.tmp", Difference.EXTRA)]


def test_an_empty_tree_is_no_artifact(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    with pytest.raises(EmptySubject) as caught:
        build_manifest(tmp_path)
    assert (caught.value.slug, caught.value.exit_code) == ("empty-folder", 3)


def test_a_special_file_makes_a_tree_unverifiable(tree: Path) -> None:
    manifest = build_manifest(tree)
    (tree / "link").symlink_to("a")
    with pytest.raises(SubjectError) as caught:
        verify(manifest, tree)
    assert caught.value.slug == "symlink"


BAD: dict[str, Callable[[dict[str, Any]], bytes]] = {
    "not JSON": lambda _: b"[",
    "a list": lambda _: b"[]",
    "no entries": lambda v: dumps({k: v[k] for k in v if k != "entries"}),
    "an unknown key": lambda v: dumps(v | {"x": 1}),
    "spaces": lambda v: json.dumps(v).encode(),
    "another format": lambda v: dumps(v | {"format": "tidegate/manifest/v2"}),
    "a wrong root": lambda v: dumps(v | {"root": "0" * 64}),
    "a wrong count": lambda v: dumps(v | {"files": 3}),
    "entries out of order": lambda v: dumps(v | {"entries": v["entries"][::-1]}),
    "an entry twice": lambda v: dumps(v | {"entries": v["entries"][:1] * 2}),
    "an entry with a key more": lambda v: dumps(v | {"entries": [v["entries"][0] | {"x": 1}]}),
    "a path that climbs": lambda v: _with_path(v, "../etc/passwd"),
    "an absolute path": lambda v: _with_path(v, "/etc/passwd"),
    "an empty part": lambda v: _with_path(v, "a//b"),
    "a control character": lambda v: _with_path(v, "a\nb"),
    "a number for a path": lambda v: _with_path(v, 7),
    "a digest too short": lambda v: dumps(v | {"entries": [v["entries"][0] | {"sha256": "00"}]}),
    "a negative size": lambda v: dumps(v | {"entries": [v["entries"][0] | {"size": -1}]}),
    "an unknown link policy": lambda v: dumps(v | {"links": "follow"}),
}


def _with_path(value: dict[str, Any], path: object) -> bytes:
    return dumps(value | {"entries": [value["entries"][0] | {"path": path}]})


@pytest.mark.parametrize("case", BAD)
def test_a_manifest_that_is_not_one_is_refused(tree: Path, case: str) -> None:
    data = BAD[case](json.loads(build_manifest(tree).to_bytes()))
    with pytest.raises(VerificationError) as caught:
        Manifest.from_bytes(data)
    assert caught.value.slug in {"bad-manifest", "bad-json"}


class TestChunks:
    def test_a_bad_chunk_is_named_and_a_range_verified(self, tmp_path: Path) -> None:
        path = tmp_path / "big"
        path.write_bytes(bytes(range(100)))
        manifest = build_chunks(path, chunk_size=16)
        assert manifest.verify(path) == []
        data = bytearray(range(100))
        data[40] ^= 1
        path.write_bytes(data)
        assert manifest.verify(path) == [BadChunk(2, 32, 48)]
        assert manifest.verify(path, start=0, stop=32) == []
        assert manifest.verify(path, start=47, stop=48) == [BadChunk(2, 32, 48)]
        assert manifest.verify(path, start=48) == []

    def test_shorter_and_longer_files(self, tmp_path: Path) -> None:
        path = tmp_path / "big"
        path.write_bytes(bytes(100))
        manifest = build_chunks(path, chunk_size=16)
        path.write_bytes(bytes(90))
        assert manifest.verify(path) == [BadChunk(5, 80, 96), BadChunk(6, 96, 100)]
        path.write_bytes(bytes(130))
        assert manifest.verify(path) == [BadChunk(6, 96, 100), BadChunk(7, 100, 130)]

    def test_a_longer_file_is_bad_even_at_a_chunk_border(self, tmp_path: Path) -> None:
        path = tmp_path / "big"
        path.write_bytes(bytes(32))
        manifest = build_chunks(path, chunk_size=16)
        path.write_bytes(bytes(33))
        assert manifest.verify(path) == [BadChunk(2, 32, 33)]

    def test_a_range_that_is_none_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "f").write_bytes(bytes(10))
        with pytest.raises(SubjectError):
            build_chunks(tmp_path / "f").verify(tmp_path / "f", start=5, stop=11)

    def test_a_chunk_is_proved_to_who_has_the_header(self, tmp_path: Path) -> None:
        path = tmp_path / "big"
        path.write_bytes(bytes(range(100)))
        manifest = build_chunks(path, chunk_size=16)
        leaf = merkle.leaf_hash(bytes(range(48, 64)))
        root = merkle.root_from(leaf, 3, 7, manifest.prove(3))
        assert root.hex() == manifest.header()["root"]

    def test_round_trip_and_refusal(self, tmp_path: Path) -> None:
        (tmp_path / "f").write_bytes(bytes(100))
        manifest = build_chunks(tmp_path / "f", chunk_size=16)
        assert ChunkManifest.from_bytes(manifest.to_bytes()) == manifest
        for old, new in ((b"100", b"113"), (b":16", b":17"), (b"chunks/v1", b"chunks/v2")):
            with pytest.raises(VerificationError):
                ChunkManifest.from_bytes(manifest.to_bytes().replace(old, new, 1))


class TestMerkle:
    """The root of RFC 6962, against its own recursive definition."""

    @staticmethod
    def mth(leaves: list[bytes]) -> bytes:
        from hashlib import sha256 as sha  # noqa: PLC0415 - an independent statement of the RFC

        if len(leaves) == 1:
            return leaves[0]
        k = 1
        while k * 2 < len(leaves):
            k *= 2
        left, right = TestMerkle.mth(leaves[:k]), TestMerkle.mth(leaves[k:])
        return sha(b"\x01" + left + right).digest()

    @pytest.mark.parametrize("size", range(1, 20))
    def test_root_and_paths(self, size: int) -> None:
        leaves = [merkle.leaf_hash(bytes([n])) for n in range(size)]
        root = merkle.root(leaves)
        assert root == self.mth(leaves)
        for index in range(size):
            path = merkle.path(leaves, index)
            assert merkle.root_from(leaves[index], index, size, path) == root
            for bad in (path[:-1] if path else (root,), (*path, root)):
                with pytest.raises(ProofError):
                    merkle.root_from(leaves[index], index, size, bad)

    def test_no_leaves(self) -> None:
        assert merkle.root([]) == sha256(b"").raw
        with pytest.raises(ProofError):
            merkle.path([], 0)
