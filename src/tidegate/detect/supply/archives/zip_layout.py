"""Reads a zip archive's own account of itself, twice: the central directory and the local headers.

Readers differ in which they believe, so each entry is kept with the layout that either would use
(APPNOTE.TXT 6.3.10, sections 4.3.7 to 4.3.16).
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from tidegate.detect.supply.pickles.cursor import Buffer

LOCAL: Final = b"PK\x03\x04"
_CENTRAL: Final = b"PK\x01\x02"
END: Final = b"PK\x05\x06"
_END64: Final = b"PK\x06\x06"
_LOCATOR64: Final = b"PK\x06\x07"
_TAIL: Final = 22 + 0xFFFF
_MAX16: Final = 0xFFFF
_MAX32: Final = 0xFFFFFFFF
_RECORD64: Final = 56
_LOCATOR_SIZE: Final = 20
_UNICODE_PATH: Final = 0x7075
_LOCAL_SIZE: Final = 30
_CENTRAL_SIZE: Final = 46
_END_SIZE: Final = 22
_ENCRYPTED: Final = 0x1 | 0x40 | 0x2000
_STREAMED: Final = 0x8


@dataclass(frozen=True, slots=True)
class Directory:
    """Where the central directory lies."""

    start: int
    size: int
    count: int
    shift: int
    """Bytes before the archive: what is added to each offset."""
    end: int
    """Where the archive ends, comment included."""
    record: int = 0
    """Offset of the end record."""
    odd: str = ""
    """What is wrong with the end records, in a sentence."""


@dataclass(frozen=True, slots=True)
class Header:
    """One entry, as one of its two headers tells it."""

    name: bytes
    method: int
    flags: int
    crc: int
    packed: int
    """Compressed bytes."""
    size: int
    """Bytes after decompression."""
    at: int
    """Offset of the local header."""
    length: int
    """Bytes of this header, name and extra field included."""
    mode: int = 0
    """Unix file mode, from the central directory."""
    note: bytes = b""
    """Comment, from the central directory."""
    other_name: bytes = b""
    """Name by the Unicode path field, which some readers prefer."""

    @property
    def encrypted(self) -> bool:
        """Whether the flags say so."""
        return bool(self.flags & _ENCRYPTED)

    @property
    def streamed(self) -> bool:
        """Whether checksum and sizes follow the data."""
        return bool(self.flags & _STREAMED)


def find_directory(data: Buffer) -> Directory | None:
    """Find the end record that common readers take: the last one in the file."""
    floor = max(0, len(data) - _TAIL)
    at = data.rfind(END, floor)
    while at >= 0:
        found = _directory_at(data, at)
        if found is not None:
            return found
        at = data.rfind(END, floor, at + 3)
    return None


def _directory_at(data: Buffer, at: int) -> Directory | None:
    if len(data) - at < _END_SIZE:
        return None
    disk, start_disk, here, count, size, offset, comment = struct.unpack(
        "<HHHHIIH", data[at + 4 : at + _END_SIZE]
    )
    end = at + _END_SIZE + comment
    stop = at
    odd = "it claims to span several disks" if disk or start_disk or here != count else ""
    small = (count, size, offset)
    if data[at - 20 : at - 16] == _LOCATOR64 and at >= 20:  # noqa: PLR2004 - the locator's size
        (place,) = struct.unpack("<Q", data[at - 12 : at - 4])
        record = _record64(data, place, at)
        if record is None:
            return None
        stop, count, size, offset = record
        odd = _widening(small, (count, size, offset), stop, at)
    start = stop - size
    if start < 0 or end > len(data):
        return None
    if size and data[start : start + 4] != _CENTRAL:
        return None
    return Directory(start, size, count, start - offset, end, at, odd)


def _widening(small: tuple[int, int, int], wide: tuple[int, int, int], record: int, at: int) -> str:
    """Say where the 64-bit end record contradicts the other one, which some readers take."""
    full = (_MAX16, _MAX32, _MAX32)
    if any(a not in (top, b) for a, b, top in zip(small, wide, full, strict=True)):
        return "its two end records contradict each other"
    return "" if record + _RECORD64 + _LOCATOR_SIZE == at else "bytes lie between its end records"


def _record64(data: Buffer, place: int, at: int) -> tuple[int, int, int, int] | None:
    found = (
        place if data[place : place + 4] == _END64 else data.rfind(_END64, max(0, at - 4096), at)
    )
    if found < 0 or found + 56 > at:
        return None
    count, size, offset = struct.unpack("<QQQ", data[found + 32 : found + 56])
    return found, count, size, offset


def central_headers(data: Buffer, directory: Directory) -> Iterator[Header | None]:
    """Yield the central directory's entries; ``None`` once, where it breaks off."""
    at, stop = directory.start, directory.start + directory.size
    while at < stop:
        if data[at : at + 4] != _CENTRAL or at + _CENTRAL_SIZE > stop:
            yield None
            return
        fields = struct.unpack("<HHHHHHIIIHHHHHII", data[at + 4 : at + _CENTRAL_SIZE])
        _, _, flags, method, _, _, crc, packed, size, name_size, extra_size, note_size = fields[:12]
        mode, offset = fields[14] >> 16, fields[15]
        name = data[at + _CENTRAL_SIZE : at + _CENTRAL_SIZE + name_size]
        extra_at = at + _CENTRAL_SIZE + name_size
        extra = data[extra_at : extra_at + extra_size]
        size, packed, offset = _wide(extra, size, packed, offset)
        length = _CENTRAL_SIZE + name_size + extra_size + note_size
        place = offset + directory.shift
        note = data[extra_at + extra_size : at + length]
        other = _unicode_path(extra)
        yield Header(name, method, flags, crc, packed, size, place, length, mode, note, other)
        at += length


def local_header(data: Buffer, at: int) -> Header | None:
    """Read the local header at an offset."""
    if at < 0 or data[at : at + 4] != LOCAL or at + _LOCAL_SIZE > len(data):
        return None
    fields = struct.unpack("<HHHHHIIIHH", data[at + 4 : at + _LOCAL_SIZE])
    _, flags, method, _, _, crc, packed, size, name_size, extra_size = fields
    length = _LOCAL_SIZE + name_size + extra_size
    if at + length > len(data):
        return None
    name = data[at + _LOCAL_SIZE : at + _LOCAL_SIZE + name_size]
    extra = data[at + _LOCAL_SIZE + name_size : at + length]
    size, packed, _ = _wide(extra, size, packed, 0)
    return Header(name, method, flags, crc, packed, size, at, length)


def _unicode_path(extra: bytes) -> bytes:
    """Return the name of APPNOTE's section 4.6.9."""
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack("<HH", extra[at : at + 4])
        if kind == _UNICODE_PATH:
            return extra[at + 9 : at + 4 + length]
        at += 4 + length
    return b""


def _wide(extra: bytes, size: int, packed: int, offset: int) -> tuple[int, int, int]:
    """Take 64-bit values from the extra field where the 32-bit ones are full."""
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack("<HH", extra[at : at + 4])
        body = extra[at + 4 : at + 4 + length]
        if kind == 1:
            values = [int.from_bytes(body[i : i + 8], "little") for i in range(0, len(body) - 7, 8)]
            out = [
                values.pop(0) if value == _MAX32 and values else value
                for value in (size, packed, offset)
            ]
            return out[0], out[1], out[2]
        at += 4 + length
    return size, packed, offset
