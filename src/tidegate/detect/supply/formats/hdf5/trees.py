"""Reads HDF5's indices: version 1 and 2 B-trees, local heaps, global heaps and fractal heaps."""

from collections.abc import Iterator
from typing import Final

from tidegate.detect.supply.formats.hdf5.layout import Layout
from tidegate.detect.supply.formats.reading import FormatError, Reader

_MAX_DEPTH: Final = 64
_MAX_ITEMS: Final = 1 << 18


def tree1(layout: Layout, address: int, kind: int, key: int) -> Iterator[tuple[bytes, int]]:
    """Yield the leaves of a version 1 B-tree: the key before each, and its address.

    Args:
        layout: The file.
        address: The root node.
        kind: 0 for groups, 1 for chunks.
        key: Bytes a key.

    Raises:
        FormatError: It is no such tree, or one that leads back to itself.
    """
    visited: set[int] = set()
    todo = [(address, _MAX_DEPTH)]
    while todo:
        place, depth = todo.pop()
        if place in visited or depth == 0 or len(visited) > _MAX_ITEMS:
            raise FormatError("a tree that leads back to itself", place)
        visited.add(place)
        reader = layout.at(place, b"TREE")
        if reader.u8() != kind:
            raise FormatError("a tree of another kind", place)
        level, count = reader.u8(), reader.u16()
        reader.skip(2 * layout.offset)
        layout.meter.opcode(count + 1)
        for _ in range(count):
            head = reader.take(key)
            child = reader.number(layout.offset)
            if level == 0:
                yield head, child
            else:
                todo.append((child, depth - 1))


def local_heap(layout: Layout, address: int) -> Reader:
    """Return a reader over a local heap's data.

    Raises:
        FormatError: There is no such heap.
    """
    reader = layout.at(address, b"HEAP")
    reader.skip(4)
    size = layout.size(reader)
    layout.size(reader)
    start = layout.base + reader.number(layout.offset)
    return Reader(layout.data, start, start + size)


def heap_text(heap: Reader, offset: int) -> str:
    """Return the text at an offset of a local heap.

    Raises:
        FormatError: It does not end within the heap.
    """
    start = heap.pos + offset
    stop = heap.data.find(b"\0", start, heap.end) if offset < heap.left else -1
    if stop < 0:
        raise FormatError("a name without its end", start)
    return heap.data[start:stop].decode("utf-8", "backslashreplace")


def global_object(layout: Layout, address: int, index: int) -> tuple[int, int]:
    """Return where an object of a global heap lies: first byte and length.

    Raises:
        FormatError: There is no such object.
    """
    reader = layout.at(address, b"GCOL")
    reader.skip(4)
    reader.end = min(reader.end, layout.base + address + layout.size(reader))
    while reader.left >= 8 + layout.length:
        layout.meter.opcode(1)
        found = reader.u16()
        reader.skip(6)
        size = layout.size(reader)
        start = reader.pos
        if found == index and index:
            reader.skip(size)
            return start, size
        if found == 0:
            break
        reader.skip(min(-(-size // 8) * 8, reader.left))
    raise FormatError("an object that its heap does not hold", layout.base + address)


class FractalHeap:
    """A fractal heap of managed and tiny objects: dense links and attributes.

    Args:
        layout: The file.
        address: The heap's header.

    Raises:
        FormatError: There is none, or it is filtered.
    """

    def __init__(self, layout: Layout, address: int) -> None:
        self._layout = layout
        reader = layout.at(address, b"FRHP")
        reader.skip(1)
        self.id_length = reader.u16()
        filters = reader.u16()
        reader.skip(1)
        biggest = reader.u32()
        reader.skip(layout.length)
        self._huge = layout.address(reader)
        reader.skip(layout.offset + 9 * layout.length)
        self._width = reader.u16()
        self._start, self._direct = layout.size(reader), layout.size(reader)
        bits = reader.u16()
        reader.skip(2)
        self._root = layout.address(reader)
        self._rows = reader.u16()
        valid = 0 < self._start <= self._direct and self._width > 0 and 0 < bits <= 64  # noqa: PLR2004 - bits of an address
        if filters or not valid:
            raise FormatError("a heap that is filtered, or of no valid shape", address)
        self._offset_bytes = -(-bits // 8)
        in_block = -(-(self._direct.bit_length() - 1) // 8)
        self._length_bytes = min(in_block, (biggest.bit_length() + 7) // 8) or 1

    def read(self, identifier: bytes) -> Reader:
        """Return a reader over one object.

        Raises:
            FormatError: There is no such object, or it is stored apart.
        """
        if not identifier:
            raise FormatError("no heap identifier", 0)
        kind = identifier[0] >> 4 & 3
        if kind == 2:  # noqa: PLR2004 - tiny: the object is in the identifier
            return Reader(identifier, 1, 2 + (identifier[0] & 15))
        if kind == 1:
            return self._apart(int.from_bytes(identifier[1:], "little"))
        if kind != 0:
            raise FormatError("a heap identifier of unknown kind", 0)
        number = Reader(identifier, 1)
        offset = number.number(self._offset_bytes)
        size = number.number(self._length_bytes)
        start, block = self._block(offset)
        if start + size > block:
            raise FormatError("an object that reaches out of its block", start)
        return Reader(self._layout.data, start, start + size)

    def _apart(self, number: int) -> Reader:
        """Return a reader over an object that is too large for a block, by its number.

        Raises:
            FormatError: There is no such object.
        """
        layout = self._layout
        if self._huge is not None and self.id_length <= layout.offset + layout.length:
            for record in tree2(layout, self._huge):
                address, size = record.number(layout.offset), layout.size(record)
                if layout.size(record) == number:
                    start = layout.base + address
                    return Reader(layout.data, start, start + size)
        raise FormatError("a large object that its heap does not hold", 0)

    def _block(self, offset: int) -> tuple[int, int]:
        """Return where an offset of the heap lies in the file, and where its block ends."""
        layout = self._layout
        address, rows, base, size = self._root, self._rows, 0, self._start
        direct = self._direct.bit_length() - self._start.bit_length() + 2
        for _ in range(_MAX_DEPTH):
            if address is None:
                break
            layout.meter.opcode(1)
            if rows == 0:
                if offset - base >= size:
                    break
                layout.at(address, b"FHDB")
                start = layout.base + address
                return start + offset - base, start + size
            row, column, first, size = self._cell(offset - base)
            if row >= rows:
                break
            at = row * self._width + column
            reader = layout.at(address, b"FHIB")
            reader.skip(1 + layout.offset + self._offset_bytes + at * layout.offset)
            address = layout.address(reader)
            base += first
            narrow = (self._start * self._width).bit_length()
            rows = 0 if row < direct else size.bit_length() - narrow + 1
        raise FormatError("an object that its heap does not hold", offset)

    def _cell(self, offset: int) -> tuple[int, int, int, int]:
        """Return row, column, first offset and block size of the doubling table at an offset."""
        first, size, row = 0, self._start, 0
        while offset >= first + size * self._width:
            first += size * self._width
            row += 1
            if row > 1:
                size *= 2
            if row > _MAX_DEPTH:
                raise FormatError("an object that its heap does not hold", offset)
        column = (offset - first) // size
        return row, column, first + column * size, size


def tree2(layout: Layout, address: int) -> Iterator[Reader]:
    """Yield the records of a version 2 B-tree.

    Raises:
        FormatError: There is no such tree, or it leads back to itself.
    """
    reader = layout.at(address, b"BTHD")
    reader.skip(2)
    node, record, depth = reader.u32(), reader.u16(), reader.u16()
    reader.skip(2)
    root = layout.address(reader)
    count = reader.u16()
    if root is None:
        return
    if record == 0 or depth > _MAX_DEPTH or node <= 10 + record:
        raise FormatError("a tree of no valid shape", address)
    counts, totals = _widths(layout, node, record, depth)
    todo = [(root, count, depth)]
    visited: set[int] = set()
    while todo:
        place, count, level = todo.pop()
        if place in visited or len(visited) > _MAX_ITEMS:
            raise FormatError("a tree that leads back to itself", place)
        visited.add(place)
        layout.meter.opcode(count + 1)
        reader = layout.at(place, b"BTIN" if level else b"BTLF")
        reader.end = min(reader.end, layout.base + place + node)
        reader.skip(2)
        for _ in range(count):
            start = reader.pos
            reader.skip(record)
            yield Reader(layout.data, start, start + record)
        for _ in range(count + 1 if level else 0):
            child = reader.number(layout.offset)
            inner = reader.number(counts)
            reader.skip(totals[level])
            todo.append((child, inner, level - 1))


def _widths(layout: Layout, node: int, record: int, depth: int) -> tuple[int, list[int]]:
    """Return the bytes of a record count, and by level those of a subtree's total."""
    room = node - 10
    leaf = room // record
    counts = _bytes_for(leaf)
    totals, held = [0, 0], leaf
    for level in range(1, depth + 1):
        pointer = layout.offset + counts + totals[level]
        most = (room - pointer) // (record + pointer)
        held = most + (most + 1) * held
        totals.append(_bytes_for(held))
    return counts, totals


def _bytes_for(value: int) -> int:
    return (value.bit_length() + 7) // 8
