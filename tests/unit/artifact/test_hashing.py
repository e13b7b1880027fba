"""One pass, two digests, and a refusal for everything that is no stable file."""

import hashlib
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from blake3 import blake3

from tidegate.core.artifact import hashing
from tidegate.core.artifact.hashing import (
    THREADED_FROM,
    FileHash,
    blake3_mapped,
    hash_fd,
    hash_file,
    in_order,
)
from tidegate.core.errors import SubjectError, UnreadableSubject

SIZES = [0, 1, 1023, hashing.BLOCK - 1, hashing.BLOCK, hashing.BLOCK + 1, THREADED_FROM,
         THREADED_FROM + 3 * hashing.BLOCK + 7]  # fmt: skip


@pytest.mark.parametrize("size", SIZES)
def test_digests_equal_those_of_the_plain_libraries(tmp_path: Path, size: int) -> None:
    data = (bytes(range(256)) * (size // 256 + 1))[:size] if size < 9_000 else os.urandom(size)
    path = tmp_path / "f"
    path.write_bytes(data)
    found = hash_file(path)
    assert (found.sha256.hex, found.blake3.hex, found.size) == (
        hashlib.sha256(data).hexdigest(),
        blake3(data).hexdigest(),
        size,
    )
    assert blake3_mapped(path) == found.blake3


def test_a_link_that_the_caller_names_is_followed(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"x")
    (tmp_path / "link").symlink_to("f")
    assert hash_file(tmp_path / "link") == hash_file(tmp_path / "f")


def _fifo(path: Path) -> None:
    os.mkfifo(path)


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))


def _loop(path: Path) -> None:
    path.symlink_to(path.name)


@pytest.mark.parametrize(
    ("make", "slug"),
    [
        (_fifo, "special-file"),
        (_socket, "special-file"),
        (Path.mkdir, "is-a-folder"),
        (_loop, "symlink"),
        (str, "no-such-path"),
        (lambda path: path.symlink_to("gone"), "no-such-path"),
        (lambda path: path.symlink_to("/dev/zero"), "special-file"),
    ],
)
def test_what_is_no_file_is_refused_at_once(
    tmp_path: Path, make: Callable[[Path], object], slug: str
) -> None:
    """A FIFO without a writer does not block, a device is not read."""
    make(tmp_path / "s")
    with pytest.raises(SubjectError) as caught:
        hash_file(tmp_path / "s")
    assert caught.value.slug == slug
    assert caught.value.where == str(tmp_path / "s")
    assert caught.value.next_step


@pytest.mark.parametrize("path", ["a\0b", "x" * 300, "nowhere/f"])
def test_an_impossible_path_is_no_such_path(path: str) -> None:
    with pytest.raises(SubjectError) as caught:
        hash_file(path)
    assert caught.value.slug == "no-such-path"


def _append(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"more")


def _truncate(path: Path) -> None:
    os.truncate(path, 10)


def _rewrite(path: Path) -> None:
    """Same size, same modification time: only the change time tells."""
    status = path.stat()
    with path.open("r+b") as file:
        file.write(b"other")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


@pytest.mark.parametrize("size", [1_000, THREADED_FROM + 5])
@pytest.mark.parametrize("change", [_append, _truncate, _rewrite])
def test_a_file_that_changes_while_it_is_read_is_refused(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    size: int,
    change: Callable[[Path], None],
) -> None:
    path = tmp_path / "f"
    path.write_bytes(bytes(size))
    os.utime(path, ns=(0, 0))
    real, changed = hashing._blocks, list[bool]()

    def blocks(fd: int, size: int, where: str) -> Iterator[memoryview]:
        for block in real(fd, size, where):
            yield block
            if not changed:
                changed.append(True)
                change(path)

    monkeypatch.setattr(hashing, "_blocks", blocks)
    with pytest.raises(UnreadableSubject) as caught:
        hash_file(path)
    assert caught.value.slug == "changed-while-read"


def test_a_file_without_permission_is_unreadable(
    tmp_path: Path, as_nobody: Callable[..., str]
) -> None:
    path = tmp_path / "secret"
    path.write_bytes(b"x")
    path.chmod(0)
    assert as_nobody(lambda: hash_file(path)) == "TG-SUB/unreadable"


def test_the_offset_of_the_descriptor_does_not_matter(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"tide")
    fd = os.open(tmp_path / "f", os.O_RDONLY)
    os.lseek(fd, 2, os.SEEK_SET)
    found: FileHash = hash_fd(fd, "f")
    os.close(fd)
    assert found == hash_file(tmp_path / "f")


def test_results_come_in_order_and_errors_come_out() -> None:
    assert list(in_order(lambda n: n * n, range(50), 3)) == [n * n for n in range(50)]
    with pytest.raises(ZeroDivisionError):
        list(in_order(lambda n: 1 // n, [1, 0, 1], 2))
