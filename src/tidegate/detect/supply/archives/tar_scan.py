"""Examines a tar archive: each regular member by its content, and every name, link and oddity.

Layers of container images are tar archives, so whiteouts (OCI image specification, ``layer.md``)
and links that stay inside are at home here; what leads out of the folder is a finding.
"""

from typing import Final

from tidegate.detect.supply.archives.member_names import Names, escaping_link, unsafe_name
from tidegate.detect.supply.archives.tar_layout import TarMember, TarReader, looks_like
from tidegate.detect.supply.archives.windows import part_of
from tidegate.detect.supply.formats.word_set import printable
from tidegate.detect.supply.pickles.cursor import Buffer, first_content
from tidegate.detect.supply.scan import Scan

__all__ = ["looks_like", "scan_tar"]

_FILES: Final = (b"0", b"\0", b"7", b"S")
_FOLDERS: Final = (b"5", b"D")
_HARD, _SYMBOLIC = b"1", b"2"
_WHITEOUT: Final = b".wh."
_OPAQUE: Final = b".wh..wh..opq"


def scan_tar(data: Buffer, scan: Scan) -> None:
    """Examine an archive."""
    reader = TarReader(data)
    hygiene = _Hygiene(scan)
    for member in reader:
        scan.meter.member()
        hygiene.member(member)
        if member.kind not in _FILES:
            continue
        if member.sparse:
            scan.gap(f"{_shown(member)} is a sparse member", failed=True)
        if member.start + member.size > len(data):
            scan.gap(f"{_shown(member)} is longer than the archive", failed=True)
        scan.meter.expand(member.size)
        body = part_of(data, member.start, min(member.start + member.size, len(data)))
        with scan.inside(_shown(member)) as inner:
            scan.descend(inner, body)
    if reader.error:
        scan.gap(f"a tar archive that breaks off: {reader.error}", failed=True)
    after = first_content(data, reader.at)
    if after < len(data):
        scan.find("trailing-data", "bytes follow the end of the archive", after)
        with scan.inside("behind the end") as inner:
            scan.descend(inner, part_of(data, after, len(data)))


def _shown(member: TarMember) -> str:
    return printable(member.name.decode("utf-8", "backslashreplace"))


class _Hygiene:
    """Looks at one member after another.

    Args:
        scan: Where findings go.
    """

    def __init__(self, scan: Scan) -> None:
        self._scan = scan
        self._names = Names()
        self._files: set[bytes] = set()

    def member(self, member: TarMember) -> None:
        """Report what is wrong with a member."""
        find, at, shown = self._scan.find, member.at, _shown(member)
        clash = self._names.add(member.name, folder=member.kind in _FOLDERS)
        if clash:
            find("archive-duplicate", f"{shown} {clash}", at)
        if unsafe_name(member.name) or unsafe_name(member.plain_name):
            find("archive-slip", f"{shown} leads out of the archive", at)
        if self._names.through_link(member.name):
            find("archive-link", f"{shown} lies beneath a link", at)
        for why in member.odd:
            find("archive-disagreement", f"{shown} {why}", at)
        self._kind(member, shown)
        self._whiteout(member, shown)

    def _kind(self, member: TarMember, shown: str) -> None:
        find, at = self._scan.find, member.at
        if member.kind == _SYMBOLIC:
            self._names.add_link(member.name)
            if escaping_link(member.name, member.link):
                find("archive-link", f"{shown} is a link that leads out", at)
        elif member.kind == _HARD:
            if member.link not in self._files:
                find("archive-link", f"{shown} is a hard link to no earlier member", at)
        elif member.kind in _FILES:
            self._files.add(member.name)
        elif member.kind not in _FOLDERS:
            find("archive-link", f"{shown} is a device, a pipe or of an unknown kind", at)

    def _whiteout(self, member: TarMember, shown: str) -> None:
        base = member.name.rpartition(b"/")[2]
        if base.startswith(_WHITEOUT) and base != _OPAQUE:
            hidden = member.name[: -len(base)] + base.removeprefix(_WHITEOUT)
            if hidden in self._files:
                self._scan.find(
                    "archive-duplicate", f"{shown} hides a file of its own layer", member.at
                )
            if member.size:
                self._scan.find("trailing-data", f"{shown} is a whiteout with content", member.at)
