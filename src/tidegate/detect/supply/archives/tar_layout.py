"""Reads a tar archive's headers: ustar, GNU long names, pax records, sparse marks.

Readers differ in what they let override what, so a member keeps the plain header's name and size
beside those that extensions give it (POSIX.1-2024 pax; GNU tar 1.35, "Basic Tar Format").
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from tidegate.detect.supply.pickles.cursor import Buffer

BLOCK: Final = 512
_EXTENSION: Final = 1 << 20
"""Largest extension header that is read."""
_MAX_SIZE: Final = 1 << 62


@dataclass(slots=True)
class TarMember:
    """One member, as its header and the extensions before it tell it."""

    at: int
    """Offset of its header."""
    kind: bytes
    """Type flag."""
    name: bytes
    link: bytes
    size: int
    start: int
    """Offset of its content."""
    plain_name: bytes
    """The header's own name."""
    plain_size: int
    """The header's own size."""
    sparse: bool = False
    odd: list[str] = field(default_factory=list[str])
    """What is wrong with it, in a few words each."""


@dataclass(slots=True)
class _Extension:
    """What extension headers say about the next member, or about all that follow."""

    values: dict[str, bytes] = field(default_factory=dict[str, bytes])
    odd: list[str] = field(default_factory=list[str])
    kinds: set[bytes] = field(default_factory=set[bytes])


class TarReader:
    """Walks an archive; ``at`` is where it stopped, ``error`` why it could not go on.

    Args:
        data: The archive.
    """

    def __init__(self, data: Buffer) -> None:
        self._data = data
        self.at = 0
        self.error: str | None = None
        self._global: dict[str, bytes] = {}

    def __iter__(self) -> Iterator[TarMember]:
        pending = _Extension()
        while True:
            header = self._data[self.at : self.at + BLOCK]
            if len(header) < BLOCK:
                self.error = "it ends without its end mark" if header or not self.at else None
                return
            if not header.strip(b"\0"):
                return
            if not _checksum_fits(header):
                self.error = "a header with a wrong checksum"
                return
            size = number(header[124:136])
            if size is None or size > _MAX_SIZE:
                self.error = "a header without a valid size"
                return
            kind = header[156:157]
            if kind in b"xgLKXN":
                if not self._extend(kind, size, pending):
                    return
                continue
            yield self._member(header, kind, size, pending)
            pending = _Extension()

    def _extend(self, kind: bytes, size: int, pending: _Extension) -> bool:
        """Take an extension header."""
        start = self.at + BLOCK
        body = self._data[start : start + min(size, _EXTENSION)]
        if size > _EXTENSION or len(body) < size:
            self.error = "an extension header longer than is read"
            return False
        self.at = start + _padded(size)
        if kind in pending.kinds:
            pending.odd.append("has two extension headers of one kind")
        pending.kinds.add(kind)
        if kind in (b"L", b"N"):
            pending.values["path"] = body.rstrip(b"\0")
        elif kind == b"K":
            pending.values["linkpath"] = body.rstrip(b"\0")
        else:
            records = pax_records(body)
            if records is None:
                pending.odd.append("has pax records that can't be read")
            elif kind == b"g":
                self._global |= records
                if records.keys() & {"path", "linkpath", "size"}:
                    pending.odd.append("has pax records that rename every member")
            else:
                pending.values |= records
        return True

    def _member(self, header: bytes, kind: bytes, size: int, pending: _Extension) -> TarMember:
        name = _text(header[0:100])
        prefix = _text(header[345:500]) if header[257:263] == b"ustar\0" else b""
        plain = prefix + b"/" + name if prefix else name
        told = self._global | pending.values
        real = size
        if "size" in told:
            real = int(told["size"]) if told["size"].isdigit() else -1
            if real < 0 or (size not in (0, real) and real < 8 << 30):
                pending.odd.append("has two sizes")
            real = min(max(real, 0), _MAX_SIZE)
        sparse = kind == b"S" or any(key.startswith("GNU.sparse") for key in told)
        path = told.get("GNU.sparse.name", told.get("path", plain))
        folder = kind == b"0" and plain.endswith(b"/")
        found = TarMember(
            at=self.at,
            kind=b"5" if folder else kind,
            name=path,
            link=told.get("linkpath", _text(header[157:257])),
            size=real,
            start=self.at + BLOCK,
            plain_name=plain,
            plain_size=size,
            sparse=sparse,
            odd=pending.odd,
        )
        carries = kind not in b"123456"
        if not carries and size:
            found.odd.append("has content that its kind has no place for")
        self.at += BLOCK + (_padded(real) if carries else 0)
        return found


def number(field_: bytes) -> int | None:
    r"""Read a number of a header: octal, or base 256 with the top bit set.

    >>> number(b"0000644\0"), number(b"\x80" + bytes(10) + b"\x09"), number(b"9z")
    (420, 9, None)
    """
    if field_[:1] >= b"\x80":
        value = int.from_bytes(field_, "big", signed=True)
        top = 1 << (8 * len(field_) - 1)
        return value + top if value < 0 and field_[:1] == b"\x80" else None
    digits = field_.strip(b" \0")
    if not digits:
        return 0
    if len(digits.strip(b"01234567")):
        return None
    return int(digits, 8)


def pax_records(body: bytes) -> dict[str, bytes] | None:
    r"""Read pax records; ``None`` where they break off or lie about their length.

    >>> pax_records(b"12 path=abc\n")
    {'path': b'abc'}
    """
    found: dict[str, bytes] = {}
    at = 0
    while at < len(body) and body[at : at + 1] != b"\0":
        space = body.find(b" ", at, at + 20)
        digits = body[at:space]
        if space < 0 or not digits.isdigit():
            return None
        end = at + int(digits)
        record = body[space + 1 : end]
        if end > len(body) or end <= space + 1 or not record.endswith(b"\n") or b"=" not in record:
            return None
        key, _, value = record[:-1].partition(b"=")
        found[key.decode("utf-8", "replace")] = value
        at = end
    return found


def _checksum_fits(header: bytes) -> bool:
    told = number(header[148:156])
    if not told:
        return False
    rest = header[:148] + b" " * 8 + header[156:]
    signed = sum(byte - 256 if byte > 127 else byte for byte in rest)  # noqa: PLR2004 - old tars summed signed bytes
    return told in (sum(rest), signed)


def looks_like(data: Buffer) -> bool:
    """Tell whether content begins with a tar header: its checksum is enough, the mark is not asked.

    A tar without the mark (V7) is read by every program.
    """
    if len(data) < BLOCK:
        return False
    header = data[:BLOCK]
    return header[257:262] == b"ustar" or (header[:1] != b"\0" and _checksum_fits(header))


def _text(raw: bytes) -> bytes:
    return raw.partition(b"\0")[0]


def _padded(size: int) -> int:
    return -(-size // BLOCK) * BLOCK
