"""Reads a 7z archive's header: its folders of packed streams, and the files in them.

The format: 7zFormat.txt of the LZMA SDK (public domain). Counts and sizes are bounded by the bytes
that are there.
"""

from dataclasses import dataclass, field
from typing import Final

from tidegate.detect.supply.pickles.cursor import MalformedError

MAGIC: Final = b"7z\xbc\xaf\x27\x1c"
ENCODED, PLAIN = 0x17, 0x01
_ITEMS: Final = 100_000
_CODERS: Final = 4
_NAMES: Final = 1 << 22
(_END, _ARCHIVE, _EXTRA, _STREAMS, _FILES, _PACK, _UNPACK, _SUB, _SIZE, _CRC, _FOLDER, _LENGTHS,
 _COUNTS, _EMPTY, _NAME, _ATTRIBUTES) = (
    0, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 17, 21
)  # fmt: skip


@dataclass(slots=True)
class Folder:
    """One chain of coders, and what comes out of it."""

    coders: list[tuple[bytes, bytes]]
    """Method id and properties of each."""
    order: list[int] | None
    """Where each coder stands in the header, from the one that gives the content to the one that
    takes the packed stream; ``None`` where they are no chain."""
    packed: int = 1
    """How many packed streams it takes."""
    sizes: list[int] = field(default_factory=list[int])
    """Bytes that come out of each coder."""
    crc: int | None = None
    files: list[tuple[int, int | None]] = field(default_factory=list[tuple[int, "int | None"]])
    """Size and checksum of each file in it."""

    @property
    def size(self) -> int:
        """Bytes of content: what the outermost coder gives."""
        first = self.order[0] if self.order else 0
        return self.sizes[first] if self.sizes else 0


@dataclass(slots=True)
class Streams:
    """Where packed streams lie, and the folders that they belong to."""

    start: int = 0
    packed: list[int] = field(default_factory=list[int])
    folders: list[Folder] = field(default_factory=list[Folder])


@dataclass(slots=True)
class Listing:
    """What a header lists."""

    streams: Streams
    names: list[str]
    empty: list[bool]
    modes: list[int]
    """Unix modes; 0 where there is none."""


def _chain(pairs: list[tuple[int, int]], count: int) -> list[int] | None:
    """Order coders by what takes whose output: each pair is (taker, giver)."""
    givers = dict(pairs)
    outermost = set(range(count)) - set(givers.values())
    if len(outermost) != 1:
        return None
    order = [outermost.pop()]
    while order[-1] in givers and len(order) < count:
        order.append(givers[order[-1]])
    return order if len(set(order)) == count and max(order) < count else None


class HeaderReader:
    """Reads the structures of a header.

    Args:
        data: The header.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def _take(self, size: int) -> bytes:
        if size < 0 or size > len(self._data) - self._at:
            raise MalformedError("the header breaks off", self._at)
        self._at += size
        return self._data[self._at - size : self._at]

    def byte(self) -> int:
        """Read a byte.

        Raises:
            MalformedError: None is left.
        """
        return self._take(1)[0]

    def _number(self) -> int:
        first = self.byte()
        value, mask = 0, 0x80
        for shift in range(8):
            if not first & mask:
                return value + ((first & (mask - 1)) << (8 * shift))
            value |= self.byte() << (8 * shift)
            mask >>= 1
        return value

    def _count(self) -> int:
        count = self._number()
        if count > _ITEMS:
            raise MalformedError("more items than are read", self._at)
        return count

    def _expect(self, mark: int) -> None:
        if self.byte() != mark:
            raise MalformedError(f"the mark {mark} is missing", self._at)

    def _bits(self, count: int) -> list[bool]:
        body = self._take((count + 7) // 8)
        return [bool(body[i // 8] & (0x80 >> i % 8)) for i in range(count)]

    def _digests(self, count: int) -> list[int | None]:
        defined = [True] * count if self.byte() else self._bits(count)
        return [int.from_bytes(self._take(4), "little") if known else None for known in defined]

    def streams(self) -> Streams:
        """Read a StreamsInfo.

        Raises:
            MalformedError: It is none.
        """
        found = Streams()
        while (mark := self.byte()) != _END:
            if mark == _PACK:
                self._pack(found)
            elif mark == _UNPACK:
                self._folders(found)
            elif mark == _SUB:
                self._substreams(found)
            else:
                raise MalformedError(f"the mark {mark} among streams", self._at)
        for folder in found.folders:
            if not folder.files:
                folder.files = [(folder.size, folder.crc)]
        return found

    def _pack(self, found: Streams) -> None:
        found.start, count = self._number(), self._count()
        while (mark := self.byte()) != _END:
            if mark == _SIZE:
                found.packed = [self._number() for _ in range(count)]
            elif mark == _CRC:
                self._digests(count)
            else:
                raise MalformedError(f"the mark {mark} among packed streams", self._at)

    def _folders(self, found: Streams) -> None:
        self._expect(_FOLDER)
        count = self._count()
        if self.byte():
            raise MalformedError("folders elsewhere", self._at)
        found.folders = [self._folder() for _ in range(count)]
        self._expect(_LENGTHS)
        for folder in found.folders:
            folder.sizes = [self._number() for _ in folder.coders]
        while (mark := self.byte()) != _END:
            if mark != _CRC:
                raise MalformedError(f"the mark {mark} among folders", self._at)
            for folder, crc in zip(found.folders, self._digests(count), strict=True):
                folder.crc = crc

    def _folder(self) -> Folder:
        count = self._number()
        if not 0 < count <= _CODERS:
            raise MalformedError("a folder of too many coders", self._at)
        coders: list[tuple[bytes, bytes]] = []
        ins = outs = 0
        for _ in range(count):
            flags = self.byte()
            method = self._take(flags & 0xF)
            more_in, more_out = (self._count(), self._count()) if flags & 0x10 else (1, 1)
            coders.append((method, self._take(self._number()) if flags & 0x20 else b""))
            ins, outs = ins + more_in, outs + more_out
        pairs = [(self._number(), self._number()) for _ in range(outs - 1)]
        packed = ins - len(pairs)
        if packed > 1:
            for _ in range(min(packed, _CODERS * _CODERS)):
                self._number()
        order = _chain(pairs, count) if ins == outs == count else None
        if order is None:
            return Folder(coders, None, max(packed, 1))
        return Folder([coders[i] for i in order], order, max(packed, 1))

    def _substreams(self, found: Streams) -> None:
        mark = self.byte()
        counts = [1] * len(found.folders)
        if mark == _COUNTS:
            counts = [self._count() for _ in found.folders]
            mark = self.byte()
        sizes: list[list[int]] = []
        for folder, count in zip(found.folders, counts, strict=True):
            told = [self._number() for _ in range(count - 1)] if mark == _SIZE else []
            rest = folder.size - sum(told)
            if rest < 0:
                raise MalformedError("files larger than their folder", self._at)
            sizes.append([*told, rest] if count else [])
        if mark == _SIZE:
            mark = self.byte()
        unknown = [
            count for folder, count in zip(found.folders, counts, strict=True)
            if count != 1 or folder.crc is None
        ]  # fmt: skip
        crcs: list[int | None] = [None] * sum(unknown)
        while mark != _END:
            if mark != _CRC:
                raise MalformedError(f"the mark {mark} among substreams", self._at)
            crcs = self._digests(sum(unknown))
            mark = self.byte()
        rest_of = iter(crcs)
        for folder, listed in zip(found.folders, sizes, strict=True):
            own = len(listed) == 1 and folder.crc is not None
            folder.files = [(size, folder.crc if own else next(rest_of)) for size in listed]

    def listing(self) -> Listing:
        """Read a Header, behind its mark.

        Raises:
            MalformedError: It is none.
        """
        streams, names, empty, modes = Streams(), list[str](), list[bool](), list[int]()
        while (mark := self.byte()) != _END:
            if mark == _STREAMS:
                streams = self.streams()
            elif mark == _FILES:
                names, empty, modes = self._files()
            elif mark == _ARCHIVE:
                while self.byte() != _END:
                    self._take(self._number())
            else:
                raise MalformedError(f"the mark {mark} in the header", self._at)
        return Listing(streams, names, empty, modes)

    def _files(self) -> tuple[list[str], list[bool], list[int]]:
        count = self._count()
        names, empty, modes = [""] * count, [False] * count, [0] * count
        while (mark := self.byte()) != _END:
            body = HeaderReader(self._take(self._number()))
            if mark == _EMPTY:
                empty = body._bits(count)
            elif mark == _NAME:
                names = body._file_names(count)
            elif mark == _ATTRIBUTES:
                modes = body._modes(count)
        return names, empty, modes

    def _file_names(self, count: int) -> list[str]:
        if self.byte() or len(self._data) > _NAMES:
            raise MalformedError("file names that can't be read", self._at)
        names = self._data[1:].decode("utf-16-le", "replace").split("\0")
        if len(names) <= count and count:
            raise MalformedError("too few file names", self._at)
        return names[:count]

    def _modes(self, count: int) -> list[int]:
        defined = [True] * count if self.byte() else self._bits(count)
        if self.byte():
            raise MalformedError("attributes elsewhere", self._at)
        values = [int.from_bytes(self._take(4), "little") if known else 0 for known in defined]
        return [value >> 16 if value & 0x8000 else 0 for value in values]
