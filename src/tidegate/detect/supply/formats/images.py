"""Examines PNG, JPEG and GIF: pictures lie beside models, and hold no code if they are whole.

Their blocks are walked from the first byte to the last by the lengths that they state (PNG: ISO/IEC
15948; JPEG: ITU-T T.81, annex B; GIF89a). What follows the end is a finding, a block that does not
fit a gap. Pixels are not decoded. Text in them is examined as metadata.
"""

from typing import Final
from zlib import crc32

from tidegate.detect.supply.pickles.cursor import Buffer
from tidegate.detect.supply.scan import Scan
from tidegate.detect.supply.wording import examine_metadata

PNG: Final = b"\x89PNG\r\n\x1a\n"
_MAX_BLOCKS: Final = 1 << 20
_CHECKED: Final = 1 << 16
"""Bytes of a PNG chunk up to which its checksum is computed, and its text read."""
_TEXTS: Final = frozenset({b"tEXt", b"iTXt"})
_ALONE: Final = frozenset({0x01, *range(0xD0, 0xD8)})
"""JPEG markers without a length."""
_SOS, _EOI, _COMMENT = 0xDA, 0xD9, 0xFE
_GIF_EXTENSION, _GIF_IMAGE, _GIF_END = 0x21, 0x2C, 0x3B


def is_png(data: Buffer) -> bool:
    """Tell whether content has the signature."""
    return data[:8] == PNG


def is_jpeg(data: Buffer) -> bool:
    """Tell whether content begins with a start and a marker."""
    return data[:3] == b"\xff\xd8\xff"


def is_gif(data: Buffer) -> bool:
    """Tell whether content has one of the two signatures."""
    return data[:6] in {b"GIF87a", b"GIF89a"}


def scan_png(data: Buffer, scan: Scan) -> None:
    """Walk the chunks to ``IEND``."""
    at = len(PNG)
    for _ in range(_MAX_BLOCKS):
        head = data[at : at + 8]
        size, kind = int.from_bytes(head[:4], "big"), head[4:]
        end = at + 12 + size
        if len(head) < 8 or end > len(data) or not kind.isalpha():  # noqa: PLR2004 - length and name
            break
        if size <= _CHECKED:
            body = data[at + 4 : end - 4]
            if crc32(body) != int.from_bytes(data[end - 4 : end], "big"):
                scan.gap(f"the checksum of a {kind.decode()} chunk at {at} is wrong")
            if kind in _TEXTS:
                examine_metadata("a text of the picture", body[4:].decode("latin-1"), scan)
        at = end
        if kind == b"IEND":
            _behind(at, data, scan)
            return
    scan.gap(f"the picture is cut off or damaged at {at}")


def scan_jpeg(data: Buffer, scan: Scan) -> None:
    """Walk the segments to the end marker."""
    at = 2
    for _ in range(_MAX_BLOCKS):
        head = data[at : at + 4]
        if len(head) < 2 or head[0] != 0xFF:  # noqa: PLR2004 - a marker
            break
        marker = head[1]
        if marker == 0xFF:  # noqa: PLR2004 - filling
            at += 1
        elif marker == _EOI:
            _behind(at + 2, data, scan)
            return
        elif marker in _ALONE:
            at += 2
        else:
            size = int.from_bytes(head[2:4], "big")
            end = at + 2 + size
            if len(head) < 4 or size < 2 or end > len(data):  # noqa: PLR2004 - a marker and a length
                break
            if marker == _COMMENT:
                text = data[at + 4 : end].decode("latin-1")
                examine_metadata("a comment of the picture", text, scan)
            at = _after_scan(data, end) if marker == _SOS else end
    scan.gap(f"the picture is cut off or damaged at {at}")


def _after_scan(data: Buffer, at: int) -> int:
    """Return where the next marker is: coded data has none but stuffing and restarts."""
    while True:
        at = data.find(b"\xff", at)
        if at < 0 or at + 1 >= len(data):
            return len(data)
        following = data[at + 1]
        if following and following not in _ALONE:
            return at
        at += 2


def scan_gif(data: Buffer, scan: Scan) -> None:
    """Walk the blocks to the trailer."""
    at = 13 + _colours(data[10:11])
    for _ in range(_MAX_BLOCKS):
        kind = data[at : at + 1]
        if kind == bytes([_GIF_END]):
            _behind(at + 1, data, scan)
            return
        if kind == bytes([_GIF_IMAGE]):
            at += 11 + _colours(data[at + 9 : at + 10])
        elif kind == bytes([_GIF_EXTENSION]):
            at += 2
        else:
            break
        while size := int.from_bytes(data[at : at + 1], "big"):
            at += 1 + size
        if at >= len(data):
            break
        at += 1
    scan.gap(f"the picture is cut off or damaged at {at}")


def _colours(packed: bytes) -> int:
    """Return the bytes of a colour table, by the field that tells of it."""
    flags = int.from_bytes(packed, "big")
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _behind(at: int, data: Buffer, scan: Scan) -> None:
    if at < len(data):
        scan.find("trailing-data", f"{len(data) - at} bytes follow the end of the picture", at)
