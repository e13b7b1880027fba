"""The evidence at hand: a folder of releases and recalls, each verified once, looked up in a dict.

A file is verified when it appears or changes, never while an admission waits for it: looking up is
two dictionary reads. A file that does not verify is left out and told about; it lets nothing in.
"""

import logging
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import monotonic
from typing import Final

from tidegate.core.attest.uris import RECALLS
from tidegate.core.clock import Clock
from tidegate.core.errors import TidegateError
from tidegate.core.identity.trust import Revocation, TrustRoot
from tidegate.interop.proved import MAX_BYTES, Proved
from tidegate.interop.release import Recalls, Release, predicate_type, read_recalls, read_release

_log = logging.getLogger(__name__)
MAX_FILES: Final = 10_000
EVERY_S: Final = 1.0
"""How often the folder is looked at."""
_Stamp = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Trouble:
    """A file that lets nothing in."""

    file: str
    why: str


@dataclass(frozen=True, slots=True)
class Shelf:
    """One state of the folder."""

    by_resource: Mapping[str, Release] = field(default_factory=dict[str, Release])
    by_digest: Mapping[str, Release] = field(default_factory=dict[str, Release])
    """By the model's digest, and by the digest that a resource's URI pins."""
    recalled: frozenset[str] = frozenset()
    recalls_at: int = -1
    """Log index of the newest recalls; -1 where there are none."""
    troubles: tuple[Trouble, ...] = ()


@dataclass(frozen=True, slots=True)
class _File:
    """A file as it was read; nothing in it is verified yet."""

    stamp: _Stamp
    proved: Proved | None = None
    why: str = ""


class ShelfReader:
    """Keeps a shelf up to date with its folder.

    Args:
        folder: Files that end in ``.json``; everything else is passed over.
        trust: The trust root.
        clock: For ages.
        revocations: Keys that are known to be revoked, beside what recalls name.
        every: Seconds between two looks at the folder.
    """

    def __init__(
        self,
        folder: Path,
        trust: TrustRoot,
        clock: Clock,
        *,
        revocations: tuple[Revocation, ...] = (),
        every: float = EVERY_S,
    ) -> None:
        self._folder, self._trust, self._clock = folder, trust, clock
        self._revocations = revocations
        self._every = every
        self._next = 0.0
        self._gone = False
        self._files: dict[str, _File] = {}
        self._shelf = Shelf()
        self._lock = threading.Lock()

    def shelf(self) -> Shelf:
        """Return the present state, to within ``every`` seconds.

        Who comes while another one reads gets the state before.
        """
        if monotonic() >= self._next and self._lock.acquire(blocking=False):
            try:
                self._look()
                self._next = monotonic() + self._every
            finally:
                self._lock.release()
        return self._shelf

    def _look(self) -> None:
        try:
            found = _list(self._folder)
        except OSError as error:
            # Evidence that was verified stays good; that its folder is gone is told.
            if not self._gone:
                self._gone = True
                trouble = Trouble(str(self._folder), error.strerror or "it can't be read")
                self._shelf = replace(self._shelf, troubles=(*self._shelf.troubles, trouble))
            return
        if found == {name: file.stamp for name, file in self._files.items()} and not self._gone:
            return
        self._gone = False
        self._files = {
            name: file
            if (file := self._files.get(name)) is not None and file.stamp == stamp
            else _read(self._folder / name, stamp)
            for name, stamp in found.items()
        }
        self._shelf = self._arrange()

    def _arrange(self) -> Shelf:
        """Verify recalls, oldest first, then releases under what they recall; the newest wins."""
        troubles = {name: file.why for name, file in self._files.items() if file.why}
        recalls = Recalls(frozenset())
        by_resource: dict[str, Release] = {}
        by_digest: dict[str, Release] = {}
        whole = [(name, file.proved) for name, file in self._files.items() if file.proved]
        whole.sort(key=lambda item: (not _recalls(item[1]), item[1].index))
        for name, proved in whole:
            revoked = (*self._revocations, *recalls.revocations)
            now = self._clock.now()
            try:
                if _recalls(proved):
                    # A key that was recalled can't unsay it: what it signs later does not count.
                    recalls = read_recalls(proved, self._trust, now=now, revocations=revoked)
                    continue
                release = read_release(proved, self._trust, now=now, revocations=revoked)
            except TidegateError as error:
                _log.warning("a release can't be used: %s", error.code)
                troubles[name] = f"{error.code}: {error.problem}"
                continue
            by_resource[release.resource] = release
            by_digest[str(release.digest)] = release
            _, at, pinned = release.resource.rpartition("@")
            if at and pinned.startswith("sha256:"):
                by_digest[pinned] = release
        told = tuple(Trouble(name, why) for name, why in sorted(troubles.items()))
        return Shelf(by_resource, by_digest, recalls.digests, recalls.index, told)


def _read(path: Path, stamp: _Stamp) -> _File:
    try:
        with path.open("rb") as file:
            proved = Proved.parse(file.read(MAX_BYTES + 1))
        predicate_type(proved)
    except TidegateError as error:
        return _File(stamp, why=f"{error.code}: {error.problem}")
    except OSError as error:
        return _File(stamp, why=error.strerror or "it can't be read")
    return _File(stamp, proved)


def _recalls(proved: Proved) -> bool:
    return predicate_type(proved) == RECALLS


def _list(folder: Path) -> dict[str, _Stamp]:
    found: dict[str, _Stamp] = {}
    with os.scandir(folder) as entries:
        for entry in entries:
            if not entry.name.endswith(".json") or len(found) >= MAX_FILES:
                continue
            # Mounted ConfigMaps are links to a folder that is swapped: follow them.
            try:
                status = entry.stat()
            except OSError:
                continue
            found[entry.name] = (status.st_mtime_ns, status.st_size, status.st_ino)
    return found
