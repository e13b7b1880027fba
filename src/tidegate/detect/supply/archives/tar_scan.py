"""Examines a tar archive: each regular member by its content, and every name and link."""

import io
import tarfile
from typing import IO, cast

from tidegate.detect.supply.archives.member_names import unsafe_name
from tidegate.detect.supply.formats.word_set import printable
from tidegate.detect.supply.pickles.cursor import Buffer
from tidegate.detect.supply.scan import Scan

_MAGIC_AT = 257


def looks_like(data: Buffer) -> bool:
    """Tell whether content has the ustar mark."""
    return data[_MAGIC_AT : _MAGIC_AT + 5] == b"ustar"


def scan_tar(data: Buffer, scan: Scan) -> None:
    """Examine an archive."""
    names: set[str] = set()
    try:
        with tarfile.open(fileobj=_file(data), mode="r:", ignore_zeros=True) as archive:
            for member in archive:
                scan.meter.member()
                _hygiene(member, names, scan)
                body = archive.extractfile(member) if member.isreg() else None
                if body is not None:
                    scan.meter.expand(member.size)
                    with scan.inside(member.name) as inner:
                        scan.descend(inner, body.read())
    except (tarfile.TarError, ValueError, OverflowError, RecursionError) as error:
        scan.gap(f"a tar archive that breaks off: {str(error)[:100]}", failed=True)


def _file(data: Buffer) -> "IO[bytes]":
    # A map is a file to tarfile already; bytes are made one.
    return io.BytesIO(data) if isinstance(data, bytes) else cast("IO[bytes]", data)


def _hygiene(member: tarfile.TarInfo, names: set[str], scan: Scan) -> None:
    at, shown = member.offset, printable(member.name)
    if member.name in names:
        scan.find("archive-duplicate", f"{shown} is there twice", at)
    names.add(member.name)
    if unsafe_name(member.name.encode("utf-8", "surrogateescape")):
        scan.find("archive-slip", f"{shown} leads out of the archive", at)
    if not (member.isreg() or member.isdir()):
        scan.find("archive-link", f"{shown} is no regular file", at)
    if member.sparse is not None:
        scan.gap("a sparse tar member", failed=True)
