"""The files of a model with their digests, as OpenSSF Model Signing lists them.

Two serializations: ``files`` hashes each file whole, ``shards`` each run of a fixed number of
bytes. Files are sorted by the parts of their path; a model of one file is named ``.``.
"""

import hashlib
import os
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from enum import StrEnum
from io import FileIO
from pathlib import Path, PurePosixPath
from typing import Protocol

from blake3 import blake3

from tidegate.core.artifact.hashing import BLOCK, opened, unchanged
from tidegate.core.artifact.refusals import refusal, shown
from tidegate.core.artifact.walk import Limits, Links, walk

MAX_FILES = 65_536
_PARALLEL = 32 * 1024 * 1024


class HashType(StrEnum):
    """Hash algorithms of the specification."""

    SHA256 = "sha256"
    BLAKE2B = "blake2b"
    BLAKE3 = "blake3"


class _Hasher(Protocol):
    def update(self, data: bytes, /) -> object: ...
    def hexdigest(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Serialization:
    """How a model's files are listed and hashed; signed with the list."""

    hash_type: HashType = HashType.SHA256
    shard_size: int | None = None
    """Bytes a shard; ``None`` hashes whole files."""
    allow_symlinks: bool = False
    """Whether links are followed that stay inside the model."""
    ignore: tuple[str, ...] = ()
    """Paths relative to the model, each with all below it, that are not looked at."""

    def ignores(self, name: str) -> bool:
        """Tell whether a relative path is left out."""
        return any(PurePosixPath(name).is_relative_to(path) for path in self.ignore)


@dataclass(frozen=True, slots=True)
class Listing:
    """What a model consists of."""

    parts: Mapping[str, tuple[tuple[str, str], ...]]
    """Relative path to the resource names and digests of its parts, in order."""
    uncovered: tuple[str, ...]
    """Files that no digest speaks of: ignored ones, and empty ones where shards are hashed."""


def list_model(path: Path, how: Serialization) -> Listing:
    """Hash a model.

    Raises:
        SubjectError: It is not there, or holds what can't be part of an artifact (see
            ``artifact/walk.py``).
        EmptySubject: It has no file to hash.
        UnreadableSubject: A file can't be read, or changed meanwhile.
    """
    uncovered: list[str] = []
    parts: dict[str, tuple[tuple[str, str], ...]] = {}
    with closing(_open_files(path, how, uncovered)) as files:
        for name, fd in files:
            if found := tuple(_hash(fd, name, how)):
                parts[name] = found
            else:
                uncovered.append(name)
    if not parts:
        raise refusal("empty-folder", shown(path))
    order = sorted(parts, key=lambda name: PurePosixPath(name).parts)
    return Listing({name: parts[name] for name in order}, tuple(sorted(uncovered)))


def _open_files(path: Path, how: Serialization, uncovered: list[str]) -> Generator[tuple[str, int]]:
    if path.is_symlink() and not how.allow_symlinks:
        raise refusal("symlink", shown(path))
    if not path.is_dir():
        with opened(path) as (fd, _):
            yield ".", fd
        return
    links = Links.INSIDE if how.allow_symlinks else Links.REFUSE
    for entry in walk(path, links=links, limits=Limits(files=MAX_FILES)):
        if how.ignores(entry.path):
            uncovered.append(entry.path)
            continue
        fd = entry.open()
        try:
            yield entry.path, fd
        finally:
            os.close(fd)


def _hash(fd: int, name: str, how: Serialization) -> Iterator[tuple[str, str]]:
    file = FileIO(fd, closefd=False)
    with unchanged(fd, name) as key:
        if how.shard_size is None:
            yield name, _digest(file, key.size, name, how.hash_type)
            return
        for start in range(0, key.size, how.shard_size):
            end = min(start + how.shard_size, key.size)
            yield f"{name}:{start}:{end}", _digest(file, end - start, name, how.hash_type)


def _digest(file: FileIO, size: int, name: str, hash_type: HashType) -> str:
    hasher: _Hasher
    if hash_type is HashType.BLAKE3:
        hasher = blake3(max_threads=blake3.AUTO if size >= _PARALLEL else 1)
    else:
        hasher = hashlib.new(hash_type.value)
    while size > 0:
        block = file.read(min(size, BLOCK))
        if not block:
            raise refusal("changed-while-read", name)
        hasher.update(block)
        size -= len(block)
    return hasher.hexdigest()
