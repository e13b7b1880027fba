"""What a store says about a log, believed only where it is consistent.

A store is not trusted: its head must be whole, continue what this process has seen of it, and
continue what was signed, by whomever.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from tidegate.core.errors import (
    ForkError,
    LedgerError,
    ProofError,
    RollbackError,
    VerificationError,
)
from tidegate.core.ledger.checkpoint import Checkpoint, open_checkpoint
from tidegate.core.ledger.entry import Entry
from tidegate.core.ledger.merkle import HASH_SIZE
from tidegate.core.ledger.note import Note, NoteKey
from tidegate.core.ledger.reader import TileCache, TileReader
from tidegate.core.ledger.storage import Head, LogStorage
from tidegate.core.merkle import EMPTY_ROOT

FULL_CHECK = (
    "run a full check (tidegate log check) and restore the store from a backup that passes it"
)
_SELF = "the store contradicts itself"


@dataclass(frozen=True, slots=True)
class StoredTiles:
    """The store as a source of tiles."""

    storage: LogStorage

    def tile(self, level: int, index: int, width: int) -> bytes | None:
        """Return a tile's first ``width`` hashes, or ``None`` if it is not there."""
        data = self.storage.tile(level, index)
        return None if data is None else data[: width * HASH_SIZE]

    def bundle(self, index: int, width: int) -> Sequence[bytes] | None:
        """Return the first ``width`` entries of a bundle, or ``None`` if it is not there."""
        return list(self.storage.entries(index * 256, index * 256 + width)) or None


class ConsistentStore:
    """A log's store, and what this process has seen of it.

    Args:
        storage: The workspace's log in a store.
        origin: The log's name, for errors.
        keys: The log's keys; without any, signed heads are read and not verified.
        cache: Keeps proved tiles.
    """

    def __init__(
        self, storage: LogStorage, origin: str, keys: Sequence[NoteKey], cache: TileCache
    ) -> None:
        self.seen = (0, EMPTY_ROOT)
        """Size and root of the newest head that was read or committed."""
        self._storage = storage
        self._origin = origin
        self._keys = keys
        self._cache = cache
        self._reader: TileReader | None = None

    def checkpoint(self) -> Checkpoint | None:
        """Return the head that was signed last, verified.

        Raises:
            LedgerError: It does not verify.
        """
        note = self._storage.checkpoint()
        if note is None:
            return None
        try:
            if self._keys:
                return open_checkpoint(note, self._keys).checkpoint
            return Checkpoint.parse(Note.parse(note).text)
        except VerificationError as error:
            what = "the last signed head in the store does not verify"
            raise self._blame(LedgerError, what, "bad-checkpoint", error) from error

    def check_signed(self, signed: Checkpoint | None, reader: TileReader) -> None:
        """Check that what is stored continues what was signed.

        Raises:
            RollbackError: It is shorter.
            ForkError: It is something else.
        """
        if signed is None:
            return
        if signed.size > reader.size:
            what = f"the store has {reader.size} entries, and {signed.size} were signed"
            raise self._blame(RollbackError, what, "behind-signed")
        if self._root_of(reader, signed.size) != signed.root:
            what = f"the first {signed.size} entries are not the ones that were signed"
            raise self._blame(ForkError, what, "not-signed")

    def read(self, head: Head) -> TileReader:
        """Read a committed head, if it is whole and continues what this process has seen.

        Raises:
            LedgerError: The store contradicts itself.
            RollbackError: It went back.
            ForkError: Earlier entries changed.
        """
        reader = self._reader
        if reader is not None and (reader.size, reader.root) == (head.size, head.root):
            return reader
        size, root = self.seen
        if head.size < size:
            what = f"the store went back from {size} to {head.size} entries"
            raise self._blame(RollbackError, what, "went-back")
        try:
            reader = TileReader(StoredTiles(self._storage), head.size, head.root, self._cache)
        except VerificationError as error:
            raise self._blame(LedgerError, _SELF, "contradiction", error) from error
        if reader.edge != head.edge:
            raise self._blame(LedgerError, _SELF, "edge")
        if self._root_of(reader, size) != root:
            self._cache.clear()  # it may now hold tiles of the other history
            what = f"the first {size} entries changed under this process"
            raise self._blame(ForkError, what, "changed")
        self._reader, self.seen = reader, (head.size, head.root)
        return reader

    def last_entry(self, reader: TileReader) -> Entry | None:
        """Hash the last bundle against its tile; return the last entry.

        Raises:
            LedgerError: They do not match, or it is no entry.
        """
        if not reader.size:
            return None
        try:
            entries = list(reader.entries((reader.size - 1) & ~0xFF))
            return Entry.parse(entries[-1])
        except VerificationError as error:
            raise self._blame(LedgerError, _SELF, "contradiction", error) from error

    def _root_of(self, reader: TileReader, size: int) -> bytes:
        try:
            return reader.root_of(size)
        except ProofError as error:
            raise self._blame(LedgerError, _SELF, "contradiction", error) from error

    def _blame(
        self, kind: type[LedgerError], what: str, slug: str, cause: Exception | None = None
    ) -> LedgerError:
        why = None if cause is None else str(cause)
        return kind(what, where=self._origin, cause=why, next_step=FULL_CHECK, slug=slug)
