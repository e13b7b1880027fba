"""Blobs as files in a folder: written whole or not at all, verified as they are read.

>>> from io import BytesIO
>>> from tempfile import TemporaryDirectory
>>> with TemporaryDirectory() as folder:
...     blobs = LocalBlobs(Path(folder) / "acme")
...     digest = blobs.put(BytesIO(b"evidence"))
...     b"".join(blobs.get(digest))
b'evidence'
"""

import errno
import hashlib
import os
import secrets
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from tidegate.core.artifact.blobs import verified
from tidegate.core.digest import Digest
from tidegate.core.errors import StoreError, SubjectError
from tidegate.logbook.durable import sync_folder

_BLOCK = 1024 * 1024
_SHELF = 2
_HEX_LENGTH = 64
_HEX_DIGITS = frozenset("0123456789abcdef")


class LocalBlobs:
    """One workspace's blobs, a file each; fulfils ``BlobStore``.

    Args:
        folder: The workspace's own folder, named by its id; made when the first blob is put.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def workspace(self) -> str:
        """The workspace id."""
        return self._folder.name

    def put(self, stream: BinaryIO, *, limit: int | None = None) -> Digest:
        """Store the rest of a stream; it is durable when this returns.

        Raises:
            SubjectError: More than ``limit`` bytes (``too-large``).
            StoreError: It could not be stored, a full disk included; nothing was.
        """
        with _disk(self._folder):
            _make(self._folder)
            part = self._folder / f".part-{secrets.token_hex(8)}"
            try:
                digest = _copy(stream, part, limit)
                path = self._path(digest)
                _make(path.parent)
                part.replace(path)
                sync_folder(path.parent)
            finally:
                part.unlink(missing_ok=True)
        return digest

    def get(self, digest: Digest) -> Iterator[bytes]:
        """Yield the bytes in blocks; take them as true only when the iteration ends.

        Raises:
            StoreError: There is none (``no-such-blob``), or it can't be read.
            VerificationError: The bytes are not those of the digest (``blob-damaged``).
        """
        return verified(self._blocks(digest), digest)

    def has(self, digest: Digest) -> bool:
        """Whether it is there; the bytes are not looked at."""
        return self._path(digest).is_file()

    def delete(self, digest: Digest) -> bool:
        """Remove it for good, and say whether it was there.

        Raises:
            StoreError: It can't be removed.
        """
        path = self._path(digest)
        with _disk(path):
            try:
                path.unlink()
            except FileNotFoundError:
                return False
            sync_folder(path.parent)
        return True

    def list(self, *, prefix: str = "") -> Iterator[Digest]:
        """Yield the digests whose hexadecimal begins so, in order."""
        if not self._folder.is_dir():
            return
        for shelf in sorted(self._folder.iterdir()):
            if len(shelf.name) != _SHELF or not shelf.name.startswith(prefix[:_SHELF]):
                continue
            for name in sorted(path.name for path in shelf.iterdir()):
                whole = len(name) == _HEX_LENGTH and _HEX_DIGITS.issuperset(name)
                if whole and name.startswith(prefix):
                    yield Digest("sha256", name)

    def _blocks(self, digest: Digest) -> Iterator[bytes]:
        path = self._path(digest)
        try:
            with path.open("rb", buffering=0) as file:
                while block := file.read(_BLOCK):
                    yield block
        except FileNotFoundError:
            raise StoreError(
                "there is no such blob",
                where=digest.short,
                next_step="restore the blob folder from its backup",
                slug="no-such-blob",
            ) from None
        except OSError as error:
            raise _failure(error, path) from None

    def _path(self, digest: Digest) -> Path:
        if digest.algorithm != "sha256":
            raise SubjectError("blobs are named by SHA-256", where=digest.short, slug="bad-digest")
        return self._folder / digest.hex[:_SHELF] / digest.hex


def _copy(stream: BinaryIO, path: Path, limit: int | None) -> Digest:
    hasher, size = hashlib.sha256(), 0
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with os.fdopen(descriptor, "wb", buffering=0) as file:
        while block := stream.read(_BLOCK):
            size += len(block)
            if limit is not None and size > limit:
                raise SubjectError(f"more than {limit} bytes", slug="too-large")
            hasher.update(block)
            left = memoryview(block)
            while left:
                left = left[file.write(left) :]
        os.fsync(file.fileno())
    return Digest("sha256", hasher.hexdigest())


def _make(folder: Path) -> None:
    if not folder.is_dir():
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        sync_folder(folder.parent)


@contextmanager
def _disk(place: Path) -> Generator[None]:
    try:
        yield
    except OSError as error:
        raise _failure(error, place) from None


def _failure(error: OSError, place: Path) -> StoreError:
    full = error.errno in {errno.ENOSPC, errno.EDQUOT}
    return StoreError(
        "the disk is full; nothing was written" if full else "the blob folder can't be used",
        where=str(place),
        cause=error.strerror,
        next_step="free some space and run the command again" if full else "check its permissions",
        slug="disk-full" if full else "blob-io",
    )
