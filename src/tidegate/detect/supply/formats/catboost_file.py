"""Examines a CatBoost model (``.cbm``): its frame, its FlatBuffers core, and the texts in it.

``CBM1``, the length of the core, the core (a ``TModelCore`` table), and parts that the core names.
Loading runs nothing (catboost/libs/model/flatbuffers/model.fbs).
"""

import struct
from typing import Final

from tidegate.detect.supply.formats.json_value import read_json
from tidegate.detect.supply.formats.word_set import printable, words
from tidegate.detect.supply.pickles.cursor import Buffer, MalformedError
from tidegate.detect.supply.scan import Scan
from tidegate.detect.supply.wording import examine_metadata, examine_secrets

MAGIC: Final = b"CBM1"
_HEADER: Final = 8
_VERSION: Final = "FlabuffersModel_v1"
_PARTS: Final = words("""
    static_ctr_provider_v1 text_process_v1 text_process_v2 embedding_process_v1 embedding_process_v2
""")
_ENTRIES: Final = 4_096
_TEXT: Final = 1 << 22


def looks_like(data: Buffer) -> bool:
    """Tell whether content has the magic number."""
    return data[:4] == MAGIC


def scan_catboost(data: Buffer, scan: Scan) -> None:
    """Examine a model."""
    size = int.from_bytes(data[4:_HEADER], "little")
    if size > len(data) - _HEADER:
        scan.find("header-malformed", "the core is longer than the file", 4)
        return
    # Weights fill most of the core, so only what is asked for is read of a long one.
    try:
        parts = _core(_Table(data, _HEADER, size), scan)
    except (MalformedError, struct.error):
        scan.find("header-malformed", "the core can't be read", _HEADER)
        scan.gap("a CatBoost model whose core can't be read", failed=True)
        return
    strange = [name for name in parts if name not in _PARTS]
    for name in strange[:8]:
        scan.gap(f"a CatBoost model with the part {printable(name, 60)!r}, which is not known")
    if not parts and _HEADER + size < len(data):
        scan.find("trailing-data", "bytes follow the model", _HEADER + size)


class _Table:
    """Looks up fields of FlatBuffers tables, within bounds.

    Args:
        data: The file.
        start: First byte of the buffer.
        size: Its length.
    """

    def __init__(self, data: Buffer, start: int, size: int) -> None:
        self._data, self._start, self._size = data, start, size

    def number(self, at: int, form: str = "<I") -> int:
        """Read an integer at an offset of the buffer."""
        width = struct.calcsize(form)
        if at < 0 or at + width > self._size:
            raise MalformedError("an offset out of bounds", at)
        (value,) = struct.unpack(form, self._data[self._start + at : self._start + at + width])
        return int(value)

    def field(self, table: int, index: int) -> int:
        """Return where a field's value lies; 0 where it is absent."""
        vtable = table - self.number(table, "<i")
        if 4 + 2 * index + 2 > self.number(vtable, "<H"):
            return 0
        offset = self.number(vtable + 4 + 2 * index, "<H")
        return table + offset if offset else 0

    def follow(self, at: int) -> int:
        """Return what a relative offset points at."""
        return at + self.number(at)

    def text(self, at: int) -> str:
        """Read the string that a field points at."""
        if not at:
            return ""
        place = self.follow(at)
        size = self.number(place)
        if size > min(_TEXT, self._size - place):
            raise MalformedError("a text out of bounds", at)
        begin = self._start + place + 4
        return self._data[begin : begin + size].decode("utf-8", "replace")

    def items(self, at: int) -> list[int]:
        """Return where the items of a vector of offsets lie."""
        if not at:
            return []
        place = self.follow(at)
        count = self.number(place)
        if count > _ENTRIES:
            raise MalformedError("a vector longer than is read", at)
        return [place + 4 + 4 * i for i in range(count)]


def _core(table: _Table, scan: Scan) -> list[str]:
    """Examine the core, and return the names of the parts behind it."""
    root = table.follow(0)
    version = table.text(table.field(root, 0))
    if version != _VERSION:
        scan.gap(f"a CatBoost model of the version {printable(version, 40)!r}, which is not known")
    for item in table.items(table.field(root, 2)):
        pair = table.follow(item)
        key, value = table.text(table.field(pair, 0)), table.text(table.field(pair, 1))
        if read_json(value.encode()) is None:
            examine_metadata(key[:80], value, scan)
        else:
            examine_secrets(value, scan)
    return [table.text(item).rstrip("\0") for item in table.items(table.field(root, 3))]
