"""Examines XGBoost's Universal Binary JSON.

UBJSON (https://ubjson.org, draft 12) as XGBoost writes it: lengths of any integer type, typed
arrays as raw numbers, no high-precision numbers. Numbers are passed over, texts are examined.
"""

from typing import Final

from tidegate.core.canonical import Json
from tidegate.detect.supply.formats.xgboost_json import examine_learner, is_learner
from tidegate.detect.supply.pickles.cursor import Buffer, MalformedError, first_content
from tidegate.detect.supply.scan import Scan

_WIDTHS: Final = {b"i": 1, b"U": 1, b"I": 2, b"l": 4, b"L": 8, b"d": 4, b"D": 8, b"C": 1}
_INTEGERS: Final = frozenset((b"i", b"U", b"I", b"l", b"L"))
_WORDS: Final[dict[bytes, Json]] = {b"Z": None, b"T": True, b"F": False}
_DEPTH: Final = 32
_PARTS: Final = 300_000
_TEXT: Final = 1 << 20
_NAME_ROOM: Final = 128


def looks_like(data: Buffer) -> bool:
    """Tell whether content opens an object whose first key has a length marker."""
    if data[:1] != b"{" or data[1:2] not in _INTEGERS:
        return False
    width = _WIDTHS[data[1:2]]
    length = int.from_bytes(data[2 : 2 + width], "big")
    name = data[2 + width : 2 + width + length] if 0 < length < _NAME_ROOM else b""
    return name.isascii() and name.replace(b"_", b"a").isalnum()


def scan_ubj(data: Buffer, scan: Scan) -> None:
    """Examine a document."""
    reader = _Reader(data, scan)
    try:
        value = reader.value(data[:1], 0)
    except MalformedError as error:
        scan.gap(f"UBJSON that can't be read: {error.why} at {error.offset}", failed=True)
        return
    if first_content(data, reader.at) < len(data):
        scan.find("trailing-data", "bytes follow the document", reader.at)
    if not is_learner(value):
        scan.gap("UBJSON that is no XGBoost model is not examined")
    else:
        examine_learner(value, scan)


class _Reader:
    """Reads values; arrays of numbers become empty lists."""

    def __init__(self, data: Buffer, scan: Scan) -> None:
        self.data = data
        self.scan = scan
        self.at = 1
        self._parts = 0

    def _take(self, size: int) -> bytes:
        if size < 0 or size > len(self.data) - self.at:
            raise MalformedError(f"{size} bytes wanted", self.at)
        self.at += size
        return self.data[self.at - size : self.at]

    def _number(self, mark: bytes) -> int:
        if mark not in _INTEGERS:
            raise MalformedError("no length", self.at)
        return int.from_bytes(self._take(_WIDTHS[mark]), "big", signed=mark != b"U")

    def _text(self) -> str:
        size = self._number(self._take(1))
        if size > _TEXT:
            raise MalformedError("a text longer than is read", self.at)
        try:
            return self._take(size).decode()
        except UnicodeDecodeError:
            raise MalformedError("a text that is none", self.at) from None

    def value(self, mark: bytes, depth: int) -> Json:
        """Read the value behind a marker.

        Raises:
            MalformedError: It is none, or more than is read.
        """
        self._parts += 1
        if depth > _DEPTH or self._parts > _PARTS:
            raise MalformedError("more than is read", self.at)
        if mark in _WORDS:
            return _WORDS[mark]
        if mark == b"S":
            return self._text()
        if mark in _WIDTHS:
            self._take(_WIDTHS[mark])
            return 0
        if mark == b"{":
            return self._object(depth)
        if mark == b"[":
            return self._array(depth)
        raise MalformedError(f"the marker {mark!r}", self.at)

    def _object(self, depth: int) -> dict[str, Json]:
        found: dict[str, Json] = {}
        while True:
            mark = self._take(1)
            if mark == b"}":
                return found
            self.at -= 1
            key = self._text()
            if key in found:
                self.scan.find("header-malformed", f"the key {key[:40]!r} is there twice", self.at)
            found[key] = self.value(self._take(1), depth + 1)

    def _array(self, depth: int) -> list[Json]:
        mark = self._take(1)
        kind = b""
        if mark == b"$":
            kind, mark = self._take(1), self._take(1)
            if kind not in _WIDTHS or mark != b"#":
                raise MalformedError("a typed array without a count", self.at)
        if mark == b"#":
            count = self._number(self._take(1))
            if kind:
                self._skip(count * _WIDTHS[kind])
                return []
            return [self.value(self._take(1), depth + 1) for _ in range(self._bounded(count))]
        found: list[Json] = []
        while mark != b"]":
            found.append(self.value(mark, depth + 1))
            mark = self._take(1)
        return found

    def _skip(self, size: int) -> None:
        if size < 0 or size > len(self.data) - self.at:
            raise MalformedError(f"{size} bytes wanted", self.at)
        self.at += size

    def _bounded(self, count: int) -> int:
        if count < 0 or count > len(self.data) - self.at:
            raise MalformedError("a count beyond the file", self.at)
        return count
