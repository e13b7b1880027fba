"""Digests of one file: SHA-256 and BLAKE3 in one pass, constant in memory.

The bytes are read, not mapped: a file that shrinks under a mapping kills the process with
SIGBUS, where a read notices and refuses. SHA-256 bounds the speed, so BLAKE3 runs beside it in
another thread at no cost. For files that nobody else can touch, :func:`blake3_mapped` maps.

>>> from pathlib import Path
>>> from tempfile import TemporaryDirectory
>>> with TemporaryDirectory() as folder:
...     _ = (Path(folder) / "a").write_bytes(b"tide")
...     hash_file(Path(folder) / "a").sha256.short
'sha256:8a28929ac7f9'
"""

import os
import stat
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from io import FileIO
from pathlib import Path
from typing import Self, TypeVar

from blake3 import blake3

from tidegate.core.artifact.refusals import not_opened, refusal, shown
from tidegate.core.digest import Digest

T = TypeVar("T")
R = TypeVar("R")

BLOCK = 1 << 22
"""Bytes read at once: fewer hand-overs between threads when cores are busy."""
THREADED_FROM = 8 << 20
"""File size from which a second thread pays."""
OPEN_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK
"""Never waits for the other end of a FIFO."""
CORES = min(os.cpu_count() or 1, 16)
"""Threads of hashing that pay."""


@dataclass(frozen=True, slots=True)
class FileHash:
    """What one pass over a file tells."""

    sha256: Digest
    blake3: Digest
    size: int
    """Bytes."""


@dataclass(frozen=True, slots=True)
class FileKey:
    """What the kernel says about a file's identity and last change."""

    dev: int
    ino: int
    size: int
    mtime_ns: int
    ctime_ns: int

    @classmethod
    def of(cls, seen: os.stat_result) -> Self:
        """Take it from a status."""
        return cls(seen.st_dev, seen.st_ino, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns)


Hasher = Callable[[int, str], FileHash]
"""Hashes an open file; the text says where, for errors. :func:`hash_fd` or a cached one."""


def hash_file(path: str | os.PathLike[str]) -> FileHash:
    """Hash a regular file; a symbolic link that the caller names is followed.

    Raises:
        SubjectError: No such file (``no-such-path``), a folder (``is-a-folder``), or a FIFO,
            socket or device (``special-file``), which is never opened.
        UnreadableSubject: It can't be read (``unreadable``), or it changed meanwhile
            (``changed-while-read``).
    """
    with opened(path) as (fd, _):
        return hash_fd(fd, shown(path))


def hash_fd(fd: int, where: str) -> FileHash:
    """Hash an open regular file from its start.

    Raises:
        UnreadableSubject: Reading failed, or size, times or inode changed meanwhile.
    """
    slow, fast = sha256(), blake3()
    with unchanged(fd, where) as key:
        if key.size < THREADED_FROM:
            for block in _blocks(fd, key.size, where):
                slow.update(block)
                fast.update(block)
        else:
            for _ in in_order(slow.update, _tee(_blocks(fd, key.size, where), fast.update), 1):
                pass
    both = Digest("sha256", slow.hexdigest()), Digest("blake3", fast.hexdigest())
    return FileHash(*both, key.size)


def blake3_mapped(path: str | os.PathLike[str]) -> Digest:
    """BLAKE3 of a file by memory map on all cores: for files that nobody else can truncate.

    A file of our own store, or on a read-only mount. Elsewhere a truncation would end the
    process with SIGBUS; use :func:`hash_file` there.

    Raises:
        SubjectError: As :func:`hash_file`.
        UnreadableSubject: As :func:`hash_file`.
    """
    with opened(path):
        return Digest("blake3", blake3(max_threads=blake3.AUTO).update_mmap(path).hexdigest())


@contextmanager
def opened(path: str | os.PathLike[str]) -> Generator[tuple[int, FileKey]]:
    """Open a regular file for the block, and refuse at its end one that changed within.

    Raises:
        SubjectError: As :func:`hash_file`.
        UnreadableSubject: As :func:`hash_file`.
    """
    where = shown(path)
    try:
        _check_regular(Path(path).stat(), where)
        fd = os.open(path, OPEN_FLAGS)
    except (OSError, ValueError) as error:
        raise not_opened(error, where) from None
    try:
        _check_regular(os.fstat(fd), where)  # swapped since: O_NONBLOCK did not wait for it
        with unchanged(fd, where) as key:
            yield fd, key
    finally:
        os.close(fd)


@contextmanager
def unchanged(fd: int, where: str) -> Generator[FileKey]:
    """Refuse, at the end of the block, a file whose size, times or inode changed within it.

    A writer within the clock's granularity or through a mapping can escape this look. It
    gains nothing: the digest is of the bytes that were read, and whoever loads them compares.

    Raises:
        UnreadableSubject: It changed (``changed-while-read``), or could not be read.
    """
    try:
        before = FileKey.of(os.fstat(fd))
        yield before
        after = FileKey.of(os.fstat(fd))
    except OSError as error:
        raise not_opened(error, where) from None
    if before != after:
        raise refusal("changed-while-read", where)


def in_order(
    function: Callable[[T], R],
    items: Iterable[T],
    workers: int = CORES,
    *,
    heavy: Callable[[T], bool] = lambda _: True,
) -> Iterator[R]:
    """Map over threads: results in the order of the items, few of them in flight.

    Items that are not heavy are done at once, where a thread would cost more than it saves.
    """
    waiting: deque[Callable[[], R]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        for item in items:
            if heavy(item):
                waiting.append(pool.submit(function, item).result)
            else:
                waiting.append(partial(_same, function(item)))
            if len(waiting) > workers:
                yield waiting.popleft()()
        while waiting:
            yield waiting.popleft()()


def _same(value: R) -> R:
    return value


def _check_regular(status: os.stat_result, where: str) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise refusal("is-a-folder" if stat.S_ISDIR(status.st_mode) else "special-file", where)


def _blocks(fd: int, size: int, where: str) -> Iterator[memoryview]:
    """Yield the file in blocks; refuse one that is longer or shorter than it was said to be.

    Three buffers take turns: a block is overwritten only when two more have been asked for.
    """
    done = 0
    file = FileIO(fd, closefd=False)
    file.seek(0)
    buffers = [bytearray(min(BLOCK, size + 1)) for _ in range(3 if size >= BLOCK else 1)]
    while count := file.readinto(buffer := buffers.pop(0)):
        done += count
        if done > size:  # it grows: a log being written would never end
            break
        yield memoryview(buffer)[:count]
        buffers.append(buffer)
    if done != size:
        raise refusal("changed-while-read", where)


def _tee(
    blocks: Iterable[memoryview], function: Callable[[memoryview], object]
) -> Iterator[memoryview]:
    for block in blocks:
        yield block
        function(block)
