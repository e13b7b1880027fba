"""Reads FlatBuffers tables in place: each offset is checked before it is followed.

The binary layout is FlatBuffers' public "internals" page: offsets are relative, tables begin with
the distance to their table of fields, vectors with their length.
"""

from collections.abc import Iterator
from typing import Final

from tidegate.detect.supply.formats.reading import FormatError
from tidegate.detect.supply.pickles.cursor import Buffer

_HEAD: Final = 4
_MAX_TEXT: Final = 1 << 20
_MAX_ITEMS: Final = 1 << 20


def number(data: Buffer, at: int, size: int, *, signed: bool = False) -> int:
    """Read a little-endian integer.

    Raises:
        FormatError: It lies outside of the file.
    """
    if at < 0 or at + size > len(data):
        raise FormatError("an offset that leads out of the file", at)
    return int.from_bytes(data[at : at + size], "little", signed=signed)


class Table:
    """A table at an offset.

    Args:
        data: The whole file.
        at: Where it begins.

    Raises:
        FormatError: It is no table.
    """

    __slots__ = ("_data", "_size", "_start", "at")

    def __init__(self, data: Buffer, at: int) -> None:
        self._data = data
        self.at = at
        start = at - number(data, at, 4, signed=True)
        size = number(data, start, 2)
        if size < _HEAD or size % 2 or start + size > len(data):
            raise FormatError("a table without a valid list of fields", at)
        self._start, self._size = start, size

    @classmethod
    def root(cls, data: Buffer) -> "Table":
        """Return the file's root table.

        Raises:
            FormatError: There is none.
        """
        return cls(data, number(data, 0, 4))

    @property
    def fields(self) -> int:
        """Number of fields that it could have."""
        return (self._size - _HEAD) // 2

    def place(self, field: int) -> int | None:
        """Return where a field's value lies, or ``None`` where it is absent."""
        offset = (
            number(self._data, self._start + _HEAD + 2 * field, 2) if field < self.fields else 0
        )
        return self.at + offset if offset else None

    def number(self, field: int, size: int, *, signed: bool = False) -> int:
        """Return an integer field; 0 where it is absent.

        Raises:
            FormatError: It lies outside of the file.
        """
        at = self.place(field)
        return 0 if at is None else number(self._data, at, size, signed=signed)

    def table(self, field: int) -> "Table | None":
        """Return a table field.

        Raises:
            FormatError: It is none.
        """
        at = self.place(field)
        return None if at is None else Table(self._data, at + number(self._data, at, 4))

    def vector(self, field: int, width: int) -> tuple[int, int]:
        """Return a vector's first byte and its count.

        Args:
            field: Which field.
            width: Bytes an item.

        Raises:
            FormatError: It reaches beyond the end of the file.
        """
        at = self.place(field)
        if at is None:
            return 0, 0
        start = at + number(self._data, at, 4)
        count = number(self._data, start, 4)
        if start + 4 + count * width > len(self._data):
            raise FormatError("a vector that reaches beyond the end of the file", start)
        return start + 4, count

    def tables(self, field: int) -> "Iterator[Table]":
        """Yield a vector of tables.

        Raises:
            FormatError: It holds something else, or more than are read.
        """
        start, count = self.vector(field, 4)
        if count > _MAX_ITEMS:
            raise FormatError(f"{count} tables", start)
        for at in range(start, start + 4 * count, 4):
            yield Table(self._data, at + number(self._data, at, 4))

    def numbers(self, field: int, width: int) -> list[int]:
        """Return a vector of signed integers.

        Raises:
            FormatError: It reaches beyond the end of the file.
        """
        start, count = self.vector(field, width)
        if count > _MAX_ITEMS:
            raise FormatError(f"{count} numbers", start)
        raw = self._data[start : start + width * count]
        return [
            int.from_bytes(raw[i : i + width], "little", signed=True)
            for i in range(0, len(raw), width)
        ]

    def text(self, field: int) -> str:
        """Return a text field; empty where it is absent.

        Raises:
            FormatError: It reaches beyond the end of the file, or is longer than is read.
        """
        start, count = self.vector(field, 1)
        if count > _MAX_TEXT:
            raise FormatError(f"a text of {count} bytes", start)
        return self._data[start : start + count].decode("utf-8", "backslashreplace")
