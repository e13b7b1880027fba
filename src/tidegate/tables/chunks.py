"""A manifest of one big file by chunks: one bad chunk is named, and a range can be verified.

>>> from pathlib import Path
>>> from tempfile import TemporaryDirectory
>>> with TemporaryDirectory() as name:
...     file = Path(name) / "weights.bin"
...     _ = file.write_bytes(bytes(10))
...     manifest = build_chunks(file, chunk_size=4)
...     _ = file.write_bytes(bytes(5) + b"!" + bytes(4))
...     manifest.verify(file)
[BadChunk(index=1, start=4, stop=8)]
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Self

from tidegate.core import merkle
from tidegate.core.artifact.hashing import in_order, opened
from tidegate.core.artifact.refusals import refusal
from tidegate.core.canonical import Json, dumps, loads
from tidegate.core.digest import Digest, sha256
from tidegate.core.errors import VerificationError

FORMAT = "tidegate/chunks/v1"
CHUNK_SIZE = 4 * 1024 * 1024
MAX_CHUNK_SIZE = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class BadChunk:
    """A part of the file, [start, stop) in bytes, that is not what the manifest says."""

    index: int
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class ChunkManifest:
    """The RFC 6962 leaf hash of each chunk of a file, in order."""

    size: int
    """Bytes of the file."""
    leaves: tuple[bytes, ...]
    """``SHA-256(0x00 || chunk)``, 32 bytes each."""
    chunk_size: int = CHUNK_SIZE
    """Bytes of each chunk but the last."""
    digest: Digest = field(init=False)
    """SHA-256 of the canonical header, which holds size, chunk size and Merkle root."""

    def __post_init__(self) -> None:
        sizes_fit = 0 < self.chunk_size <= MAX_CHUNK_SIZE and 0 <= self.size < 2**53
        count = -(-self.size // self.chunk_size) if sizes_fit else -1
        if count != len(self.leaves) or set(map(len, self.leaves)) - {32}:
            raise _bad("chunks and size disagree")
        object.__setattr__(self, "digest", sha256(dumps(self.header())))

    def header(self) -> dict[str, Json]:
        """Return what the digest is over."""
        root = merkle.root(self.leaves).hex()
        head = {"format": FORMAT, "size": self.size, "chunk_size": self.chunk_size, "root": root}
        return dict[str, Json](head)

    def to_bytes(self) -> bytes:
        """Return the canonical JSON: the header and the leaf hashes."""
        return dumps(self.header() | {"leaves": [leaf.hex() for leaf in self.leaves]})

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read what :meth:`to_bytes` wrote, from an untrusted source; compare its ``digest``.

        Raises:
            VerificationError: It is not canonical, or contradicts itself (``bad-manifest``).
        """
        value = loads(data, what="the chunk manifest")
        try:
            leaves = tuple(bytes.fromhex(leaf) for leaf in value["leaves"])
            manifest = cls(value["size"], leaves, value["chunk_size"])
        except (KeyError, TypeError, ValueError) as error:
            raise _bad(str(error)[:200]) from None
        if manifest.to_bytes() != data:
            raise _bad("it is not in canonical form, or contradicts itself")
        return manifest

    def verify(
        self, path: str | os.PathLike[str], *, start: int = 0, stop: int | None = None
    ) -> list[BadChunk]:
        """Compare a file, or the chunks that hold its bytes [start, stop), with the manifest.

        Chunks that the file no longer reaches are bad; so are bytes beyond its end, named by
        the index after the last.

        Raises:
            SubjectError: The path is no regular file, or there is no such range.
            UnreadableSubject: It can't be read, or changed meanwhile.
        """
        stop = self.size if stop is None else stop
        if not 0 <= start <= stop <= self.size:
            raise refusal("bad-range", f"{start}:{stop}")
        last = -(-stop // self.chunk_size)
        wanted = range(min(start // self.chunk_size, last), last)
        with opened(path) as (fd, key):
            found = zip(wanted, _leaves(fd, self.chunk_size, wanted), strict=True)
            bad = [index for index, leaf in found if leaf != self.leaves[index]]
        places = [(index, index * self.chunk_size) for index in bad]
        out = [BadChunk(i, at, min(at + self.chunk_size, self.size)) for i, at in places]
        if key.size > self.size == stop:
            out.append(BadChunk(len(self.leaves), self.size, key.size))
        return out

    def prove(self, index: int) -> tuple[bytes, ...]:
        """Return the audit path of one chunk, for someone who has the header alone.

        Raises:
            ProofError: There is no such chunk.
        """
        return merkle.path(self.leaves, index)


def build_chunks(path: str | os.PathLike[str], *, chunk_size: int = CHUNK_SIZE) -> ChunkManifest:
    """Hash a file by chunks, on all cores, constant in memory but for 32 bytes a chunk.

    Raises:
        SubjectError: The path is no regular file.
        UnreadableSubject: It can't be read, or changed meanwhile.
    """
    with opened(path) as (fd, key):
        leaves = tuple(_leaves(fd, chunk_size, range(-(-key.size // chunk_size))))
    return ChunkManifest(key.size, leaves, chunk_size)


def _leaves(fd: int, size: int, wanted: range) -> Iterator[bytes]:
    return in_order(lambda i: merkle.leaf_hash(os.pread(fd, size, i * size)), wanted)


def _bad(cause: str) -> VerificationError:
    return VerificationError("it is not a chunk manifest", cause=cause, slug="bad-manifest")
