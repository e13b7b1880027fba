"""Reads an HDF5 file's superblock and object headers (HDF5 File Format Specification 3.0).

Every address is checked against the file, every chain against cycles. Checksums are not checked:
a reader that ignores them sees the same content.
"""

from dataclasses import dataclass
from typing import Final

from tidegate.detect.supply.budget import Meter
from tidegate.detect.supply.formats.reading import FormatError, Reader
from tidegate.detect.supply.pickles.cursor import Buffer

SIGNATURE: Final = b"\x89HDF\r\n\x1a\n"
_FIRST_USER_BLOCK: Final = 512
_SIZES: Final = (2, 4, 8)
_CHECKSUM: Final = 4
_MAX_MESSAGES: Final = 1 << 16
_CONTINUATION: Final = 0x10
_SHARED: Final = 0x02


@dataclass(frozen=True, slots=True)
class Message:
    """One message of an object header."""

    kind: int
    flags: int
    start: int
    """First byte of its content, in the file."""
    stop: int

    @property
    def shared(self) -> bool:
        """Whether its content is only a pointer to the message."""
        return bool(self.flags & _SHARED)


def find_superblock(data: Buffer) -> int | None:
    """Return where the superblock lies: at 0, or behind a user block of 512 · 2ⁿ bytes."""
    at = 0
    while at + len(SIGNATURE) <= len(data):
        if data[at : at + len(SIGNATURE)] == SIGNATURE:
            return at
        at = at * 2 or _FIRST_USER_BLOCK
    return None


class Layout:
    """A file's superblock, and how numbers and addresses are written in it.

    Args:
        data: The whole file.
        meter: What may be spent.

    Raises:
        FormatError: It is no HDF5 file, or none that can be read.
    """

    def __init__(self, data: Buffer, meter: Meter) -> None:
        start = find_superblock(data)
        if start is None:
            raise FormatError("no superblock", 0)
        self.data = data
        self.meter = meter
        self.extension: int | None = None
        self._found = 0
        reader = Reader(data, start + len(SIGNATURE))
        self.version = reader.u8()
        if self.version in (0, 1):
            self._old(reader)
        elif self.version in (2, 3):
            self._new(reader)
        else:
            raise FormatError(f"superblock version {self.version}", start)
        if self.base != start:
            raise FormatError("addresses that do not count from the superblock", start)

    def _widths(self, reader: Reader) -> None:
        self.offset, self.length = reader.u8(), reader.u8()
        if self.offset not in _SIZES or self.length not in _SIZES:
            raise FormatError("sizes of offsets and lengths", reader.pos)

    def _old(self, reader: Reader) -> None:
        reader.skip(4)
        self._widths(reader)
        reader.skip(9 if self.version == 0 else 13)
        self.base = reader.number(self.offset)
        reader.skip(self.offset)
        self.end = reader.number(self.offset)
        if not self.undefined(reader.number(self.offset)):
            raise FormatError("a driver that spreads the file over others", reader.pos)
        reader.skip(self.offset)
        self.root = reader.number(self.offset)

    def _new(self, reader: Reader) -> None:
        self._widths(reader)
        reader.skip(1)
        self.base = reader.number(self.offset)
        extension = reader.number(self.offset)
        self.extension = None if self.undefined(extension) else extension
        self.end = reader.number(self.offset)
        self.root = reader.number(self.offset)

    def undefined(self, address: int) -> bool:
        """Tell whether an address stands for none."""
        return address == (1 << (8 * self.offset)) - 1

    def at(self, address: int, signature: bytes = b"") -> Reader:
        """Return a reader at an address, behind a signature that must be there.

        Raises:
            FormatError: The address leads out of the file, or the signature is another.
        """
        reader = Reader(self.data, self.base + address)
        if reader.take(len(signature)) != signature:
            raise FormatError(f"no {signature.decode('ascii')} here", self.base + address)
        return reader

    def address(self, reader: Reader) -> int | None:
        """Read an address; ``None`` where it stands for none.

        Raises:
            FormatError: Fewer bytes are left.
        """
        value = reader.number(self.offset)
        return None if self.undefined(value) else value

    def size(self, reader: Reader) -> int:
        """Read a length.

        Raises:
            FormatError: Fewer bytes are left.
        """
        return reader.number(self.length)

    def messages(self, address: int) -> list[Message]:
        """Return an object header's messages, continuations included.

        Raises:
            FormatError: There is no object header.
        """
        reader = self.at(address)
        self._found = 0
        if self.data[reader.pos : reader.pos + 4] == b"OHDR":
            return self._messages2(reader)
        return self._messages1(reader)

    def _messages1(self, reader: Reader) -> list[Message]:
        if reader.u8() != 1:
            raise FormatError("an object header of unknown version", reader.pos)
        reader.skip(1)
        count = reader.u16()
        reader.skip(4)
        size = reader.u32()
        reader.skip(4)
        todo = [(reader.pos, size)]
        out: list[Message] = []
        visited: set[int] = set()
        while todo and len(out) < count:
            start, size = todo.pop(0)
            if start in visited:
                raise FormatError("an object header that continues in itself", start)
            visited.add(start)
            part = Reader(self.data, start, start + size)
            while part.left >= 8 and len(out) < count:  # noqa: PLR2004 - a message's own header
                kind, length, flags = part.u16(), part.u16(), part.u8()
                part.skip(3)
                out.append(self._message(kind, flags, part, length, todo))
        return out

    def _messages2(self, reader: Reader) -> list[Message]:
        reader.skip(4)
        if reader.u8() != 2:  # noqa: PLR2004 - the only version
            raise FormatError("an object header of unknown version", reader.pos)
        flags = reader.u8()
        reader.skip((16 if flags & 0x20 else 0) + (4 if flags & 0x10 else 0))
        size = reader.number(1 << (flags & 3))
        todo = [(reader.pos, size)]
        head = 6 if flags & 0x04 else 4
        out: list[Message] = []
        visited: set[int] = set()
        while todo:
            start, size = todo.pop(0)
            if start in visited:
                raise FormatError("an object header that continues in itself", start)
            visited.add(start)
            part = Reader(self.data, start, start + size)
            if len(visited) > 1:
                if part.take(4) != b"OCHK":
                    raise FormatError("no continuation here", start)
                part.end -= _CHECKSUM
            while part.left >= head:
                kind, length, message_flags = part.u8(), part.u16(), part.u8()
                part.skip(head - 4)
                out.append(self._message(kind, message_flags, part, length, todo))
        return out

    def _message(
        self, kind: int, flags: int, part: Reader, length: int, todo: list[tuple[int, int]]
    ) -> Message:
        self.meter.opcode(1)
        start = part.pos
        part.skip(length)
        self._found += 1
        if self._found > _MAX_MESSAGES:
            raise FormatError("more messages than are read in one object", start)
        if kind == _CONTINUATION:
            inner = Reader(self.data, start, part.pos)
            place = self.base + inner.number(self.offset)
            todo.append((place, self.size(inner)))
        return Message(kind, flags, start, part.pos)
