"""Blobs on a disk: whole or absent, verified, of one workspace."""

import errno
import io
import threading
from pathlib import Path

import pytest

from tidegate.core.artifact.blobs import BlobStore
from tidegate.core.digest import Digest, sha256
from tidegate.core.errors import StoreError, SubjectError, VerificationError
from tidegate.store.blobs import LocalBlobs

BIG = bytes(range(256)) * 9_000  # more than two blocks


@pytest.fixture
def blobs(tmp_path: Path) -> LocalBlobs:
    return LocalBlobs(tmp_path / "blobs" / "acme")


class Failing(io.RawIOBase):
    """Gives a block, then fails as a disk does."""

    def __init__(self) -> None:
        super().__init__()
        self.given = False

    def read(self, size: int = -1) -> bytes:  # noqa: ARG002 - the stream's signature
        if self.given:
            raise OSError(errno.EIO, "gone")
        self.given = True
        return b"x" * 100


@pytest.mark.parametrize("data", [b"", b"a", BIG], ids=["empty", "small", "big"])
def test_what_was_put_is_got(blobs: LocalBlobs, data: bytes) -> None:
    kept: BlobStore = blobs
    digest = kept.put(io.BytesIO(data))
    assert digest == sha256(data)
    assert b"".join(kept.get(digest)) == data
    assert kept.put(io.BytesIO(data)) == digest
    assert kept.has(digest)
    assert list(kept.list()) == [digest]
    assert kept.workspace == "acme"


def test_deleting_says_whether_it_was_there(blobs: LocalBlobs) -> None:
    digest = blobs.put(io.BytesIO(b"a"))
    assert blobs.delete(digest)
    assert not blobs.delete(digest)
    assert not blobs.has(digest)
    with pytest.raises(StoreError) as caught:
        list(blobs.get(digest))
    assert caught.value.slug == "no-such-blob"


@pytest.mark.parametrize(
    "change", [BIG[:-1], BIG + b"x", b"y" + BIG[1:], b""], ids=["short", "long", "edited", "empty"]
)
def test_a_damaged_blob_never_gives_its_last_bytes(blobs: LocalBlobs, change: bytes) -> None:
    digest = blobs.put(io.BytesIO(BIG))
    blobs._path(digest).write_bytes(change)
    got = bytearray()
    with pytest.raises(VerificationError) as caught:
        got.extend(byte for block in blobs.get(digest) for byte in block)
    assert caught.value.slug == "blob-damaged"
    assert len(got) < len(BIG)


def test_a_stream_that_fails_or_is_too_long_leaves_nothing(
    blobs: LocalBlobs, tmp_path: Path
) -> None:
    with pytest.raises(StoreError):
        blobs.put(Failing())  # type: ignore[arg-type]  # enough of a stream
    with pytest.raises(SubjectError) as caught:
        blobs.put(io.BytesIO(BIG), limit=len(BIG) - 1)
    assert caught.value.slug == "too-large"
    assert list(blobs.list()) == []
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    assert blobs.put(io.BytesIO(BIG), limit=len(BIG)) == sha256(BIG)


def test_list_is_in_order_and_by_prefix(blobs: LocalBlobs) -> None:
    digests = sorted(blobs.put(io.BytesIO(bytes([n]))) for n in range(40))
    assert list(blobs.list()) == digests
    for prefix in ("", digests[0].hex[:1], digests[0].hex[:2], digests[5].hex[:9]):
        expected = [digest for digest in digests if digest.hex.startswith(prefix)]
        assert list(blobs.list(prefix=prefix)) == expected


def test_only_sha256_names_a_blob(blobs: LocalBlobs) -> None:
    with pytest.raises(SubjectError):
        blobs.has(Digest("blake3", "ab" * 32))


def test_many_writers_of_the_same_bytes_all_succeed(blobs: LocalBlobs) -> None:
    found: list[Digest] = []
    threads = [
        threading.Thread(target=lambda: found.append(blobs.put(io.BytesIO(BIG)))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [sha256(BIG)] * 8
    assert list(blobs.list()) == [sha256(BIG)]


def test_files_are_private(blobs: LocalBlobs) -> None:
    digest = blobs.put(io.BytesIO(b"a"))
    assert blobs._path(digest).stat().st_mode & 0o077 == 0
