r"""Reads numbers, bytes and texts out of an untrusted binary file, never past its end.

>>> reader = Reader(b"\x02\x00\x00\x00hi", 0)
>>> reader.text(reader.u32())
'hi'
>>> try:
...     reader.u8()
... except FormatError as error:
...     error.problem
'1 bytes wanted, 0 left'
"""

from typing import Final, Literal

from tidegate.core.errors import CheckError
from tidegate.detect.supply.pickles.cursor import Buffer
from tidegate.detect.supply.pickles.scan import probe
from tidegate.detect.supply.scan import Scan

_AT_ONCE: Final = 1 << 26


class FormatError(CheckError):
    """The bytes can't be read as what they claim to be.

    Args:
        why: What is wrong.
        offset: Where.
    """

    def __init__(self, why: str, offset: int) -> None:
        super().__init__(why, where=f"offset {offset}", slug="malformed-format")
        self.why = why
        self.offset = offset


class Reader:
    """A position between two others of a buffer.

    Args:
        data: The whole buffer.
        pos: First byte.
        end: Behind the last byte; the buffer's end where it is ``None``.
        order: Byte order of numbers.
    """

    __slots__ = ("data", "end", "order", "pos")

    def __init__(
        self,
        data: Buffer,
        pos: int,
        end: int | None = None,
        order: Literal["little", "big"] = "little",
    ) -> None:
        self.data = data
        self.end = len(data) if end is None else min(end, len(data))
        if not 0 <= pos <= self.end:
            raise FormatError("a place outside of the file", pos)
        self.pos = pos
        self.order: Literal["little", "big"] = order

    @property
    def left(self) -> int:
        """Bytes up to the end."""
        return self.end - self.pos

    def skip(self, size: int) -> None:
        """Pass over bytes.

        Raises:
            FormatError: Fewer bytes are left, or the size is negative.
        """
        if size < 0 or size > self.end - self.pos:
            raise FormatError(f"{size} bytes wanted, {self.end - self.pos} left", self.pos)
        self.pos += size

    def take(self, size: int) -> bytes:
        """Read bytes.

        Raises:
            FormatError: Fewer bytes are left, or it wants more than 64 MiB at once.
        """
        if size > _AT_ONCE:
            raise FormatError(f"{size} bytes wanted at once", self.pos)
        start = self.pos
        self.skip(size)
        return self.data[start : self.pos]

    def number(self, size: int, *, signed: bool = False) -> int:
        """Read an integer of so many bytes.

        Raises:
            FormatError: Fewer bytes are left.
        """
        return int.from_bytes(self.take(size), self.order, signed=signed)

    def u8(self) -> int:
        """Read one byte.

        Raises:
            FormatError: None is left.
        """
        return self.take(1)[0]

    def u16(self) -> int:
        """Read two bytes.

        Raises:
            FormatError: Fewer are left.
        """
        return self.number(2)

    def u32(self) -> int:
        """Read four bytes.

        Raises:
            FormatError: Fewer are left.
        """
        return self.number(4)

    def u64(self) -> int:
        """Read eight bytes.

        Raises:
            FormatError: Fewer are left.
        """
        return self.number(8)

    def text(self, size: int) -> str:
        """Read UTF-8; what is none is kept as escapes.

        Raises:
            FormatError: Fewer bytes are left.
        """
        return self.take(size).decode("utf-8", "backslashreplace")


def holds_pickle(body: bytes, scan: Scan) -> bool:
    """Tell whether a value of a file is a pickle that imports something."""
    machine = probe(body, scan)
    return machine is not None and bool(machine.imports)


def unreadable(scan: Scan, name: str, error: FormatError) -> None:
    """Tell that a file broke off or made no sense: what lies behind was not examined."""
    scan.gap(f"the {name} file can't be read: {error.why} at {error.offset}", failed=True)
