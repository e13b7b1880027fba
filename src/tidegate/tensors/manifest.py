"""A model as a Merkle tree over its tensors: the same root however they are split into files.

Each tensor has a digest of its bytes; a leaf is the canonical JSON of ``[name, dtype, shape,
digest]``; leaves are in the order of the names' UTF-8 bytes, and the tree is that of RFC 6962. So a
shard can be verified by itself, a tensor as it is loaded, and two models compared tensor by tensor.

>>> manifest = TensorManifest((Entry("w", "F32", (2,), "00" * 32),))
>>> TensorManifest.parse(manifest.to_bytes()) == manifest
True
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Final

from blake3 import blake3

from tidegate.core import merkle
from tidegate.core.artifact.hashing import opened, unchanged
from tidegate.core.artifact.walk import walk
from tidegate.core.canonical import Json, dumps, loads
from tidegate.core.errors import ProofError, SubjectError, VerificationError
from tidegate.core.identity.reading import Fields
from tidegate.tensors.layout import MAX_TENSORS, Tensor, is_safetensors, read_layout

SCHEMA: Final = "tidegate/tensors/v1"
ALGORITHM: Final = "blake3"
MAX_BYTES: Final = 512 << 20
BLOCK: Final = 1 << 25
"""Bytes read and hashed at once: enough that every core has some."""
_PARALLEL: Final = 1 << 20
_WHAT: Final = "tensor-manifest"


@dataclass(frozen=True, slots=True)
class Entry:
    """What is signed of one tensor."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    digest: str
    """BLAKE3 of its bytes, hexadecimal."""

    @property
    def leaf(self) -> bytes:
        """Its leaf hash."""
        return merkle.leaf_hash(dumps([self.name, self.dtype, list(self.shape), self.digest]))


@dataclass(frozen=True)
class TensorManifest:
    """All tensors of a model, by name."""

    entries: tuple[Entry, ...]
    """In the order of their names."""
    files: tuple[tuple[str, tuple[str, ...]], ...] = field(default=(), compare=False)
    """Which file held which tensors when it was made; no part of the root."""

    @cached_property
    def by_name(self) -> dict[str, Entry]:
        """Return the entries by name."""
        return {entry.name: entry for entry in self.entries}

    @cached_property
    def root(self) -> str:
        """The tree's root: ``sha256:…``."""
        return f"sha256:{merkle.root([entry.leaf for entry in self.entries]).hex()}"

    def to_json(self) -> dict[str, Json]:
        """Return the manifest as JSON."""
        return {
            "schema": SCHEMA,
            "algorithm": ALGORITHM,
            "root": self.root,
            "tensors": [
                {
                    "name": one.name,
                    "dtype": one.dtype,
                    "shape": list(one.shape),
                    "digest": one.digest,
                }
                for one in self.entries
            ],
            "files": {file: list(names) for file, names in self.files},
        }

    def to_bytes(self) -> bytes:
        """Return the file."""
        return dumps(self.to_json())

    @classmethod
    def parse(cls, data: bytes) -> "TensorManifest":
        """Read a manifest of untrusted origin; its root is computed, and must be the stated one.

        Raises:
            VerificationError: It is none, or contradicts itself.
        """
        fields = Fields(loads(data, what="the tensor manifest", limit=MAX_BYTES), _WHAT)
        if (fields.text("schema", limit=64), fields.text("algorithm", limit=16)) != (
            SCHEMA,
            ALGORITHM,
        ):
            raise fields.refuse("this version can't read it", where="schema")
        stated = fields.text("root", limit=80)
        entries = tuple(_entry(one) for one in fields.array("tensors", limit=MAX_TENSORS, low=1))
        held = fields.object("files") if fields.has("files") else {}
        files = tuple((name, _names(value)) for name, value in held.items())
        found = cls(entries, files)
        order = [entry.name.encode() for entry in entries]
        if order != sorted(set(order)):
            raise fields.refuse("its tensors are not in order, or one is there twice")
        if found.root != stated:
            raise fields.refuse("its root is not that of its tensors", where="root")
        return found


def build(path: Path) -> TensorManifest:
    """Hash the tensors of a safetensors file, or of every such file in a folder.

    Raises:
        SubjectError: There is none, one is damaged, or two files hold a tensor of one name.
        UnreadableSubject: A file can't be read, or changed meanwhile.
    """
    entries: dict[str, Entry] = {}
    files: list[tuple[str, tuple[str, ...]]] = []
    for name, found in hashed_files(path):
        for entry in found:
            if entry.name in entries:
                raise SubjectError(
                    "two files hold a tensor of one name",
                    where=f"{name}: {entry.name[:100]}",
                    next_step="name the folder of one model",
                    slug="tensor-twice",
                )
            entries[entry.name] = entry
        files.append((name, tuple(entry.name for entry in found)))
    if not entries:
        raise SubjectError(
            "there are no tensors here",
            where=str(path),
            next_step="name a safetensors file, or a folder with such files",
            slug="no-tensors",
        )
    ordered = sorted(entries.values(), key=lambda entry: entry.name.encode())
    return TensorManifest(tuple(ordered), tuple(files))


def hashed_files(path: Path) -> Iterator[tuple[str, tuple[Entry, ...]]]:
    """Yield each safetensors file with its hashed tensors, in the order of their bytes.

    Raises:
        SubjectError: A file is damaged.
        UnreadableSubject: A file can't be read, or changed meanwhile.
    """
    if not path.is_dir():
        with opened(path) as (fd, _):
            yield path.name, _hashed(fd, path.name)
        return
    for item in walk(path):
        if not is_safetensors(Path(item.path)):
            continue
        fd = item.open()
        try:
            yield item.path, _hashed(fd, item.path)
        finally:
            os.close(fd)


def verify_shard(path: Path, manifest: TensorManifest) -> int:
    """Verify one file of a model by itself, and return how many tensors it holds.

    Raises:
        ProofError: A tensor is not the signed one; the message names it.
        SubjectError: The file is damaged.
    """
    count = 0
    for name, found in hashed_files(path):
        for entry in found:
            check(entry, manifest, where=name)
            count += 1
    return count


def check(entry: Entry, manifest: TensorManifest, *, where: str) -> None:
    """Check a tensor against the manifest.

    Raises:
        ProofError: It is another one (slug ``other-tensor``), or none of the model's.
    """
    signed = manifest.by_name.get(entry.name)
    if signed == entry:
        return
    what = "is none of the model's" if signed is None else "is not the signed one"
    raise ProofError(
        f"tensor {entry.name[:100]!r} {what}",
        where=where,
        cause=None if signed is None else f"signed {_told(signed)}, here {_told(entry)}",
        next_step="fetch the file again; find out who changed it",
        slug="other-tensor",
    )


def digest_at(fd: int, tensor: Tensor, where: str) -> str:
    """Hash a tensor's bytes where they lie.

    Raises:
        UnreadableSubject: The file ends before it.
    """
    hasher = blake3(max_threads=blake3.AUTO if tensor.size >= _PARALLEL else 1)
    position = tensor.begin
    while position < tensor.end:
        block = os.pread(fd, min(BLOCK, tensor.end - position), position)
        if not block:
            raise VerificationError("the file ends within a tensor", where=where, slug="cut-off")
        hasher.update(block)
        position += len(block)
    return hasher.hexdigest()


def _hashed(fd: int, where: str) -> tuple[Entry, ...]:
    with unchanged(fd, where):
        return tuple(
            Entry(one.name, one.dtype, one.shape, digest_at(fd, one, where))
            for one in read_layout(fd, where)
        )


def _entry(value: Json) -> Entry:
    fields = Fields(value, _WHAT)
    listed = fields.array("shape", limit=64)
    shape = tuple(item for item in listed if type(item) is int and item >= 0)
    if len(shape) != len(listed):
        raise fields.refuse("it holds counts", where="shape")
    digest = fields.text("digest", limit=64)
    if len(digest) != 64 or set(digest) - set("0123456789abcdef"):  # noqa: PLR2004 - BLAKE3
        raise fields.refuse("it is no BLAKE3 digest", where="digest")
    name = fields.text("name", limit=4_096, empty=True)
    return Entry(name, fields.text("dtype", limit=16), shape, digest)


def _names(value: Json) -> tuple[str, ...]:
    return tuple(map(str, value)) if isinstance(value, list) else ()


def _told(entry: Entry) -> str:
    return f"{entry.dtype}{list(entry.shape)} {entry.digest[:12]}"
