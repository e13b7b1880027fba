"""Examines a 7z archive: its files where the standard library can unpack them, its names always.

LZMA, LZMA2, Deflate, BZip2 and plain copies are unpacked here. What takes another coder (PPMd,
BCJ2, Zstandard) or a password is a gap.
"""

import lzma
import zlib
from collections.abc import Iterator
from stat import S_IFMT, S_ISDIR, S_ISLNK, S_ISREG
from typing import Any, Final

from tidegate.detect.supply.archives.inflate import Expanded, drain
from tidegate.detect.supply.archives.member_names import Names, escaping_link, unsafe_name
from tidegate.detect.supply.archives.seven_zip_layout import (
    ENCODED,
    MAGIC,
    PLAIN,
    Folder,
    HeaderReader,
    Listing,
    Streams,
)
from tidegate.detect.supply.archives.streams import Pump, lzma_filter, open_pump, raw_pump
from tidegate.detect.supply.archives.windows import Window, part_of
from tidegate.detect.supply.budget import BudgetSpentError
from tidegate.detect.supply.formats.word_set import printable
from tidegate.detect.supply.pickles.cursor import Buffer, MalformedError
from tidegate.detect.supply.scan import Scan

_SIGNATURE: Final = 32
_HEADER: Final = 1 << 24
_LEVELS: Final = 4
_COPY, _LZMA, _LZMA2, _DELTA = b"\0", b"\x03\x01\x01", b"\x21", b"\x03"
_AES: Final = b"\x06\xf1\x07\x01"
_STREAMED: Final = {b"\x04\x01\x08": "deflate", b"\x04\x02\x02": "bz2", b"\x04\xf7\x11\x01": "zstd"}
_BRANCHES: Final = {
    b"\x03\x03\x01\x03": lzma.FILTER_X86, b"\x04": lzma.FILTER_X86,
    b"\x03\x03\x05\x01": lzma.FILTER_ARM, b"\x07": lzma.FILTER_ARM,
    b"\x03\x03\x07\x01": lzma.FILTER_ARMTHUMB, b"\x08": lzma.FILTER_ARMTHUMB,
}  # fmt: skip
_DICTIONARY: Final = 1 << 26


def looks_like(data: Buffer) -> bool:
    """Tell whether content has the signature."""
    return data[: len(MAGIC)] == MAGIC


def scan_seven_zip(data: Buffer, scan: Scan) -> None:
    """Examine an archive."""
    head = data[:_SIGNATURE]
    if len(head) < _SIGNATURE:
        scan.gap("a 7z archive that breaks off", failed=True)
        return
    if zlib.crc32(head[12:]) != int.from_bytes(head[8:12], "little"):
        scan.find("archive-integrity", "the start header fails its checksum", 8)
    offset, size = int.from_bytes(head[12:20], "little"), int.from_bytes(head[20:28], "little")
    at = _SIGNATURE + offset
    if at + size > len(data) or size > _HEADER:
        scan.gap("a 7z header that is not there or longer than is read", failed=True)
        return
    if at + size < len(data):
        scan.find("trailing-data", "bytes follow the archive", at + size)
    header = data[at : at + size]
    if zlib.crc32(header) != int.from_bytes(head[28:32], "little"):
        scan.find("archive-integrity", "the header fails its checksum", at)
    try:
        listing = _listing(data, header, scan)
    except (MalformedError, IndexError) as error:
        scan.gap(f"a 7z header that can't be read: {str(error)[:100]}", failed=True)
        return
    if listing is not None:
        _names(listing, scan)
        _contents(data, listing, scan)


def _listing(data: Buffer, header: bytes, scan: Scan) -> Listing | None:
    """Read the header, which may itself be packed."""
    for _ in range(_LEVELS):
        if not header:
            return Listing(Streams(), [], [], [])
        reader = HeaderReader(header)
        mark = reader.byte()
        if mark == PLAIN:
            return reader.listing()
        if mark != ENCODED:
            raise MalformedError(f"the mark {mark}", 0)
        bodies = [body for _, body in _folders(data, reader.streams(), scan)]
        if len(bodies) != 1 or bodies[0] is None:
            return None
        header = bodies[0].body[:_HEADER]
    raise MalformedError("a header packed too often", 0)


def _folders(
    data: Buffer, streams: Streams, scan: Scan
) -> Iterator[tuple[Folder, Expanded | None]]:
    at, index = _SIGNATURE + streams.start, 0
    for folder in streams.folders:
        sizes = streams.packed[index : index + folder.packed]
        index += folder.packed
        yield folder, _unpack(data, folder, at, sum(sizes), scan)
        at += sum(sizes)


def _unpack(data: Buffer, folder: Folder, at: int, packed: int, scan: Scan) -> Expanded | None:
    """Unpack a folder; ``None`` where that can't be, after telling why."""
    methods = [method for method, _ in folder.coders]
    if _AES in methods:
        scan.find("archive-encrypted", "it is encrypted", at)
        return None
    pump = _pump(data, folder, at, min(at + packed, len(data)))
    if pump is None:
        names = "+".join(method.hex() for method in methods)
        scan.gap(f"7z content packed by {names} is not unpacked: unpack it, and scan that")
        return None
    try:
        result = drain(pump, scan.meter, folder.size)
    except BudgetSpentError as error:
        scan.find("archive-bomb", f"a 7z folder {error.problem}", at)
        raise
    if result.error and not len(result.body):
        scan.gap(f"a 7z folder can't be unpacked: {result.error}", failed=True)
        return None
    wrong = folder.crc is not None and result.crc != folder.crc
    if len(result.body) != folder.size or wrong:
        scan.find("archive-integrity", "a 7z folder fails its checksum or size", at)
        if result.error:
            scan.gap(f"a 7z folder can't be unpacked: {result.error}", failed=True)
    return result


def _pump(data: Buffer, folder: Folder, start: int, stop: int) -> Pump | None:
    if folder.order is None:
        return None
    *outer, (method, properties) = folder.coders
    if method == _COPY and not outer:
        return open_pump("stored", data, start, stop)
    if method in _STREAMED and not outer:
        return open_pump(_STREAMED[method], data, start, stop)
    inner = _lzma(method, properties)
    filters = [_filter(*coder) for coder in outer]
    # liblzma loses the tail of LZMA1 behind a branch filter, so only LZMA2 may have some.
    if inner is None or None in filters or (outer and method != _LZMA2):
        return None
    return raw_pump([*[item for item in filters if item], *inner], data, start, stop)


def _lzma(method: bytes, properties: bytes) -> list[dict[str, Any]] | None:
    if method == _LZMA:
        return lzma_filter(properties)
    if method == _LZMA2 and len(properties) == 1 and properties[0] <= 40:  # noqa: PLR2004 - the format's bound
        bits = properties[0]
        size = (2 | bits & 1) << (bits // 2 + 11)
        return [{"id": lzma.FILTER_LZMA2, "dict_size": size}] if size <= _DICTIONARY else None
    return None


def _filter(method: bytes, properties: bytes) -> dict[str, Any] | None:
    if method == _DELTA and len(properties) == 1:
        return {"id": lzma.FILTER_DELTA, "dist": properties[0] + 1}
    return {"id": _BRANCHES[method]} if method in _BRANCHES else None


def _names(listing: Listing, scan: Scan) -> None:
    names = Names()
    for name, mode in zip(listing.names, listing.modes, strict=True):
        scan.meter.member()
        raw, shown, kind = name.encode("utf-8", "surrogatepass"), printable(name), S_IFMT(mode)
        clash = names.add(raw, folder=S_ISDIR(kind))
        if clash:
            scan.find("archive-duplicate", f"{shown} {clash}")
        if unsafe_name(raw):
            scan.find("archive-slip", f"{shown} leads out of the archive")
        if names.through_link(raw):
            scan.find("archive-link", f"{shown} lies beneath a link")
        if S_ISLNK(kind):
            names.add_link(raw)
        elif kind and not (S_ISREG(kind) or S_ISDIR(kind)):
            scan.find("archive-link", f"{shown} is no regular file")


def _contents(data: Buffer, listing: Listing, scan: Scan) -> None:
    """Examine the files, folder by folder."""
    named = [
        (name, mode)
        for name, mode, empty in zip(listing.names, listing.modes, listing.empty, strict=True)
        if not empty
    ]
    files = iter(named)
    for folder, result in _folders(data, listing.streams, scan):
        at = 0
        for size, crc in folder.files:
            name, mode = next(files, ("?", 0))
            if result is not None:
                body = part_of(result.body, at, min(at + size, len(result.body)))
                _file(name, mode, body, crc, scan)
            at += size
    if next(files, None) is not None:
        scan.find("archive-disagreement", "it lists more files than it holds")


def _file(name: str, mode: int, body: bytes | Window, crc: int | None, scan: Scan) -> None:
    shown = printable(name)
    if crc is not None and isinstance(body, bytes) and zlib.crc32(body) != crc:
        scan.find("archive-integrity", f"{shown} fails its checksum")
    if S_ISLNK(S_IFMT(mode)) and escaping_link(name.encode("utf-8", "replace"), body[:4096]):
        scan.find("archive-link", f"{shown} is a link that leads out")
    with scan.inside(shown) as inner:
        scan.descend(inner, body)
