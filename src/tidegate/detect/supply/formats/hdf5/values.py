"""Reads HDF5's datatypes, dataspaces, links and attributes."""

from dataclasses import dataclass
from math import prod
from typing import Final

from tidegate.detect.supply.formats.hdf5.layout import Layout
from tidegate.detect.supply.formats.hdf5.trees import global_object
from tidegate.detect.supply.formats.reading import FormatError, Reader

STRING, OPAQUE, COMPOUND, REFERENCE, VARIABLE, ARRAY = 3, 5, 6, 7, 9, 10
_FIXED: Final = (STRING, OPAQUE, COMPOUND, ARRAY, REFERENCE)
_OLD_VERSIONS: Final = (1, 2)
_MAX_TEXTS: Final = 1 << 14
_MAX_TEXT: Final = 1 << 24
_MAX_RANK: Final = 32


@dataclass(frozen=True, slots=True)
class Type:
    """A datatype, as far as its class and size go."""

    kind: int
    size: int
    """Bytes an item."""
    text: bool = False
    """Whether a variable-length item is text."""

    @property
    def plain(self) -> bool:
        """Whether items are numbers."""
        return self.kind in (0, 1, 2, 4, 8)


@dataclass(frozen=True, slots=True)
class Link:
    """One link of a group."""

    name: str
    address: int | None
    """The object, for a hard link."""
    kind: int = 0
    """0 hard, 1 soft, 64 external, others user-defined."""
    target: str = ""


def read_type(reader: Reader) -> Type:
    """Read a datatype message's head.

    Raises:
        FormatError: It is none.
    """
    head = reader.u8()
    bits = reader.number(3)
    size = reader.u32()
    if not 1 <= head >> 4 <= 4:  # noqa: PLR2004 - versions
        raise FormatError("a datatype of unknown version", reader.pos)
    kind = head & 15
    return Type(kind, size, text=kind == VARIABLE and bits & 15 == 1)


def read_space(layout: Layout, reader: Reader) -> int:
    """Read a dataspace, and return its number of items.

    Raises:
        FormatError: It is none.
    """
    version, rank, _ = reader.u8(), reader.u8(), reader.u8()
    if version not in _OLD_VERSIONS or rank > _MAX_RANK:
        raise FormatError("a dataspace of unknown shape", reader.pos)
    kind = reader.u8()
    if version == 1:
        reader.skip(4)
        kind = 1 if rank else 0
    if kind == 2:  # noqa: PLR2004 - null
        return 0
    return prod(layout.size(reader) for _ in range(rank))


def read_link(layout: Layout, reader: Reader) -> Link:
    """Read a link message.

    Raises:
        FormatError: It is none.
    """
    if reader.u8() != 1:
        raise FormatError("a link of unknown version", reader.pos)
    flags = reader.u8()
    kind = reader.u8() if flags & 8 else 0
    reader.skip((8 if flags & 4 else 0) + (1 if flags & 16 else 0))
    name = reader.text(reader.number(1 << (flags & 3)))
    if kind == 0:
        return Link(name, layout.address(reader))
    return Link(name, None, kind, reader.text(reader.u16()))


@dataclass(frozen=True, slots=True)
class Attribute:
    """An attribute: its name, and its text where it holds any."""

    name: str
    texts: tuple[bytes, ...]
    at: int
    known: bool
    """Whether its value was read, or needs no reading."""


def read_attribute(layout: Layout, reader: Reader) -> Attribute:
    """Read an attribute message.

    Raises:
        FormatError: It is none.
    """
    at = reader.pos
    version, flags = reader.u8(), reader.u8()
    if version not in (1, 2, 3):
        raise FormatError("an attribute of unknown version", at)
    sizes = [reader.u16() for _ in range(3)]
    if version == 3:  # noqa: PLR2004 - which has a character set
        reader.skip(1)
    step = 8 if version == 1 else 1
    parts: list[Reader] = []
    for size in sizes:
        parts.append(Reader(layout.data, reader.pos, reader.pos + size))
        reader.skip(-(-size // step) * step)
    name = parts[0].text(sizes[0]).rstrip("\0")
    shared = version > 1 and flags & 3
    if shared:
        return Attribute(name, (), at, known=False)
    kind = read_type(parts[1])
    count = read_space(layout, parts[2])
    texts, known = read_texts(layout, reader, kind, count)
    return Attribute(name, texts, at, known=known)


def read_texts(
    layout: Layout, reader: Reader, kind: Type, count: int
) -> tuple[tuple[bytes, ...], bool]:
    """Read the items that could hold text or foreign bytes, and tell whether that was all.

    Raises:
        FormatError: They reach beyond the end.
    """
    if kind.plain or count == 0:
        return (), True
    if kind.kind == VARIABLE:
        return _variable(layout, reader, count)
    size = kind.size * count
    if kind.kind not in _FIXED or size > min(_MAX_TEXT, reader.left):
        return (), False
    body = reader.take(size)
    if kind.kind == STRING and count <= _MAX_TEXTS:
        step = max(kind.size, 1)
        return tuple(body[at : at + step] for at in range(0, size, step)), True
    return (body,), True


def _variable(layout: Layout, reader: Reader, count: int) -> tuple[tuple[bytes, ...], bool]:
    """Read items that lie in global heaps."""
    out: list[bytes] = []
    held = 0
    for _ in range(min(count, _MAX_TEXTS)):
        length = reader.u32()
        address = layout.address(reader)
        index = reader.u32()
        if length == 0 or not address:
            continue
        start, size = global_object(layout, address, index)
        held += size
        if held > _MAX_TEXT:
            return tuple(out), False
        out.append(layout.data[start : start + size])
    return tuple(out), count <= _MAX_TEXTS
