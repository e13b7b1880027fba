"""Examines a zip archive: PyTorch checkpoints, npz, Keras, skops, or any other.

Every content that some reader would take is examined: by the central directory, by the local
headers where they differ, and members that the directory leaves out. What contradicts itself is a
finding as well (:mod:`~tidegate.detect.supply.archives.zip_tricks`). Which members a framework
reads in a way of its own is told by :mod:`~tidegate.detect.supply.formats.zip_roles`.
"""

import zlib
from collections.abc import Iterator, Sequence
from typing import Final

from tidegate.detect.supply.archives import zip_tricks
from tidegate.detect.supply.archives.inflate import expand
from tidegate.detect.supply.archives.windows import Part, Window, blocks, part_of
from tidegate.detect.supply.archives.zip_layout import (
    LOCAL,
    Directory,
    Header,
    central_headers,
    find_directory,
    local_header,
)
from tidegate.detect.supply.archives.zip_tricks import shown
from tidegate.detect.supply.budget import BudgetSpentError
from tidegate.detect.supply.formats.zip_roles import Member, Roles
from tidegate.detect.supply.pickles.cursor import Buffer
from tidegate.detect.supply.scan import Scan

_METHODS: Final = {
    0: "stored", 8: "deflate", 12: "bz2", 14: "zip-lzma", 93: "zstd", 95: "xz"
}  # fmt: skip
_MAX_DESCRIPTOR: Final = 24

_Plan = list[tuple[Header, Header]]


def scan_zip(data: Buffer, scan: Scan, *, appended: bool = False) -> None:
    """Examine an archive.

    Args:
        data: The archive.
        scan: Where findings go.
        appended: Whether what lies before the first member belongs to another format.
    """
    directory = find_directory(data)
    entries: list[Header] = []
    if directory is None:
        scan.find("archive-disagreement", "there is no central directory", 0)
    else:
        entries = _directory_entries(data, directory, scan)
    first = min((header.at for header in entries), default=0) if appended else 0
    hidden = _hidden(data, entries, directory, scan, max(first, 0))
    plan = _variants(data, entries, scan) + [(header, header) for header in hidden]
    _members(data, plan, scan)


def _members(data: Buffer, plan: _Plan, scan: Scan) -> None:
    """Examine the members: those first that tell how others are read."""
    roles = Roles([header.name for header, _ in plan])
    for header, layout in sorted(plan, key=lambda pair: roles.rank(pair[0].name)):
        _member(data, header, layout, roles, scan)


def _directory_entries(data: Buffer, directory: Directory, scan: Scan) -> list[Header]:
    entries: list[Header] = []
    zip_tricks.directory(data, directory, scan)
    hygiene = zip_tricks.Hygiene(scan)
    for header in central_headers(data, directory):
        scan.meter.member()
        if header is None:
            scan.find("archive-disagreement", "the central directory breaks off", directory.start)
            break
        hygiene.entry(header)
        entries.append(header)
    if directory.count != len(entries):
        scan.find("archive-disagreement", "the central directory counts wrong", directory.start)
    return entries


def _variants(data: Buffer, entries: Sequence[Header], scan: Scan) -> _Plan:
    """Pair each entry with the layouts that readers would use for its data."""
    plan: _Plan = []
    for header in entries:
        local = local_header(data, header.at)
        if local is None:
            scan.find("archive-disagreement", f"{shown(header)} has no local header", header.at)
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
                f"{shown(header)} differs between its two headers",
                header.at,
            )
            zip_tricks.Hygiene(scan).entry(local)
            if differs or sizes_differ:
                plan.append((local, local))
    return plan


def _hidden(
    data: Buffer, entries: Sequence[Header], directory: Directory | None, scan: Scan, first: int
) -> list[Header]:
    """Walk what lies between the entries: members that the directory leaves out, or other data."""
    stop = directory.start if directory else len(data)
    found: list[Header] = []
    whole = data if isinstance(data, bytes) else Part(data, 0, len(data))
    for start, end in _gaps(data, entries, stop, scan):
        at = max(start, first)
        while 0 <= at < end:
            header = local_header(data, at)
            if header is None:
                if not _blank(data, at, end):
                    scan.find("trailing-data", "bytes lie between the members", at)
                at = whole.find(LOCAL, at + 1, end)
                continue
            scan.meter.member()
            scan.find("archive-disagreement", f"{shown(header)} is missing in the directory", at)
            zip_tricks.Hygiene(scan).entry(header)
            found.append(header)
            at += header.length + header.packed
    return found


def _blank(data: Buffer, start: int, stop: int) -> bool:
    return not any(block.strip(b"\0") for _, block in blocks(data, start, stop))


def _gaps(
    data: Buffer, entries: Sequence[Header], stop: int, scan: Scan
) -> Iterator[tuple[int, int]]:
    position = 0
    for header in sorted(entries, key=lambda entry: entry.at):
        local = local_header(data, header.at)
        end = header.at + (local.length if local else 0) + header.packed
        if header.at < position:
            scan.find("archive-disagreement", f"{shown(header)} overlaps another", header.at)
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


def _body(data: Buffer, layout: Header, scan: Scan) -> tuple[bytes | Window, int] | None:
    """Return a member's content as a lenient reader would see it, and its checksum."""
    start = layout.at + layout.length
    method = _METHODS.get(layout.method)
    if method is None:
        scan.gap(f"{shown(layout)} is compressed by an unsupported method")
        return None
    if layout.packed > len(data) - start:
        scan.find("archive-integrity", f"{shown(layout)} is longer than the archive", layout.at)
    stop = min(start + layout.packed, len(data))
    if method == "stored":
        scan.meter.expand(max(0, stop - start))
        body = part_of(data, start, stop)
        return body, _crc(body)
    try:
        result = expand(method, data, scan.meter, start, stop)
    except BudgetSpentError as error:
        scan.find("archive-bomb", f"{shown(layout)} {error.problem}", layout.at)
        raise
    if result.error and method == "zstd" and not len(result.body):
        scan.gap(f"{shown(layout)}: {result.error}", failed=True)
        return None
    if result.error or result.end != stop:
        scan.find("archive-integrity", f"{shown(layout)} is not well compressed", layout.at)
        if result.error and not layout.encrypted:
            scan.gap(f"{shown(layout)}: {result.error}", failed=True)
    return result.body, result.crc


def _crc(body: Buffer) -> int:
    crc = 0
    for _, block in blocks(body):
        crc = zlib.crc32(block, crc)
    return crc


def _member(data: Buffer, header: Header, layout: Header, roles: Roles, scan: Scan) -> None:
    if header.name.endswith(b"/") and header.packed == 0:
        return
    read = _body(data, layout, scan)
    if read is None:
        return
    body, crc = read
    if (len(body) != header.size or crc != header.crc) and not header.encrypted:
        told_later = local_header(data, layout.at) is header and header.streamed
        if not told_later:
            scan.find("archive-integrity", f"{shown(header)} fails its checksum", header.at)
    member = Member(header.name, body, stored=layout.method == 0)
    zip_tricks.link(header, body, scan)
    with scan.inside(shown(header)) as inner:
        if not roles.examine(member, inner):
            scan.descend(inner, body)
