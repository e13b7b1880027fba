r"""Parts of a buffer that are looked at without being copied: a stored member, a long stretch.

>>> part = Part(b"..PK\3\4..", 2, 6)
>>> len(part), part[:2], part.find(b"\3"), part[0]
(4, b'PK', 2, 80)
"""

import mmap
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Final, overload

SMALL: Final = 1 << 23
"""Content up to this size is copied, and so quick to read; longer content is read in place."""
BLOCK: Final = 1 << 20
"""What is read at once of long content."""


class Window(ABC):
    """Bytes that are fetched when they are asked for: a slice, an index, a search."""

    @abstractmethod
    def __len__(self) -> int:
        """Return the number of bytes."""

    @abstractmethod
    def fetch(self, start: int, stop: int) -> bytes:
        """Return bytes; ``0 <= start <= stop <= len``."""

    @overload
    def __getitem__(self, key: int) -> int: ...

    @overload
    def __getitem__(self, key: slice) -> bytes: ...

    def __getitem__(self, key: int | slice) -> int | bytes:
        if isinstance(key, slice):
            start, stop, step = key.indices(len(self))
            body = self.fetch(start, max(start, stop)) if step > 0 else b""
            return body if step == 1 else body[::step]
        at = key + len(self) if key < 0 else key
        if not 0 <= at < len(self):
            raise IndexError("index out of range")
        return self.fetch(at, at + 1)[0]

    def find(self, sub: bytes, start: int = 0, stop: int | None = None) -> int:
        """Return the first place of bytes, or -1; as of ``bytes``."""
        at, end, _ = slice(start, stop).indices(len(self))
        while at < end:
            body = self.fetch(at, min(end, at + BLOCK + len(sub) - 1))
            found = body.find(sub)
            if found >= 0:
                return at + found
            at += BLOCK
        return -1

    def rfind(self, sub: bytes, start: int = 0, stop: int | None = None) -> int:
        """Return the last place of bytes, or -1; as of ``bytes``."""
        begin, end, _ = slice(start, stop).indices(len(self))
        at = end
        while at > begin:
            low = max(begin, at - BLOCK)
            body = self.fetch(low, min(end, at + len(sub) - 1))
            found = body.rfind(sub)
            if found >= 0:
                return low + found
            at = low
        return -1


class Part(Window):
    """A stretch of another buffer.

    Args:
        data: The buffer.
        start: First byte.
        stop: Behind the last byte; clipped to the buffer.
    """

    __slots__ = ("_data", "_start", "_stop")

    def __init__(self, data: "bytes | mmap.mmap | Window", start: int, stop: int) -> None:
        self._data = data
        self._start = min(start, len(data))
        self._stop = max(self._start, min(stop, len(data)))

    def __len__(self) -> int:
        return self._stop - self._start

    def fetch(self, start: int, stop: int) -> bytes:
        """Return bytes."""
        begin, end = self._start + start, self._start + stop
        body = self._data[begin:end]
        if isinstance(self._data, mmap.mmap) and end - begin >= BLOCK:
            _forget(self._data, begin, end)
        return body


def _forget(data: mmap.mmap, start: int, stop: int) -> None:
    """Let go of pages that were read, or a large file would fill the memory that is counted."""
    advice = getattr(mmap, "MADV_DONTNEED", None)
    if advice is not None:
        begin = start - start % mmap.PAGESIZE
        data.madvise(advice, begin, stop - begin)


def blocks(
    data: "bytes | mmap.mmap | Window", start: int = 0, stop: int | None = None, more: int = 0
) -> Iterator[tuple[int, bytes]]:
    """Yield offsets and blocks, each with so many further bytes of the next one.

    >>> [at for at, block in blocks(bytes(3 << 20), 1 << 20)]
    [1048576, 2097152]
    """
    end = len(data) if stop is None else min(stop, len(data))
    whole = data if isinstance(data, bytes) else Part(data, 0, len(data))
    for at in range(start, end, BLOCK):
        yield at, whole[at : min(end, at + BLOCK + more)]


def part_of(data: "bytes | mmap.mmap | Window", start: int, stop: int) -> "bytes | Window":
    """Return a stretch: copied where it is small, read in place where it is not."""
    return data[start:stop] if stop - start <= SMALL else Part(data, start, stop)
