"""A log in memory, for tests, drills and dry runs: the same promises, gone with the process.

>>> storage = MemoryLogStorage("acme")
>>> storage.head() is None
True
"""

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from threading import RLock

from tidegate.core.errors import BusyError
from tidegate.core.ledger.storage import Head, NewEntry, NewTile


class MemoryLogStorage:
    """Fulfils ``LogStorage``; writers of other threads wait.

    Args:
        workspace: The workspace id.
    """

    def __init__(self, workspace: str) -> None:
        self.workspace = workspace
        self.envelopes: dict[str, bytes] = {}
        self._entries: list[bytes] = []
        self._leaves: dict[bytes, int] = {}
        self._tiles: dict[tuple[int, int], bytes] = {}
        self._notes: dict[int, bytes] = {}
        self._head: Head | None = None
        self._lock = RLock()

    @contextmanager
    def write(self) -> Generator["MemoryLogWrite"]:
        """Open the exclusive write transaction; it commits on a clean exit of the block."""
        with self._lock:
            transaction = MemoryLogWrite(self._head)
            yield transaction
            for entries, tiles, head in transaction.staged:
                self._commit(entries, tiles, head)

    def head(self) -> Head | None:
        """Return the committed head."""
        return self._head

    def entry(self, index: int) -> bytes | None:
        """Return one entry's bytes."""
        return self._entries[index] if 0 <= index < len(self._entries) else None

    def entries(self, start: int, stop: int) -> Iterator[bytes]:
        """Yield entry bytes in order."""
        yield from self._entries[start:stop]

    def leaf_index(self, leaf_hash: bytes) -> int | None:
        """Return the first index that has this leaf hash."""
        return self._leaves.get(leaf_hash)

    def tile(self, level: int, index: int) -> bytes | None:
        """Return the widest stored tile's hashes."""
        return self._tiles.get((level, index))

    def checkpoint(self, size: int | None = None) -> bytes | None:
        """Return the newest signed note, or the one for a size."""
        with self._lock:
            return self._notes.get(max(self._notes, default=0) if size is None else size)

    def save_checkpoint(self, size: int, note: bytes) -> None:
        """Keep a signed note."""
        with self._lock:
            self._notes[size] = note

    def _commit(self, entries: Sequence[NewEntry], tiles: Sequence[NewTile], head: Head) -> None:
        for entry in entries:
            self._entries.append(entry.entry)
            self._leaves.setdefault(entry.leaf_hash, entry.index)
            if entry.envelope_digest is not None and entry.envelope is not None:
                self.envelopes[entry.envelope_digest] = entry.envelope
        self._tiles |= {(tile.level, tile.index): tile.hashes for tile in tiles}
        self._head = head


class MemoryLogWrite:
    """An open write transaction.

    Args:
        head: The committed head when it began.
    """

    def __init__(self, head: Head | None) -> None:
        self.head = head
        self.staged: list[tuple[Sequence[NewEntry], Sequence[NewTile], Head]] = []

    def put(self, entries: Sequence[NewEntry], tiles: Sequence[NewTile], head: Head) -> None:
        """Stage leaves, tiles and the new head.

        Raises:
            BusyError: The head does not follow the one that the transaction began with.
        """
        epoch, size = (self.head.epoch, self.head.size) if self.head else (0, 0)
        if self.staged or head.epoch != epoch + 1 or head.size != size + len(entries):
            raise BusyError("another writer moved the head", slug="fenced")
        self.staged.append((entries, tiles, head))
