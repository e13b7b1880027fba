"""An OCI image layout on disk (OCI image specification, "Image Layout").

Blobs are addressed by digest alone, so no name in the layout ever becomes a path.
"""

import hashlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from stat import S_ISREG
from typing import BinaryIO, Final

from tidegate.core import canonical
from tidegate.core.digest import Digest
from tidegate.core.errors import SubjectError, VerificationError
from tidegate.core.identity.reading import Fields
from tidegate.interop.oci.model import (
    MANIFESTS,
    MAX_BLOB,
    MAX_MANIFEST,
    MAX_PARTS,
    REF_NAME,
    Descriptor,
    Manifest,
)

_CHUNK: Final = 1 << 20
_ALGORITHMS: Final = frozenset({"sha256", "sha384", "sha512"})


def blob_error(what: str, digest: Digest, cause: str = "") -> VerificationError:
    """Return the error for content that is not what its digest says."""
    return VerificationError(
        what,
        where=str(digest),
        cause=cause or None,
        next_step="get the image again from where it was built",
        slug="image-content",
    )


def checked(pieces: Iterator[bytes], descriptor: Descriptor) -> Iterator[bytes]:
    """Yield bytes, and raise at the end where they are not what their descriptor says.

    Raises:
        VerificationError: Another size or digest, or an algorithm that is not known.
    """
    digest = descriptor.digest
    if digest.algorithm not in _ALGORITHMS:
        raise blob_error("a digest of a kind that images don't use", digest)
    hasher, size = hashlib.new(digest.algorithm), 0
    for piece in pieces:
        size += len(piece)
        if size > descriptor.size:
            raise blob_error("content is longer than its descriptor says", digest)
        hasher.update(piece)
        yield piece
    if size != descriptor.size or hasher.hexdigest() != digest.hex:
        raise blob_error("content is not what its digest says", digest)


class Layout:
    """A layout folder; fulfils ``ImageSource``."""

    def __init__(self, folder: Path) -> None:
        """Open a layout.

        Raises:
            SubjectError: It is none.
            VerificationError: Its index is damaged.
        """
        self._folder = folder
        try:
            marker = (folder / "oci-layout").read_bytes()[:1_000]
            with (folder / "index.json").open("rb") as file:
                data = file.read(MAX_MANIFEST + 1)
        except OSError as error:
            raise SubjectError(
                "not an OCI image layout",
                where=str(folder),
                cause=error.strerror,
                next_step="name a folder with oci-layout and index.json",
                slug="no-layout",
            ) from None
        told = Fields(canonical.loads(marker, what="oci-layout"), "oci-layout")
        if told.text("imageLayoutVersion") != "1.0.0":
            raise told.refuse("a version that is not known", where="imageLayoutVersion")
        fields = Fields(canonical.loads(data, what="index.json", limit=MAX_MANIFEST), "image-index")
        listed = fields.array("manifests", limit=MAX_PARTS)
        self.manifests: tuple[Descriptor, ...] = tuple(map(Descriptor.read, listed))

    def manifest(self, digest: Digest, media_type: str = "") -> Manifest:
        """Return a manifest."""
        data = self._whole(digest, MAX_MANIFEST)
        return Manifest.read(data, digest, media_type)

    def blob(self, descriptor: Descriptor) -> bytes:
        """Return a small blob whole."""
        if descriptor.size > MAX_BLOB:
            raise blob_error(f"content is larger than {MAX_BLOB} bytes", descriptor.digest)
        return b"".join(self.stream(descriptor))

    def stream(self, descriptor: Descriptor) -> Iterator[bytes]:
        """Yield a blob."""
        with self._open(descriptor.digest) as file:
            yield from checked(iter(lambda: file.read(_CHUNK), b""), descriptor)

    def tagged(self, tag: str) -> Sequence[Descriptor]:
        """Return what index.json gives a tag."""
        return [
            one
            for one in self.manifests
            if one.annotations.get(REF_NAME, "").rpartition(":")[2] == tag
        ]

    def referrers(self, digest: Digest) -> Sequence[Descriptor]:
        """Return the manifests of index.json whose subject is another."""
        found: list[Descriptor] = []
        for one in self.manifests:
            if one.digest == digest or one.media_type not in MANIFESTS:
                continue
            if self.manifest(one.digest).subject == digest:
                found.append(one)
        return found

    def _whole(self, digest: Digest, limit: int) -> bytes:
        with self._open(digest) as file:
            size = os.fstat(file.fileno()).st_size
            if size > limit:
                raise blob_error(f"content is larger than {limit} bytes", digest)
            pieces = iter(lambda: file.read(_CHUNK), b"")
            return b"".join(checked(pieces, Descriptor("", digest, size)))

    def _open(self, digest: Digest) -> BinaryIO:
        path = self._folder / "blobs" / digest.algorithm / digest.hex
        try:
            handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | getattr(os, "O_CLOEXEC", 0))
        except OSError as error:
            raise blob_error("content is not there", digest, error.strerror or "") from None
        if not S_ISREG(os.fstat(handle).st_mode):
            os.close(handle)
            raise blob_error("content is no file", digest)
        return os.fdopen(handle, "rb")
