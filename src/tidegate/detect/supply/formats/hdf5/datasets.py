"""Checks how an HDF5 dataset is stored: within the file, within bounds, by known filters."""

from dataclasses import dataclass, field
from typing import Final

from tidegate.detect.supply.formats.hdf5.layout import Layout, Message
from tidegate.detect.supply.formats.hdf5.trees import heap_text, local_heap, tree1
from tidegate.detect.supply.formats.hdf5.values import Type, read_space, read_texts, read_type
from tidegate.detect.supply.formats.reading import FormatError, Reader
from tidegate.detect.supply.formats.word_set import printable
from tidegate.detect.supply.scan import Scan

_SPACE, _TYPE, _EXTERNAL, _LAYOUT, _FILTERS = 0x01, 0x03, 0x07, 0x08, 0x0B
_COMPACT, _CONTIGUOUS, _CHUNKED, _VIRTUAL = 0, 1, 2, 3
_BUILT_IN: Final = (1, 2, 3, 4, 5, 6, 32000)
"""deflate, shuffle, fletcher32, szip, nbit, scale-offset, and h5py's own lzf."""
_NAMED_FROM: Final = 256
_SINGLE: Final = 1
_BYTES_LOOKED_AT: Final = 1 << 24


class Unread(Exception):  # noqa: N818 - a result on its way up, not a failure
    """A part that is in order as far as can be told, and that is not read.

    Args:
        why: What it is.
    """

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


@dataclass(slots=True)
class Storage:
    """An object's messages about storage."""

    name: str
    messages: dict[int, Message] = field(default_factory=dict[int, Message])


def examine_storage(layout: Layout, storage: Storage, scan: Scan) -> list[bytes]:
    """Check a dataset's storage, and return the texts and foreign bytes in it.

    Raises:
        FormatError: A message can't be read.
        Unread: It holds texts in a form that is not read.
    """
    messages = storage.messages
    if _EXTERNAL in messages:
        _external(layout, messages[_EXTERNAL], storage.name, scan)
    if _LAYOUT not in messages:
        return []
    if any(message.shared for kind, message in messages.items() if kind != _TYPE):
        raise Unread("messages that are shared between objects")
    if _FILTERS in messages:
        _filters(layout, messages[_FILTERS], scan)
    if _TYPE not in messages or _SPACE not in messages:
        raise FormatError("a dataset without type or shape", messages[_LAYOUT].start)
    kind = _type(layout, messages[_TYPE])
    count = read_space(layout, _reader(layout, messages[_SPACE]))
    external = _EXTERNAL in messages
    return _layout(layout, storage, kind, 0 if external else count, scan)


def _reader(layout: Layout, message: Message) -> Reader:
    return Reader(layout.data, message.start, message.stop)


def _type(layout: Layout, message: Message) -> Type:
    reader = _reader(layout, message)
    if not message.shared:
        return read_type(reader)
    version, kind = reader.u8(), reader.u8()
    if version == 1:
        reader.skip(6)
    if version not in (1, 2, 3) or (version == 3 and kind != 2):  # noqa: PLR2004 - committed
        raise Unread("a datatype in the table of shared messages")
    for inner in layout.messages(reader.number(layout.offset)):
        if inner.kind == _TYPE and not inner.shared:
            return read_type(_reader(layout, inner))
    raise FormatError("a committed datatype that is none", message.start)


def _external(layout: Layout, message: Message, name: str, scan: Scan) -> None:
    reader = _reader(layout, message)
    reader.skip(6)
    count = reader.u16()
    names = local_heap(layout, reader.number(layout.offset))
    for _ in range(count):
        file = heap_text(names, layout.size(reader))
        reader.skip(2 * layout.length)
        scan.find(
            "external-data",
            f"{name} is read from the file {printable(file, 120)}",
            message.start,
            about=f"{name} {file}",
        )


def _filters(layout: Layout, message: Message, scan: Scan) -> None:
    reader = _reader(layout, message)
    version, count = reader.u8(), reader.u8()
    if version == 1:
        reader.skip(6)
    for _ in range(count):
        number = reader.u16()
        named = reader.u16() if version == 1 or number >= _NAMED_FROM else 0
        reader.skip(2)
        values = reader.u16()
        reader.skip(-(-named // 8) * 8 if version == 1 else named)
        reader.skip(4 * values + (4 if version == 1 and values % 2 else 0))
        if number not in _BUILT_IN:
            scan.find(
                "custom-code",
                f"the HDF5 filter {number} is a plugin that must come from elsewhere",
                message.start,
                about=str(number),
            )


def _layout(layout: Layout, storage: Storage, kind: Type, count: int, scan: Scan) -> list[bytes]:
    message = storage.messages[_LAYOUT]
    reader = _reader(layout, message)
    version = reader.u8()
    rank = 0
    if version in (1, 2):
        rank, form = reader.u8(), reader.u8()
        reader.skip(5)
    elif version in (3, 4):
        form = reader.u8()
    else:
        raise FormatError(f"a storage layout of version {version}", message.start)
    if form == _COMPACT:
        reader.skip(4 * rank)
        size = reader.number(4 if rank else 2)
        return _held(layout, Reader(reader.data, reader.pos, reader.pos + size), kind, count)
    if form == _CONTIGUOUS:
        start = _contiguous(layout, storage.name, reader, kind.size * count, scan)
        return [] if start is None else _held(layout, start, kind, count)
    if form == _CHUNKED:
        if version == 4:  # noqa: PLR2004 - with indices of several kinds
            _chunked4(layout, reader)
        else:
            rank = rank or reader.u8()
            _chunked(layout, layout.address(reader), rank)
        if not kind.plain:
            raise Unread("texts in chunks")
    elif form == _VIRTUAL:
        why = f"{storage.name} is put together from other datasets and files"
        scan.find("external-data", why, message.start, about=storage.name)
    else:
        raise FormatError("a storage layout of unknown kind", message.start)
    return []


def _held(layout: Layout, reader: Reader, kind: Type, count: int) -> list[bytes]:
    if kind.plain:
        single = kind.size == 1 and 0 < reader.left <= _BYTES_LOOKED_AT
        return [reader.take(reader.left)] if single else []
    found, whole = read_texts(layout, reader, kind, count)
    if not whole:
        raise Unread("texts that are too many or of an unknown kind")
    return list(found)


def _contiguous(layout: Layout, name: str, reader: Reader, size: int, scan: Scan) -> Reader | None:
    """Return a reader over a dataset's bytes, where it has any and they lie in the file."""
    address = layout.address(reader)
    if address is None or size == 0:
        return None
    start = layout.base + address
    if size > len(layout.data) - start:
        scan.find("header-malformed", f"{name} reaches beyond the end of the file", start)
        return None
    return Reader(layout.data, start, start + size)


def _chunked(layout: Layout, address: int | None, rank: int) -> None:
    """Check that each chunk lies within the file."""
    if address is not None:
        for key, place in tree1(layout, address, 1, 8 + 8 * rank):
            _chunk(layout, place, int.from_bytes(key[:4], "little"))


def _chunk(layout: Layout, address: int, size: int) -> None:
    if layout.base + address + size > len(layout.data):
        raise FormatError("a chunk that reaches beyond the end of the file", layout.base + address)


def _chunked4(layout: Layout, reader: Reader) -> None:
    flags, rank, width = reader.u8(), reader.u8(), reader.u8()
    reader.skip(rank * width)
    if reader.u8() != _SINGLE:
        raise Unread("chunks in an index of the newer kinds")
    size = layout.size(reader) if flags & 2 else 0
    reader.skip(4 if flags & 2 else 0)
    address = layout.address(reader)
    if address is not None:
        _chunk(layout, address, size)
