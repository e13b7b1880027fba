"""The cache never recalls a wrong hash; blobs are verified; references resolve or refuse."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tidegate.core.artifact import hash_file, resolve
from tidegate.core.artifact.blobs import verified
from tidegate.core.artifact.hashing import FileKey, opened
from tidegate.core.artifact.manifest import build_manifest
from tidegate.core.artifact.reference import guess_kind
from tidegate.core.clock import SECOND, FixedClock
from tidegate.core.digest import sha256
from tidegate.core.errors import SubjectError, VerificationError
from tidegate.tables.cache import CachedHasher, MemoryCache, settled
from tidegate.tables.describe import describe
from tidegate.tables.schema import Column, TableSchema


def hash_through(hasher: CachedHasher, path: Path) -> str:
    with opened(path) as (fd, _):
        return hasher(fd, str(path)).sha256.hex


def late(path: Path) -> FixedClock:
    """A clock three seconds after the file's last change."""
    return FixedClock(path.stat().st_ctime_ns // 1_000 + 3 * SECOND)


class TestCache:
    def test_a_hash_is_recalled_while_the_key_stands(self, tmp_path: Path) -> None:
        path, cache = tmp_path / "f", MemoryCache()
        path.write_bytes(b"one")
        hasher = CachedHasher(cache, late(path))
        assert hash_through(hasher, path) == sha256(b"one").hex
        key = FileKey.of(path.stat())
        known = cache.get(key)
        assert known is not None
        assert known == hash_file(path)

    def test_an_edit_that_keeps_size_and_mtime_is_seen(self, tmp_path: Path) -> None:
        path, cache = tmp_path / "f", MemoryCache()
        path.write_bytes(b"one")
        os.utime(path, ns=(0, 0))
        hasher = CachedHasher(cache, late(path))
        assert hash_through(hasher, path) == sha256(b"one").hex
        path.write_bytes(b"two")
        os.utime(path, ns=(0, 0))
        assert hash_through(hasher, path) == sha256(b"two").hex

    def test_a_file_changed_within_the_window_is_never_kept(self, tmp_path: Path) -> None:
        path, cache = tmp_path / "f", MemoryCache()
        path.write_bytes(b"one")
        os.utime(path, ns=(0, 0))  # an old modification time does not help
        clock = FixedClock(path.stat().st_ctime_ns // 1_000 + SECOND)
        hash_through(CachedHasher(cache, clock), path)
        assert cache.get(FileKey.of(path.stat())) is None

    @pytest.mark.parametrize(
        ("mtime", "ctime", "kept"),
        [(0, 0, True), (0, 9, False), (9, 0, False), (0, 8, False), (0, 7, True), (99, 0, False)],
    )
    def test_settled(self, mtime: int, ctime: int, kept: bool) -> None:  # noqa: FBT001 - a table
        """Both times must be more than two seconds old; a time to come never is."""
        key = FileKey(1, 1, 1, mtime * 10**9, ctime * 10**9)
        assert settled(key, FixedClock(10 * SECOND).now()) is kept

    def test_the_least_recently_used_goes_first(self) -> None:
        cache, value = MemoryCache(2), hash_file(__file__)
        keys = [FileKey(1, n, value.size, 0, 0) for n in range(3)]
        cache.put(keys[0], value)
        cache.put(keys[1], value)
        cache.get(keys[0])
        cache.put(keys[2], value)
        assert [cache.get(key) is not None for key in keys] == [True, False, True]

    def test_a_manifest_is_the_same_through_a_cache(self, tmp_path: Path) -> None:
        for name in "abc":
            (tmp_path / name).write_text(name)
        hasher = CachedHasher(MemoryCache(), late(tmp_path / "c"))
        plain = build_manifest(tmp_path)
        assert build_manifest(tmp_path, hasher=hasher) == plain
        assert build_manifest(tmp_path, hasher=hasher) == plain


class TestVerified:
    @pytest.mark.parametrize("blocks", [[b""], [b"ab"], [b"a", b"", b"b"], []])
    def test_right_bytes_pass(self, blocks: list[bytes]) -> None:
        whole = b"".join(blocks)
        assert b"".join(verified(blocks, sha256(whole))) == whole

    def test_wrong_bytes_never_end(self) -> None:
        stream = verified([b"a", b"b"], sha256(b"ax"))
        assert next(stream) == b"a"
        with pytest.raises(VerificationError) as caught:
            next(stream)
        assert caught.value.slug == "blob-damaged"

    def test_bytes_that_are_cut_off_are_wrong(self) -> None:
        with pytest.raises(VerificationError):
            list(verified([b"a"], sha256(b"ab")))


class TestResolve:
    def test_a_file(self, tmp_path: Path) -> None:
        (tmp_path / "m.safetensors").write_bytes(b"tide")
        found = resolve(tmp_path / "m.safetensors")
        assert (found.name, found.kind, found.digest) == ("m.safetensors", "model", sha256(b"tide"))
        assert found.also == {"blake3": hash_file(found.path).blake3.hex}
        assert found.annotations == {"size": 4}

    def test_a_folder(self, tmp_path: Path) -> None:
        (tmp_path / "d").mkdir()
        (tmp_path / "d/pyproject.toml").write_text("x")
        found = resolve(tmp_path / "d", ignore=("*.pyc",))
        assert (found.name, found.kind) == ("d", "code")
        assert found.manifest is not None
        assert found.digest == found.manifest.digest
        assert found.annotations == {"size": 1, "files": 1, "ignore": ["*.pyc"]}

    def test_a_table(self, tmp_path: Path) -> None:
        schema = TableSchema((Column("id", "int64"),))
        (tmp_path / "t.csv").write_text("id\n1\n2\n")
        found = resolve(tmp_path / "t.csv", kind="dataset", describe=describe(schema))
        assert found.kind == "dataset"
        assert set(found.also) == {"blake3", "tidegate-table-v1", "tidegate-rows-v1"}
        assert found.annotations == {"size": 7, "rows": 2, "schema": str(schema.digest)}

    def test_dots_are_named_by_where_they_are(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "d").mkdir()
        (tmp_path / "d/f").write_text("x")
        monkeypatch.chdir(tmp_path / "d")
        assert resolve(".").name == "d"
        assert resolve("../d").name == "d"
        assert resolve("..").name == tmp_path.name

    @pytest.mark.parametrize(
        ("make", "slug", "code"),
        [
            (str, "no-such-path", 2),
            (Path.mkdir, "empty-folder", 3),
            (Path.touch, "empty-file", 3),
            (os.mkfifo, "special-file", 2),
            (lambda path: path.symlink_to(path), "symlink", 2),
        ],
    )
    def test_what_is_no_artifact_says_so(
        self, tmp_path: Path, make: Callable[[Path], object], slug: str, code: int
    ) -> None:
        make(tmp_path / "x")
        with pytest.raises(SubjectError) as caught:
            resolve(tmp_path / "x")
        assert (caught.value.slug, caught.value.exit_code) == (slug, code)
        assert str(tmp_path / "x") in str(caught.value)

    def test_no_permission(self, tmp_path: Path, as_nobody: Callable[..., str]) -> None:
        (tmp_path / "x").write_text("x")
        (tmp_path / "x").chmod(0)
        assert as_nobody(lambda: resolve(tmp_path / "x")) == "TG-SUB/unreadable"

    def test_an_unknown_kind_and_a_schema_for_a_folder(self, tmp_path: Path) -> None:
        (tmp_path / "f").write_text("x")
        with pytest.raises(SubjectError) as caught:
            resolve(tmp_path / "f", kind="thing")
        assert caught.value.slug == "unknown-kind"
        with pytest.raises(SubjectError) as caught:
            resolve(tmp_path, describe=describe(TableSchema((Column("id", "int64"),))))
        assert caught.value.slug == "is-a-folder"

    @pytest.mark.parametrize(
        ("name", "kind"),
        [("a.CSV", "table"), ("x.pkl", "model"), ("Dockerfile", "environment"), ("a", "dataset"),
         ("run.py", "code"), ("p.cel", "policy"), ("card.html", "report")],
    )  # fmt: skip
    def test_guesses(self, name: str, kind: str) -> None:
        assert guess_kind(name) == kind
