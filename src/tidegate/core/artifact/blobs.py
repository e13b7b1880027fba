"""What Tidegate asks of a place for blobs, so that a local disk and S3 both fit.

>>> from tidegate.core.digest import sha256
>>> b"".join(verified(iter([b"ti", b"de"]), sha256(b"tide")))
b'tide'
"""

import hashlib
from collections.abc import Iterable, Iterator
from typing import BinaryIO, Protocol

from tidegate.core.digest import Digest
from tidegate.core.errors import VerificationError


class BlobStore(Protocol):
    """Immutable bytes by their SHA-256, of one workspace.

    What every implementation promises (and the contract tests hold it to):

    - *Whole or absent.* A blob can be seen only once all its bytes are durable; a crash or a
      full disk in the middle of :meth:`put` leaves nothing that :meth:`has` or :meth:`list`
      shows.
    - *Idempotent.* Putting what is there already changes nothing and returns the same digest;
      two writers of the same bytes at once both succeed.
    - *Verified.* :meth:`get` never hands out the last bytes of a blob whose hash is wrong; see
      :func:`verified`.
    - *Constant memory.* Streams go through in blocks, whatever their size.
    - *One workspace.* No call reaches, or tells of, another workspace's blobs, even those with
      the same bytes.
    - *Not the judge.* It keeps what it is told to; what may be deleted, policy decides.
    """

    @property
    def workspace(self) -> str:
        """The workspace id."""
        ...

    def put(self, stream: BinaryIO, *, limit: int | None = None) -> Digest:
        """Store the rest of a stream.

        Args:
            stream: Read to its end, not closed.
            limit: Give up, and store nothing, when there are more bytes.

        Returns:
            The SHA-256 of the bytes.

        Raises:
            SubjectError: More than ``limit`` bytes (``too-large``).
            StoreError: It could not be stored, a full disk included; nothing was.
        """
        ...

    def get(self, digest: Digest) -> Iterator[bytes]:
        """Yield the bytes in blocks; take them as true only when the iteration ends.

        Raises:
            StoreError: There is none (``no-such-blob``), or it can't be read.
            VerificationError: The bytes are not those of the digest (``blob-damaged``).
        """
        ...

    def has(self, digest: Digest) -> bool:
        """Whether it is there; the bytes are not looked at."""
        ...

    def delete(self, digest: Digest) -> bool:
        """Remove it for good, and say whether it was there."""
        ...

    def list(self, *, prefix: str = "") -> Iterator[Digest]:
        """Yield the digests whose hexadecimal begins so, in order, constant in memory."""
        ...


def verified(blocks: Iterable[bytes], digest: Digest) -> Iterator[bytes]:
    """Pass blocks on while hashing; the last one only once the hash is right.

    Raises:
        VerificationError: The bytes are not those of the digest (``blob-damaged``).
    """
    state, held = hashlib.sha256(), b""
    for block in blocks:
        if not block:
            continue
        if held:
            yield held
        state.update(block)
        held = block
    if Digest("sha256", state.hexdigest()) != digest:
        raise VerificationError(
            "stored bytes are not what was put there",
            where=digest.short,
            next_step="restore the blob from a backup, or from where it came",
            slug="blob-damaged",
        )
    if held:
        yield held
