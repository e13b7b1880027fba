"""Reads a pickle's bytes as the C unpickler does, and watches the frames as the Python one does.

The C unpickler takes a frame for a hint to read ahead, and from a file loses bytes of a line that
crosses a frame's end; the pure Python unpickler, which joblib uses, refuses what crosses it. So
what does not keep its frame is a finding, whatever either would make of it.
"""

import mmap
from collections.abc import Callable

from tidegate.core.errors import CheckError
from tidegate.detect.supply.archives.windows import Window, blocks

Buffer = bytes | mmap.mmap | Window
"""What is examined: it has a length, slices that are bytes, ``find`` and ``rfind``."""


def first_content(data: Buffer, pos: int) -> int:
    """Return the place of the first byte from ``pos`` on that is not zero; the end without one."""
    for at, block in blocks(data, pos):
        rest = block.lstrip(b"\0")
        if rest:
            return at + len(block) - len(rest)
    return max(pos, len(data))


class MalformedError(CheckError):
    """The bytes are no complete pickle; an unpickler would stop here as well.

    Args:
        why: What is wrong.
        offset: Where.
    """

    def __init__(self, why: str, offset: int) -> None:
        super().__init__(why, where=f"offset {offset}", slug="malformed-pickle")
        self.why = why
        self.offset = offset


class Cursor:
    """A position in a buffer.

    Args:
        data: The whole buffer.
        start: First byte of the stream.
        on_frame: Called with a sentence where frames are not kept.
    """

    __slots__ = ("_on_frame", "data", "end", "frame_end", "pos")

    def __init__(self, data: Buffer, start: int, on_frame: Callable[[str], None]) -> None:
        self.data = data
        self.pos = start
        self.end = len(data)
        self.frame_end = -1
        self._on_frame = on_frame

    def byte(self) -> int:
        """Read one unsigned byte.

        Raises:
            MalformedError: At the end.
        """
        pos = self.pos
        if pos >= self.end:
            raise MalformedError("it ends before STOP", pos)
        self.pos = pos + 1
        return self.data[pos]

    def number(self, size: int, *, signed: bool = False) -> int:
        """Read a little-endian integer.

        Raises:
            MalformedError: Fewer bytes are left.
        """
        return int.from_bytes(self.take(size), "little", signed=signed)

    def take(self, size: int) -> bytes:
        """Read bytes.

        Raises:
            MalformedError: Fewer bytes are left.
        """
        start = self.pos
        if 0 <= size <= self.end - start:
            self.pos = stop = start + size
            return self.data[start:stop]
        self.skip(size)  # tells what is wrong
        return b""

    def skip(self, size: int) -> None:
        """Pass over bytes.

        Raises:
            MalformedError: Fewer bytes are left, or the size is negative.
        """
        if size < 0 or size > self.end - self.pos:
            raise MalformedError(f"{size} bytes wanted, {self.end - self.pos} left", self.pos)
        self.pos += size

    def line(self, limit: int = 1 << 20) -> bytes:
        """Read up to a newline, and drop it.

        Raises:
            MalformedError: No newline within the limit.
        """
        stop = self.data.find(b"\n", self.pos, min(self.end, self.pos + limit))
        if stop < 0:
            raise MalformedError("a line without its end", self.pos)
        text = self.data[self.pos : stop]
        self.pos = stop + 1
        return text

    def open_frame(self, size: int) -> None:
        """Start a frame.

        Raises:
            MalformedError: It is longer than what is left.
        """
        if size > self.end - self.pos:
            raise MalformedError("a frame is longer than the file", self.pos)
        if self.pos < self.frame_end:
            self._on_frame("a frame begins inside another")
        self.frame_end = self.pos + size

    def leave_frame(self, *, exact: bool = False) -> None:
        """Check the frame after an opcode; ``exact`` before raw bytes, or at STOP."""
        if self.frame_end < 0:
            return
        if self.pos > self.frame_end:
            self._on_frame("an opcode crosses the end of its frame")
        elif exact and self.pos < self.frame_end:
            self._on_frame("a frame goes on where the stream stops")
        if exact or self.pos >= self.frame_end:
            self.frame_end = -1
