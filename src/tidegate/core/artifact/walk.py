"""Walking a folder that may be hostile: each oddity is a refusal that names it.

Folders are entered by descriptor, never by path, so that nothing can be swapped beneath the
walk. Files come in the order of their paths' UTF-8 bytes. Refused, each with its own slug:
symbolic links (``symlink``; or followed inside the root: ``link-outside``, ``broken-link``,
``loop``), FIFOs, sockets and devices (``special-file``), names that are not UTF-8
(``name-not-utf8``) or hold control or bidirectional-override characters (``name-control``), two
names that are one where case or Unicode form is ignored (``case-collision``,
``unicode-collision``), too much (``too-many-files``, ``too-deep``, ``path-too-long``), what
can't be read (``unreadable``) and what changes meanwhile (``changed-while-read``).

>>> from pathlib import Path
>>> from tempfile import TemporaryDirectory
>>> with TemporaryDirectory() as name:
...     (Path(name) / "b").mkdir()
...     _ = (Path(name) / "b" / "c.txt").write_text("c")
...     _ = (Path(name) / "a.txt").write_text("a")
...     [entry.path for entry in walk(name)]
['a.txt', 'b/c.txt']
"""

import errno
import os
import stat
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase
from functools import partial

from tidegate.core.artifact.hashing import OPEN_FLAGS, FileKey
from tidegate.core.artifact.refusals import not_opened, refusal, shown
from tidegate.core.errors import SubjectError

_MAX_HOPS = 40
_GONE = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO, errno.ESTALE}
# Marks, overrides and isolates that show one name as another (Unicode TR 36, section 3.4).
_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


class Links(StrEnum):
    """What to do about symbolic links."""

    REFUSE = "refuse"
    INSIDE = "inside"
    """Follow those that stay inside the root; their target's content counts at their path."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Where a walk gives up."""

    files: int = 1_000_000
    """Directory entries, folders and ignored ones included."""
    depth: int = 64
    """Folders below the root."""
    path_bytes: int = 4_096
    """Bytes of a relative path."""


@dataclass(frozen=True, slots=True)
class FileEntry:
    """A regular file that the walk came upon."""

    path: str
    """Relative to the root, with ``/``, exactly as it is on disk."""
    size: int
    """Bytes."""
    key: FileKey
    """What the kernel said about it then."""
    open: Callable[[], int] = field(compare=False, repr=False)
    """Opens just this file, whatever was renamed since, or raises; the caller closes the
    descriptor. Good until the walk is asked for the next entry."""


def walk(
    root: str | os.PathLike[str],
    *,
    ignore: Sequence[str] = (),
    links: Links = Links.REFUSE,
    limits: Limits | None = None,
) -> Iterator[FileEntry]:
    """Yield the regular files under a folder.

    Args:
        root: The folder; where it is itself a symbolic link, that is followed.
        ignore: Shell patterns, each matched against the relative path and against the name; a
            folder that matches is left out with everything in it.
        links: What to do about symbolic links.
        limits: Where to give up.

    Raises:
        SubjectError: Something in it can't be part of an artifact (see the slugs above).
        UnreadableSubject: Something can't be read, or changed meanwhile.
    """
    where = shown(root)
    try:
        fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except NotADirectoryError:
        raise refusal("not-a-folder", where) from None
    except (OSError, ValueError) as error:
        raise not_opened(error, where) from None
    try:
        walker = _Walk(fd, where.rstrip("/"), tuple(ignore), links, limits or Limits())
        yield from walker.visit(fd, "", (), ())
    finally:
        os.close(fd)


def check_name(name: str, where: str) -> None:
    """Refuse a file name that not everybody reads alike.

    Raises:
        SubjectError: ``name-not-utf8`` or ``name-control``.
    """
    if name.isascii() and name.isprintable():
        return
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        raise refusal("name-not-utf8", where) from None
    if any(unicodedata.category(char) in {"Cc", "Zl", "Zp"} or char in _BIDI for char in name):
        raise refusal("name-control", where)


@dataclass(frozen=True, slots=True)
class _Child:
    name: str
    path: str
    real: tuple[str, ...]
    """Where it is, from the root, without links."""
    status: os.stat_result
    via_link: bool

    @property
    def is_folder(self) -> bool:
        return stat.S_ISDIR(self.status.st_mode)

    @property
    def order(self) -> str:
        # As "/" ends a folder's name in every path below it, this gives the order of full paths.
        return self.name + "/" if self.is_folder else self.name


@dataclass(slots=True)
class _Walk:
    root: int
    where: str
    ignore: tuple[str, ...]
    links: Links
    limits: Limits
    seen: int = 0

    def visit(
        self, fd: int, path: str, real: tuple[str, ...], above: tuple[tuple[int, int], ...]
    ) -> Iterator[FileEntry]:
        """Yield the files below an open folder; ``path`` is empty or ends with ``/``."""
        key = FileKey.of(os.fstat(fd))
        here = (*above, (key.dev, key.ino))
        if here[-1] in above:
            raise refusal("loop", self._at(path))
        if len(above) > self.limits.depth:
            raise refusal("too-deep", self._at(path), f"at most {self.limits.depth} are walked")
        for child in self._list(fd, path, real):
            if not child.is_folder:
                size, opener = child.status.st_size, partial(self._open, child, fd)
                yield FileEntry(child.path, size, FileKey.of(child.status), opener)
                continue
            below = self._open(child, fd)
            try:
                yield from self.visit(below, child.path + "/", child.real, here)
            finally:
                os.close(below)
        if FileKey.of(os.fstat(fd)) != key:
            raise refusal("changed-while-read", self._at(path))

    def _at(self, path: str) -> str:
        return f"{self.where}/{shown(path)}"

    def _list(self, fd: int, path: str, real: tuple[str, ...]) -> list[_Child]:
        children: list[_Child] = []
        try:
            with closing(os.scandir(fd)) as found:
                for item in found:
                    self.seen += 1
                    if self.seen > self.limits.files:
                        cause = f"at most {self.limits.files} are walked"
                        raise refusal("too-many-files", self.where, cause)
                    if not self._ignored(path + item.name, item.name):
                        children.append(self._child(item, path + item.name, real))
        except OSError as error:
            raise self._lost(error, path) from None
        self._check_collisions(children)
        return sorted(children, key=lambda child: child.order)

    def _ignored(self, path: str, name: str) -> bool:
        return any(fnmatchcase(path, glob) or fnmatchcase(name, glob) for glob in self.ignore)

    def _child(self, item: "os.DirEntry[str]", path: str, above: tuple[str, ...]) -> _Child:
        where = self._at(path)
        check_name(item.name, where)
        if len(path.encode()) > self.limits.path_bytes:
            raise refusal("path-too-long", where, f"at most {self.limits.path_bytes} bytes are")
        status, real = item.stat(follow_symlinks=False), (*above, item.name)
        via_link = stat.S_ISLNK(status.st_mode)
        if via_link:
            if self.links is Links.REFUSE:
                raise refusal("symlink", where)
            real, status = self._follow(real, where)
        if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
            raise refusal("special-file", where)
        return _Child(item.name, path, real, status, via_link)

    def _check_collisions(self, children: list[_Child]) -> None:
        seen: dict[str, _Child] = {}
        for child in sorted(children, key=lambda child: child.name):
            form = unicodedata.normalize("NFC", child.name)
            other = seen.setdefault(unicodedata.normalize("NFC", form.casefold()), child)
            if other is not child:
                same = form == unicodedata.normalize("NFC", other.name)
                slug = "unicode-collision" if same else "case-collision"
                raise refusal(slug, f"{self._at(other.path)} and {child.name!a}")

    def _open(self, child: _Child, above: int) -> int:
        """Open what was listed, and nothing that took its place."""
        flags = OPEN_FLAGS | os.O_NOFOLLOW | (os.O_DIRECTORY if child.is_folder else 0)
        name, parent = child.name, os.dup(above)
        try:
            if child.via_link:
                os.close(parent)
                *folders, name = child.real or (".",)
                parent = self._open_folder(folders)
            fd = os.open(name, flags, dir_fd=parent)
        except OSError as error:
            raise self._lost(error, child.path) from None
        finally:
            os.close(parent)
        if FileKey.of(os.fstat(fd)) != FileKey.of(child.status):
            os.close(fd)
            raise refusal("changed-while-read", self._at(child.path))
        return fd

    def _open_folder(self, real: Sequence[str]) -> int:
        """Open a folder below the root, one component after the other, following no link."""
        fd = os.dup(self.root)
        for part in real:
            try:
                below = os.open(part, OPEN_FLAGS | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=fd)
            finally:
                os.close(fd)
            fd = below
        return fd

    def _follow(self, link: tuple[str, ...], where: str) -> tuple[tuple[str, ...], os.stat_result]:
        """Resolve a link inside the root by hand: the place that it ends at, free of links."""
        here, todo, hops = list(link[:-1]), [link[-1]], 0
        try:
            while todo:
                part = todo.pop()
                if part == "..":
                    if not here:
                        raise refusal("link-outside", where)
                    here.pop()
                elif part not in {"", "."}:
                    status, target = self._look([*here, part])
                    if target is None:
                        here.append(part)
                        continue
                    hops += 1
                    if hops > _MAX_HOPS:
                        raise refusal("loop", where)
                    if target.startswith("/"):
                        raise refusal("link-outside", where)
                    todo.extend(reversed(target.split("/")))
            status, _ = self._look(here)
        except OSError:
            raise refusal("broken-link", where) from None
        return tuple(here), status

    def _look(self, real: Sequence[str]) -> tuple[os.stat_result, str | None]:
        """Status of a place, and where it points if it is a link."""
        fd = self._open_folder(real[:-1])
        try:
            name = real[-1] if real else "."
            status = os.stat(name, dir_fd=fd, follow_symlinks=False)
            return status, os.readlink(name, dir_fd=fd) if stat.S_ISLNK(status.st_mode) else None
        finally:
            os.close(fd)

    def _lost(self, error: OSError, path: str) -> SubjectError:
        # What was listed a moment ago and is gone or another thing by now has changed.
        where = self._at(path)
        gone = error.errno in _GONE
        return refusal("changed-while-read", where) if gone else not_opened(error, where)
