"""Examines an HDF5 file: its structure, what it reads from elsewhere, and the texts in it.

Numbers in datasets are not looked at. Texts are: Keras keeps a model's configuration in
attributes, and PyTables and pandas keep pickles there.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from tidegate.detect.supply.formats.hdf5.datasets import Storage, Unread, examine_storage
from tidegate.detect.supply.formats.hdf5.layout import SIGNATURE, Layout, Message, find_superblock
from tidegate.detect.supply.formats.hdf5.trees import (
    FractalHeap,
    heap_text,
    local_heap,
    tree1,
    tree2,
)
from tidegate.detect.supply.formats.hdf5.values import Link, read_attribute, read_link
from tidegate.detect.supply.formats.json_value import fits
from tidegate.detect.supply.formats.reading import FormatError, Reader, holds_pickle, unreadable
from tidegate.detect.supply.formats.word_set import printable
from tidegate.detect.supply.pickles.cursor import Buffer
from tidegate.detect.supply.scan import Scan
from tidegate.detect.supply.wording import examine_metadata

_LINK_INFO, _LINK, _ATTRIBUTE, _SYMBOLS, _ATTRIBUTES = 0x02, 0x06, 0x0C, 0x11, 0x15
_STORAGE: Final = (0x01, 0x03, 0x07, 0x08, 0x0B)
_KNOWN: Final = (*range(0x1A),)
_EXTERNAL: Final = 64
_MAX_OBJECTS: Final = 1 << 18
_LOOKED_AT: Final = 1 << 20
_PATH: Final = 200
_JSON: Final = (b"{", b"[")


@dataclass(slots=True)
class _Tree:
    """The examination of one file."""

    layout: Layout
    scan: Scan
    todo: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]])
    visited: set[int] = field(default_factory=set[int])


def looks_like(data: Buffer) -> bool:
    """Tell whether content begins with the signature."""
    return data[: len(SIGNATURE)] == SIGNATURE


def hidden_at(data: Buffer) -> int | None:
    """Return where an HDF5 file lies behind other content that HDF5 takes for a user block."""
    at = find_superblock(data)
    return at or None


def scan_hdf5(data: Buffer, scan: Scan) -> None:
    """Examine a file with a superblock."""
    try:
        layout = Layout(data, scan.meter)
        end = layout.end  # counted from the file's first byte, whatever the specification says
        if end > len(data):
            scan.gap(f"the HDF5 file wants {end} bytes and has {len(data)}", failed=True)
        elif end < len(data):
            scan.find("trailing-data", "bytes follow the HDF5 file", end)
        tree = _Tree(layout, scan)
        _enter(tree, layout.root, "")
        while tree.todo:
            address, name = tree.todo.pop()
            _object(tree, address, name)
    except FormatError as error:
        unreadable(scan, "HDF5", error)


def _enter(tree: _Tree, address: int, name: str) -> None:
    if address in tree.visited:
        return
    if len(tree.visited) >= _MAX_OBJECTS:
        raise FormatError("more objects than are examined", address)
    tree.visited.add(address)
    tree.todo.append((address, name))


def _object(tree: _Tree, address: int, name: str) -> None:
    storage = Storage(printable(name, 120) or "/")
    for message in tree.layout.messages(address):
        if message.kind in _STORAGE:
            storage.messages[message.kind] = message
        elif message.kind not in _KNOWN:
            tree.scan.gap(f"an HDF5 message of kind {message.kind}")
        elif message.shared and message.kind in (_ATTRIBUTE, _LINK):
            tree.scan.gap("an HDF5 attribute that is shared between objects")
        else:
            _message(tree, message, name)
    for body in _storage(tree, storage):
        _text(tree, storage.name, body, 0)


def _storage(tree: _Tree, storage: Storage) -> list[bytes]:
    try:
        return examine_storage(tree.layout, storage, tree.scan)
    except Unread as error:
        tree.scan.gap(f"an HDF5 dataset is not read: {error.why}")
        return []


def _message(tree: _Tree, message: Message, name: str) -> None:
    reader = Reader(tree.layout.data, message.start, message.stop)
    if message.kind == _SYMBOLS:
        for link in _symbols(tree.layout, reader):
            _link(tree, link, name)
    elif message.kind == _LINK:
        _link(tree, read_link(tree.layout, reader), name)
    elif message.kind == _LINK_INFO:
        reader.skip(1)
        flags = reader.u8()
        reader.skip(8 if flags & 1 else 0)
        for record in _dense(tree, reader, 4):
            _link(tree, read_link(tree.layout, record), name)
    elif message.kind == _ATTRIBUTES:
        reader.skip(1)
        flags = reader.u8()
        reader.skip(2 if flags & 1 else 0)
        for record in _dense(tree, reader, 0):
            _attribute(tree, record)
    elif message.kind == _ATTRIBUTE:
        _attribute(tree, reader)


def _dense(tree: _Tree, reader: Reader, before: int) -> Iterator[Reader]:
    """Yield the objects that an index by name leads to; each record has its heap identifier."""
    layout = tree.layout
    heap_at, index_at = layout.address(reader), layout.address(reader)
    if heap_at is None or index_at is None:
        return
    heap = FractalHeap(layout, heap_at)
    for record in tree2(layout, index_at):
        record.skip(before)
        yield heap.read(record.take(heap.id_length))


def _symbols(layout: Layout, reader: Reader) -> Iterator[Link]:
    """Yield the links of a group in the old form."""
    tree, heap = reader.number(layout.offset), reader.number(layout.offset)
    names = local_heap(layout, heap)
    for _, node in tree1(layout, tree, 0, layout.length):
        entries = layout.at(node, b"SNOD")
        entries.skip(2)
        count = entries.u16()
        layout.meter.opcode(count)
        for _ in range(count):
            name = heap_text(names, entries.number(layout.offset))
            address = entries.number(layout.offset)
            cached = entries.u32()
            entries.skip(4)
            scratch = entries.take(16)
            if cached == 2:  # noqa: PLR2004 - a soft link
                target = heap_text(names, int.from_bytes(scratch[:4], "little"))
                yield Link(name, None, 1, target)
            else:
                yield Link(name, address)


def _link(tree: _Tree, link: Link, name: str) -> None:
    tree.scan.meter.opcode(1)
    path = f"{name}/{link.name}"[-_PATH:]
    if link.kind == 0 and link.address is not None:
        _enter(tree, link.address, path)
    elif link.kind == _EXTERNAL:
        file = link.target[1:].partition("\0")[0]
        tree.scan.find(
            "external-data",
            f"{printable(path, 80)} is read from the file {printable(file, 120)}",
            about=path,
        )
    elif link.kind > 1:
        tree.scan.gap(f"an HDF5 link of kind {link.kind}")


def _attribute(tree: _Tree, reader: Reader) -> None:
    tree.scan.meter.opcode(1)
    attribute = read_attribute(tree.layout, reader)
    if not attribute.known:
        tree.scan.gap(f"the HDF5 attribute {printable(attribute.name, 80)} is not read")
    for body in attribute.texts:
        _text(tree, attribute.name, body, attribute.at)


def _text(tree: _Tree, name: str, body: bytes, at: int) -> None:
    """Examine what an attribute or a dataset holds that is no number."""
    text = body.strip(b"\0 \t\r\n")
    if not text:
        return
    shown = printable(name, 80)
    if text[:1] in _JSON and not fits(text):
        tree.scan.gap(f"{shown} is longer than is examined", failed=True)
    elif text[:1] in _JSON:
        with tree.scan.inside(shown) as inner:
            tree.scan.descend(inner, text)
    elif holds_pickle(body, tree.scan):
        tree.scan.find("pickle-embedded", f"{shown} holds a pickle", at)
    else:
        examine_metadata(
            shown, text[:_LOOKED_AT].decode("utf-8", "replace"), tree.scan, links=False
        )
