"""A manifest: the files of a folder with their digests, under one digest.

The digest is SHA-256 over a canonical JSON header that holds the format, counts, what was
ignored, and the RFC 6962 root over one leaf a file. docs/design/digests.md has the bytes.

>>> from pathlib import Path
>>> from tempfile import TemporaryDirectory
>>> with TemporaryDirectory() as name:
...     _ = (Path(name) / "a.txt").write_text("a")
...     before = build_manifest(name)
...     _ = (Path(name) / "a.txt").write_text("b")
...     [(item.path, item.what.value) for item in verify(before, name)]
[('a.txt', 'content')]
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise
from typing import Self

from tidegate.core.artifact.hashing import THREADED_FROM, FileHash, Hasher, hash_fd, in_order
from tidegate.core.artifact.refusals import refusal, shown
from tidegate.core.artifact.walk import FileEntry, Limits, Links, check_name, walk
from tidegate.core.canonical import Json, dumps, loads
from tidegate.core.digest import Digest, sha256
from tidegate.core.errors import SubjectError, VerificationError
from tidegate.core.merkle import leaf_hash, root

FORMAT = "tidegate/manifest/v1"
MAX_BYTES = 512 * 1024 * 1024
"""A manifest of a million files has about 250 MB."""


@dataclass(frozen=True, slots=True)
class ManifestEntry:
    """One file."""

    path: str
    """Relative, with ``/``."""
    sha256: str
    """Hexadecimal."""
    blake3: str
    """Hexadecimal."""
    size: int
    """Bytes."""

    def to_json(self) -> dict[str, Json]:
        """Return the form whose canonical bytes are the leaf."""
        sums = {"sha256": self.sha256, "blake3": self.blake3}
        return {"path": self.path, "size": self.size, **sums}


@dataclass(frozen=True, slots=True)
class Manifest:
    """The files of a tree, in the order of their paths' UTF-8 bytes."""

    entries: tuple[ManifestEntry, ...]
    ignore: tuple[str, ...] = ()
    """The patterns that were left out; part of the digest."""
    links: Links = Links.REFUSE
    """What was done about symbolic links; part of the digest."""
    digest: Digest = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "digest", sha256(dumps(self.header())))

    @property
    def size(self) -> int:
        """Bytes of all files together."""
        return sum(entry.size for entry in self.entries)

    def header(self) -> dict[str, Json]:
        """Return what the digest is over."""
        return {
            "format": FORMAT,
            "files": len(self.entries),
            "size": self.size,
            "ignore": list(self.ignore),
            "links": self.links.value,
            "root": root([leaf_hash(dumps(entry.to_json())) for entry in self.entries]).hex(),
        }

    def to_bytes(self) -> bytes:
        """Return the canonical JSON: the header and the entries."""
        return dumps(self.header() | {"entries": [entry.to_json() for entry in self.entries]})

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read what :meth:`to_bytes` wrote, from an untrusted source; compare its ``digest``.

        Raises:
            VerificationError: Too large, not canonical, contradictory, or with paths that are
                unsafe, twice or out of order (``bad-manifest``).
        """
        value = loads(data, what="the manifest", limit=MAX_BYTES)
        try:
            entries = tuple(_entry(item) for item in value["entries"])
            manifest = cls(entries, tuple(value["ignore"]), Links(value["links"]))
        except (KeyError, TypeError, ValueError, AttributeError, SubjectError) as error:
            raise _bad(str(error)[:200]) from None
        if not all(one.path < two.path for one, two in pairwise(entries)):
            raise _bad("the paths are not in order")
        if manifest.to_bytes() != data:
            raise _bad("it is not in canonical form, or contradicts itself")
        return manifest


class Difference(StrEnum):
    """How a file differs from its entry."""

    MISSING = "missing"
    EXTRA = "extra"
    SIZE = "size"
    CONTENT = "content"


@dataclass(frozen=True, slots=True)
class Mismatch:
    """A file that is not what the manifest says."""

    path: str
    what: Difference


@dataclass(frozen=True, slots=True)
class Changes:
    """What happened between two manifests: paths, sorted."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[str, ...]


def build_manifest(
    path: str | os.PathLike[str],
    *,
    ignore: Sequence[str] = (),
    links: Links = Links.REFUSE,
    limits: Limits | None = None,
    hasher: Hasher = hash_fd,
) -> Manifest:
    """Walk a folder and hash its files, large ones on all cores.

    Raises:
        EmptySubject: There is no file in it (``empty-folder``).
        SubjectError: Something in it can't be part of an artifact; see
            :mod:`~tidegate.core.artifact.walk`.
        UnreadableSubject: Something can't be read, or changed meanwhile.
    """
    entries = tuple(
        ManifestEntry(name, value.sha256.hex, value.blake3.hex, value.size)
        for name, value in _hashed(path, tuple(ignore), links, limits, hasher)
    )
    if not entries:
        raise refusal("empty-folder", shown(path), "all is ignored" if ignore else None)
    return Manifest(entries, tuple(ignore), links)


def verify(
    manifest: Manifest,
    path: str | os.PathLike[str],
    *,
    limits: Limits | None = None,
    hasher: Hasher = hash_fd,
) -> list[Mismatch]:
    """Compare a folder with a manifest; every file that differs is named, in order.

    The manifest's own ignore patterns and link policy hold: they are under its digest, which
    the caller must have checked.

    Raises:
        SubjectError: Something in it can't be part of any artifact.
        UnreadableSubject: Something can't be read, or changed meanwhile.
    """
    wanted = {entry.path: entry for entry in manifest.entries}
    bad: list[Mismatch] = []
    for name, value in _hashed(path, manifest.ignore, manifest.links, limits, hasher):
        entry = wanted.pop(name, None)
        if entry is None:
            bad.append(Mismatch(name, Difference.EXTRA))
        elif entry.size != value.size:
            bad.append(Mismatch(name, Difference.SIZE))
        elif (entry.sha256, entry.blake3) != (value.sha256.hex, value.blake3.hex):
            bad.append(Mismatch(name, Difference.CONTENT))
    bad += [Mismatch(name, Difference.MISSING) for name in wanted]
    return sorted(bad, key=lambda item: item.path)


def diff(old: Manifest, new: Manifest) -> Changes:
    """Compare two manifests."""
    before = {entry.path: entry for entry in old.entries}
    after = {entry.path: entry for entry in new.entries}
    both = sorted(before.keys() & after.keys())
    return Changes(
        added=tuple(sorted(after.keys() - before.keys())),
        removed=tuple(sorted(before.keys() - after.keys())),
        changed=tuple(name for name in both if before[name] != after[name]),
    )


def _hashed(
    path: str | os.PathLike[str],
    ignore: tuple[str, ...],
    links: Links,
    limits: Limits | None,
    hasher: Hasher,
) -> Iterator[tuple[str, FileHash]]:
    """Yield path and hash of each file, in order, hashing on all cores."""
    where = shown(path).rstrip("/")

    def hashed(item: tuple[FileEntry, int]) -> tuple[str, FileHash]:
        entry, fd = item
        try:
            return entry.path, hasher(fd, f"{where}/{shown(entry.path)}")
        finally:
            os.close(fd)

    found = walk(path, ignore=ignore, links=links, limits=limits)
    opened = ((entry, entry.open()) for entry in found)
    return in_order(hashed, opened, heavy=lambda item: item[0].size >= THREADED_FROM // 8)


def _entry(item: Json) -> ManifestEntry:
    entry = ManifestEntry(**item)
    Digest("sha256", entry.sha256)
    Digest("blake3", entry.blake3)
    parts = entry.path.split("/")
    if any(part in {"", ".", ".."} for part in parts) or not 0 <= entry.size < 2**53:
        raise ValueError("an unsafe path, or no size")
    check_name(entry.path.replace("/", ""), shown(entry.path))
    return entry


def _bad(cause: str) -> VerificationError:
    return VerificationError("it is not a manifest", cause=cause, slug="bad-manifest")
