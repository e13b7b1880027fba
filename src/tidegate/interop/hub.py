"""Snapshots of a model hub's cache, as Hugging Face's clients lay them out, read without trust.

::

    models--acme--tumour/
      blobs/<etag>                      contents; the name is SHA-256, or git's SHA-1
      refs/<branch or tag>              the commit that it meant when it was fetched
      snapshots/<commit>/config.json -> ../../blobs/<etag>

A snapshot is nothing but links, and links are what no artifact may hold: :func:`lay_out` makes the
plain folder that is then admitted. Links are followed inside the one repository's folder, by
descriptor; what leads out, dangles or turns in circles is refused. Contents are held against the
names of their blobs on the way: a blob that was changed in the cache shows.
"""

import glob
import hashlib
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Final

from tidegate.core.artifact.hashing import BLOCK
from tidegate.core.artifact.refusals import shown
from tidegate.core.artifact.walk import FileEntry, Limits, Links, walk
from tidegate.core.errors import StoreError, SubjectError, UnreadableSubject, UsageError

MAX_REFS: Final = 1_000
_COMMIT: Final = re.compile(r"[0-9a-f]{40}")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}")
_PREFIX: Final = "models--"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One commit of a hub's repository, as a cache holds it."""

    cache: Path
    """The repository's folder: ``models--acme--tumour``."""
    repository: str
    """``acme/tumour``, or a name without publisher."""
    revision: str
    """The commit, 40 hexadecimal digits."""
    refs: tuple[str, ...]
    """Branches and tags that mean this commit, by the cache."""

    @property
    def publisher(self) -> str:
        """The organisation or user; empty where the name has none."""
        owner, separator, _ = self.repository.partition("/")
        return owner if separator else ""


def is_snapshot(path: Path) -> bool:
    """Tell by its place whether a folder is a snapshot of a cache."""
    place = path.absolute()
    return place.parent.name == "snapshots" and place.parent.parent.name.startswith(_PREFIX)


def read_snapshot(path: Path) -> Snapshot:
    """Read what a snapshot claims to be.

    Raises:
        SubjectError: It is no snapshot of a commit, or its refs can't be understood.
    """
    place = path.absolute()
    cache, revision = place.parent.parent, place.name
    name = cache.name.removeprefix(_PREFIX).split("--")
    if not is_snapshot(place) or place.is_symlink() or not place.is_dir():
        raise _no_snapshot(place, "it is no folder below models--OWNER--NAME/snapshots")
    if not _COMMIT.fullmatch(revision):
        raise _no_snapshot(place, "its name is not a commit")
    if len(name) not in {1, 2} or not all(_NAME.fullmatch(part) for part in name):
        raise _no_snapshot(place, "its folder does not name a repository")
    refs = _refs(cache / "refs")
    return Snapshot(
        cache, "/".join(name), revision, tuple(ref for ref, at in refs.items() if at == revision)
    )


@dataclass(frozen=True, slots=True)
class LaidOut:
    """What became of a snapshot's files."""

    files: int
    altered: tuple[str, ...]
    """Files whose bytes are not those that their blob's name promises."""
    unnamed: int
    """Files that are no link to a blob with such a name: nothing to hold them against."""


def lay_out(snapshot: Snapshot, target: Path) -> LaidOut:
    """Write a snapshot's files into a new folder, without links; whole, or not at all.

    Raises:
        UsageError: The folder is there already.
        SubjectError: A link leads out of the repository's folder, or something is no file.
        UnreadableSubject: Something can't be read, or changed meanwhile.
        StoreError: The files can't be written.
    """
    if target.exists() or target.is_symlink():
        raise UsageError(
            "there is something here already",
            where=shown(target),
            next_step="name a folder that is not there yet",
            slug="exists",
        )
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".tidegate-", dir=target.parent) as place:
            whole = Path(place, "files")
            found = _copied(snapshot, whole)
            whole.rename(target)
    except OSError as error:
        raise StoreError(
            "the snapshot's files can't be written",
            where=shown(target),
            cause=error.strerror,
            next_step="check the disk and the permissions",
            slug="unwritable",
        ) from None
    return found


def _copied(snapshot: Snapshot, target: Path) -> LaidOut:
    below = f"snapshots/{snapshot.revision}/"
    files, unnamed, altered = 0, 0, list[str]()
    for entry in _entries(snapshot):
        name = entry.path.removeprefix(below)
        copy = target / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        promised = _blob_name(snapshot.cache / entry.path)
        files += 1
        told = _copy(entry, copy, name)
        if promised is None:
            unnamed += 1
        elif promised not in told:
            altered.append(name)
    if not files:
        raise _no_snapshot(snapshot.cache / below, "it holds no file")
    return LaidOut(files, tuple(altered), unnamed)


def _entries(snapshot: Snapshot) -> Iterator[FileEntry]:
    """Walk the repository's folder, so that links to its blobs stay inside, and skip the rest.

    The patterns have a slash: a name has none, so none of them hides a file of the snapshot.
    """
    beside = [
        f"snapshots/{glob.escape(name)}/*"
        for name in os.listdir(snapshot.cache / "snapshots")  # noqa: PTH208 - names, not paths
        if name != snapshot.revision
    ]
    skip = ("blobs/*", "refs/*", ".no_exist/*", *beside)
    below = f"snapshots/{snapshot.revision}/"
    found = walk(snapshot.cache, ignore=skip, links=Links.INSIDE)
    return (entry for entry in found if entry.path.startswith(below))


def _copy(entry: FileEntry, target: Path, name: str) -> frozenset[str]:
    """Copy a file; return the names that a blob with these bytes may have."""
    plain = hashlib.sha256()
    git = hashlib.sha1(b"blob %d\0" % entry.size, usedforsecurity=False)
    fd = entry.open()
    left = entry.size
    try:
        with FileIO(fd, closefd=False) as source, target.open("xb") as out:
            while block := source.read(BLOCK):
                left -= len(block)
                plain.update(block)
                git.update(block)
                out.write(block)
    finally:
        os.close(fd)
    if left:
        raise UnreadableSubject(
            "a file changed while it was read",
            where=name[:200],
            next_step="let nobody write to the cache meanwhile",
            slug="changed-while-read",
        )
    return frozenset({plain.hexdigest(), git.hexdigest()})


def _blob_name(link: Path) -> str | None:
    try:
        name = os.path.basename(os.readlink(link))  # noqa: PTH115, PTH119 - its text, not a path
    except OSError:
        return None  # on systems without links a cache holds the files themselves
    return name if _SHA256.fullmatch(name) or _COMMIT.fullmatch(name) else None


def _refs(folder: Path) -> Mapping[str, str]:
    if not folder.is_dir():
        return {}
    found: dict[str, str] = {}
    for entry in walk(folder, limits=Limits(files=MAX_REFS, depth=8)):
        fd = entry.open()
        try:
            text = os.read(fd, 64).decode("ascii", "replace").strip()
        finally:
            os.close(fd)
        if not _COMMIT.fullmatch(text):
            raise _no_snapshot(folder / entry.path, "a ref does not name a commit")
        found[entry.path] = text
    return found


def _no_snapshot(where: Path, why: str) -> SubjectError:
    return SubjectError(
        "not a snapshot of a hub's cache",
        where=shown(where),
        cause=why,
        next_step="name models--OWNER--NAME/snapshots/COMMIT",
        slug="no-snapshot",
    )
