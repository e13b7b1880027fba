"""What is wrong with a zip archive as an archive: names, flags, comments, end records, links.

Each of these makes two programs see two archives in one file, or an extraction leave its folder
(APPNOTE.TXT 6.3.10 for the fields).
"""

from stat import S_IFMT, S_ISDIR, S_ISLNK, S_ISREG
from typing import Final

from tidegate.detect.supply.archives.member_names import Names, escaping_link, unsafe_name
from tidegate.detect.supply.archives.zip_layout import END, Directory, Header
from tidegate.detect.supply.formats.word_set import printable
from tidegate.detect.supply.pickles.cursor import Buffer
from tidegate.detect.supply.scan import Scan
from tidegate.detect.supply.wording import examine_metadata

_KNOWN_FLAGS: Final = 0x080F | 0x2041
"""Encryption (0, 6, 13), compression options (1, 2), streamed (3), UTF-8 (11)."""
_LINK_LIMIT: Final = 4096


def directory(data: Buffer, found: Directory, scan: Scan) -> None:
    """Report what is wrong with the end of the archive."""
    if found.odd:
        scan.find("archive-disagreement", found.odd, found.record)
    if found.shift:
        scan.find("archive-disagreement", "its offsets do not start at its first byte", 0)
    if found.end < len(data):
        scan.find("trailing-data", "bytes follow the archive", found.end)
    first = data.find(END, found.start + found.size, found.record)
    if first >= 0 or data.find(END, found.record + 4, found.end) >= 0:
        scan.find("archive-disagreement", "it has two end records", max(first, 0))
    comment = data[found.record + 22 : found.end]
    if comment:
        _comment("the archive's comment", comment, found.record + 22, scan)


def _comment(what: str, comment: bytes, at: int, scan: Scan) -> None:
    if b"PK" in comment and any(mark in comment for mark in (b"PK\x03\x04", b"PK\x01\x02", END)):
        scan.find("archive-disagreement", f"{what} holds parts of an archive", at)
    try:
        text = comment.decode()
    except UnicodeDecodeError:
        text = ""
    if not text or not text.replace("\n", "").replace("\r", "").replace("\t", "").isprintable():
        scan.find("trailing-data", f"{what} is no text", at)
        with scan.inside("comment") as inner:
            scan.descend(inner, comment)
    else:
        examine_metadata(what, text, scan)


def shown(header: Header) -> str:
    """Return a member's name for a message."""
    return printable(header.name.decode("utf-8", "backslashreplace"))


class Hygiene:
    """Looks at one entry after another.

    Args:
        scan: Where findings go.
    """

    __slots__ = ("_names", "_scan")

    def __init__(self, scan: Scan) -> None:
        self._scan = scan
        self._names = Names()

    def entry(self, header: Header) -> None:
        """Report what is wrong with an entry."""
        find, name, at = self._scan.find, shown(header), header.at
        clash = self._names.add(header.name, folder=header.name.endswith(b"/"))
        if clash:
            find("archive-duplicate", f"{name} {clash}", at)
        if unsafe_name(header.name):
            find("archive-slip", f"{name} leads out of the archive", at)
        if self._names.through_link(header.name):
            find("archive-link", f"{name} lies beneath a link", at)
        kind = S_IFMT(header.mode)
        if S_ISLNK(kind):
            self._names.add_link(header.name)
        elif kind and not (S_ISREG(kind) or S_ISDIR(kind)):
            find("archive-link", f"{name} is no regular file", at)
        if header.encrypted:
            find("archive-encrypted", f"{name} is marked as encrypted", at)
        if header.flags & ~_KNOWN_FLAGS:
            find("archive-disagreement", f"{name} has flags that readers treat differently", at)
        if header.other_name and header.other_name != header.name:
            find("archive-disagreement", f"{name} has a second name", at)
        if header.note:
            _comment(f"the comment of {name}", header.note, at, self._scan)


def link(header: Header, body: Buffer, scan: Scan) -> None:
    """Report a symbolic link that leads out; its content is its target."""
    if not S_ISLNK(S_IFMT(header.mode)):
        return
    target = body[:_LINK_LIMIT]
    if len(body) >= _LINK_LIMIT or escaping_link(header.name, target):
        scan.find("archive-link", f"{shown(header)} is a link that leads out", header.at)
