"""Which archive member names would be written outside the folder, or collide with one another.

>>> unsafe_name(b"../etc/passwd"), unsafe_name(b"model/weights.bin")
(True, False)
>>> folded(b"Model/A.txt") == folded(b"./model//a.TXT")
True
"""

import re
import unicodedata

_DRIVE = re.compile(rb"[A-Za-z]:")


def unsafe_name(name: bytes) -> bool:
    """Tell whether a name is absolute, climbs, names a drive, or hides its end."""
    parts = re.split(rb"[/\\]", name)
    return (
        name.startswith((b"/", b"\\"))
        or b".." in parts
        or _DRIVE.match(name) is not None
        or b"\0" in name
    )


def folded(name: bytes) -> str:
    """Return what a file system that folds case and Unicode forms would make of a name."""
    text = unicodedata.normalize("NFKC", name.decode("utf-8", "surrogateescape")).casefold()
    return "/".join(part for part in re.split(r"[/\\]", text) if part not in ("", "."))


def escaping_link(name: bytes, target: bytes) -> bool:
    """Tell whether a link of that name leads out of the archive's folder.

    Only targets that climb no higher than their folder lies deep, and climb first, stay inside.
    """
    parts = [part for part in re.split(rb"[/\\]", target) if part not in (b"", b".")]
    climbs = 0
    while climbs < len(parts) and parts[climbs] == b"..":
        climbs += 1
    depth = len([part for part in re.split(rb"[/\\]", name) if part not in (b"", b".")]) - 1
    absolute = target.startswith((b"/", b"\\")) or _DRIVE.match(target) is not None
    return not parts or absolute or b".." in parts[climbs:] or climbs > depth


class Names:
    """The names of one archive so far: duplicates, collisions, and what lies beneath a link."""

    __slots__ = ("_exact", "_folded", "_links")

    def __init__(self) -> None:
        self._exact: set[bytes] = set()
        self._folded: set[str] = set()
        self._links: set[str] = set()

    def add(self, name: bytes, *, folder: bool = False) -> str | None:
        """Take a name, and say in a few words what is wrong with it beside the others."""
        if folder:
            return None
        plain = folded(name)
        twice, alike = name in self._exact, plain in self._folded
        self._exact.add(name)
        self._folded.add(plain)
        if twice:
            return "is there twice"
        return "differs from another only by case, form or slashes" if alike else None

    def add_link(self, name: bytes) -> None:
        """Remember a link."""
        self._links.add(folded(name))

    def through_link(self, path: bytes) -> bool:
        """Tell whether a path goes through a link of the archive."""
        if not self._links:
            return False
        parts = folded(path).split("/")
        return any("/".join(parts[:i]) in self._links for i in range(1, len(parts)))
