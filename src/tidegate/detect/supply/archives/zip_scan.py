"""Examines a zip archive: PyTorch checkpoints, npz, Keras, skops, or any other.

Every content that some reader would take is examined: by the central directory, by the local
headers where they differ, and members that the directory leaves out. What contradicts itself is a
finding as well.
"""

import zlib
from collections.abc import Iterator, Sequence
from stat import S_IFMT, S_ISDIR, S_ISREG
from typing import Final

from tidegate.detect.supply.archives.inflate import expand
from tidegate.detect.supply.archives.member_names import unsafe_name
from tidegate.detect.supply.archives.zip_layout import (
    LOCAL,
    Directory,
    Header,
    central_headers,
    find_directory,
    local_header,
)
from tidegate.detect.supply.budget import BudgetSpentError
from tidegate.detect.supply.formats.word_set import printable
from tidegate.detect.supply.pickles.cursor import Buffer
from tidegate.detect.supply.pickles.scan import scan_pickle
from tidegate.detect.supply.scan import Scan

_METHODS: Final = {0: "stored", 8: "deflate", 12: "bz2"}
_MAX_DESCRIPTOR: Final = 24


def scan_zip(data: Buffer, scan: Scan) -> None:
    """Examine an archive."""
    directory = find_directory(data)
    entries: list[Header] = []
    if directory is None:
        scan.find("archive-disagreement", "there is no central directory", 0)
    else:
        entries = _directory_entries(data, directory, scan)
    hidden = _hidden(data, entries, directory, scan)
    plan = _variants(data, entries, scan) + [(header, header) for header in hidden]
    torch = any(_base(header.name) == b"data.pkl" for header, _ in plan)
    storages: dict[str, int] = {}
    later: list[tuple[Header, Header]] = []
    for header, layout in plan:
        if torch and header.name.endswith(b".pkl"):
            storages |= _pickle_member(data, header, layout, scan)
        else:
            later.append((header, layout))
    for header, layout in later:
        if not (torch and _is_storage(header, layout, storages)):
            _member(data, header, layout, scan)


def _directory_entries(data: Buffer, directory: Directory, scan: Scan) -> list[Header]:
    entries: list[Header] = []
    names: set[bytes] = set()
    if directory.shift:
        scan.find("archive-disagreement", "its offsets do not start at its first byte", 0)
    if directory.end < len(data):
        scan.find("trailing-data", "bytes follow the archive", directory.end)
    for header in central_headers(data, directory):
        scan.meter.member()
        if header is None:
            scan.find("archive-disagreement", "the central directory breaks off", directory.start)
            break
        if header.name in names:
            scan.find("archive-duplicate", f"{_shown(header)} is there twice", header.at)
        names.add(header.name)
        _hygiene(header, scan)
        entries.append(header)
    if directory.count != len(entries):
        scan.find("archive-disagreement", "the central directory counts wrong", directory.start)
    return entries


def _hygiene(header: Header, scan: Scan) -> None:
    if unsafe_name(header.name):
        scan.find("archive-slip", f"{_shown(header)} leads out of the archive", header.at)
    kind = S_IFMT(header.mode)
    if kind and not (S_ISREG(kind) or S_ISDIR(kind)):
        scan.find("archive-link", f"{_shown(header)} is no regular file", header.at)
    if header.encrypted:
        scan.find("archive-encrypted", f"{_shown(header)} is marked as encrypted", header.at)


def _variants(data: Buffer, entries: Sequence[Header], scan: Scan) -> list[tuple[Header, Header]]:
    """Pair each entry with the layouts that readers would use for its data."""
    plan: list[tuple[Header, Header]] = []
    for header in entries:
        local = local_header(data, header.at)
        if local is None:
            scan.find("archive-disagreement", f"{_shown(header)} has no local header", header.at)
            continue
        sizes = (header.packed, header.size, header.crc)
        told = (local.packed, local.size, local.crc)
        by_directory = Header(
            header.name, header.method, header.flags, header.crc, header.packed, header.size,
            header.at, local.length, header.mode,
        )  # fmt: skip
        plan.append((header, by_directory))
        differs = local.name != header.name or local.method != header.method
        sizes_differ = sizes != told and not (local.streamed and told == (0, 0, 0))
        if differs or sizes_differ or local.encrypted != header.encrypted:
            scan.find(
                "archive-disagreement",
                f"{_shown(header)} differs between its two headers",
                header.at,
            )
            _hygiene(local, scan)
            if differs or sizes_differ:
                plan.append((local, local))
    return plan


def _hidden(
    data: Buffer, entries: Sequence[Header], directory: Directory | None, scan: Scan
) -> list[Header]:
    """Walk what lies between the entries: members that the directory leaves out, or other data."""
    stop = directory.start if directory else len(data)
    found: list[Header] = []
    for start, end in _gaps(data, entries, stop, scan):
        at = start
        while 0 <= at < end:
            header = local_header(data, at)
            if header is None:
                if data[at:end].strip(b"\0"):
                    scan.find("trailing-data", "bytes lie between the members", at)
                at = data.find(LOCAL, at + 1, end)
                continue
            scan.meter.member()
            scan.find("archive-disagreement", f"{_shown(header)} is missing in the directory", at)
            _hygiene(header, scan)
            found.append(header)
            at += header.length + header.packed
    return found


def _gaps(
    data: Buffer, entries: Sequence[Header], stop: int, scan: Scan
) -> Iterator[tuple[int, int]]:
    position = 0
    for header in sorted(entries, key=lambda entry: entry.at):
        local = local_header(data, header.at)
        end = header.at + (local.length if local else 0) + header.packed
        if header.at < position:
            scan.find("archive-disagreement", f"{_shown(header)} overlaps another", header.at)
        elif header.at > position:
            yield position, header.at
        if (local and local.streamed) or header.streamed:
            end = _after_descriptor(data, end)
        position = max(position, end)
    if position < stop:
        yield position, stop


def _after_descriptor(data: Buffer, at: int) -> int:
    for size in (16, 24, 12, 20):
        signed = data[at : at + 4] == b"PK\x07\x08"
        follows = data[at + size : at + size + 2] == b"PK"
        if follows and signed == (size in (16, _MAX_DESCRIPTOR)):
            return at + size
    return at


def _body(data: Buffer, layout: Header, scan: Scan) -> bytes | None:
    """Return a member's content as a lenient reader would see it."""
    start = layout.at + layout.length
    method = _METHODS.get(layout.method)
    if method is None:
        scan.gap(f"{_shown(layout)} is compressed by an unsupported method")
        return None
    if layout.packed > len(data) - start:
        scan.find("archive-integrity", f"{_shown(layout)} is longer than the archive", layout.at)
    raw = data[start : start + layout.packed]
    if method == "stored":
        scan.meter.expand(len(raw))
        return raw
    try:
        result = expand(method, raw, scan.meter)
    except BudgetSpentError as error:
        scan.find("archive-bomb", f"{_shown(layout)} {error.problem}", layout.at)
        raise
    if result.error or result.left:
        scan.find("archive-integrity", f"{_shown(layout)} is not well compressed", layout.at)
    return result.body


def _checked(data: Buffer, header: Header, layout: Header, scan: Scan) -> bytes | None:
    body = _body(data, layout, scan)
    if body is None:
        return None
    if (len(body) != header.size or zlib.crc32(body) != header.crc) and not header.encrypted:
        local = local_header(data, layout.at)
        told_later = local is header and header.streamed
        if not told_later:
            scan.find("archive-integrity", f"{_shown(header)} fails its checksum", header.at)
    return body


def _pickle_member(data: Buffer, header: Header, layout: Header, scan: Scan) -> dict[str, int]:
    body = _checked(data, header, layout, scan)
    if body is None:
        return {}
    with scan.inside(_shown(header)) as inner:
        return scan_pickle(body, inner, torch=True)


def _member(data: Buffer, header: Header, layout: Header, scan: Scan) -> None:
    if header.name.endswith(b"/") and header.packed == 0:
        return
    body = _checked(data, header, layout, scan)
    if body is not None:
        with scan.inside(_shown(header)) as inner:
            scan.descend(inner, body)


def _is_storage(header: Header, layout: Header, storages: dict[str, int]) -> bool:
    """Whether a member is a tensor's bytes: stored, in the data folder, of the size told."""
    folder, _, key = header.name.rpartition(b"/")
    place = _base(folder) == b"data"
    size = storages.get(key.decode("utf-8", "replace"))
    return place and layout.method == 0 and size == layout.packed == layout.size


def _base(name: bytes) -> bytes:
    return name.rpartition(b"/")[2]


def _shown(header: Header) -> str:
    return printable(header.name.decode("utf-8", "backslashreplace"))
