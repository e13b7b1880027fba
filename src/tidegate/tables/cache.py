"""Remembering digests of files that did not change, without ever remembering a wrong one.

The key is what the kernel says of the file: device, inode, size, modification and change time.
No program can set the change time, so an edit that keeps size and modification time still has
another key. Times tick coarsely, though: a file that is written, hashed and written again
within one tick has one key for two contents. So a hash is kept only where the file's last
change was at least :data:`RACY_WINDOW` old *before* reading began (git calls such entries
"racily clean"); then each later write gets a later time.

What the key can't see: writers through a shared mapping whose times are stamped late (tmpfs:
never), network file systems whose server's clock is behind ours by more than the window, a clock
that is set back, and writes to the raw device. Use it to repeat a scan in a workspace on a local
disk. Gates that admit read the bytes.

>>> cache = MemoryCache()
>>> cache.get(FileKey(1, 2, 3, 4, 5)) is None
True
"""

import os
from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock
from typing import Protocol

from tidegate.core.artifact.hashing import FileHash, FileKey, hash_fd
from tidegate.core.clock import SECOND, Clock, Micros

RACY_WINDOW = Micros(2 * SECOND)
"""The coarsest clock of a file system in use (FAT: two seconds)."""


class DigestCache(Protocol):
    """Where digests are remembered: in memory here, in a store elsewhere.

    Both calls are safe from several threads. An implementation belongs to one machine and one
    workspace, gives back exactly what was put, and may forget anything at any time.
    """

    def get(self, key: FileKey) -> FileHash | None:
        """Return the hash that was put under exactly this key."""
        ...

    def put(self, key: FileKey, value: FileHash) -> None:
        """Remember a hash; only :class:`CachedHasher` decides that it may be."""
        ...


class MemoryCache:
    """A cache for the life of the process; the least recently used entry goes first.

    Args:
        capacity: How many hashes to hold; one takes about half a kilobyte.
    """

    def __init__(self, capacity: int = 100_000) -> None:
        self._capacity = capacity
        self._items: OrderedDict[FileKey, FileHash] = OrderedDict()
        self._lock = Lock()

    def get(self, key: FileKey) -> FileHash | None:
        """Return the hash that was put under exactly this key."""
        with self._lock:
            value = self._items.get(key)
            if value is not None:
                self._items.move_to_end(key)
            return value

    def put(self, key: FileKey, value: FileHash) -> None:
        """Remember a hash."""
        with self._lock:
            self._items[key] = value
            if len(self._items) > self._capacity:
                self._items.popitem(last=False)


@dataclass(frozen=True, slots=True)
class CachedHasher:
    """A hasher that asks a cache first: hand it in wherever a ``hasher`` is taken."""

    cache: DigestCache
    clock: Clock
    window: Micros = RACY_WINDOW

    def __call__(self, fd: int, where: str) -> FileHash:
        """Hash an open file, or recall its hash.

        Raises:
            UnreadableSubject: As :func:`~tidegate.core.artifact.hashing.hash_fd`.
        """
        key, now = FileKey.of(os.fstat(fd)), self.clock.now()
        known = self.cache.get(key)
        if known is not None and known.size == key.size:
            return known
        value = hash_fd(fd, where)
        if settled(key, now, self.window) and FileKey.of(os.fstat(fd)) == key:
            self.cache.put(key, value)
        return value


def settled(key: FileKey, now: Micros, window: Micros = RACY_WINDOW) -> bool:
    """Whether the file's last change is old enough that a later one must show in the key."""
    return now - max(key.mtime_ns, key.ctime_ns) // 1_000 > window
