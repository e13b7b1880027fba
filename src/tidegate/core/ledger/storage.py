"""What the ledger asks of a store: one exclusive writer, and reads of what was committed."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Head:
    """A committed tree: what may be signed, and nothing else may."""

    size: int
    """Number of entries."""
    root: bytes
    """RFC 6962 root hash, 32 bytes."""
    edge: tuple[bytes, ...]
    """The compact range: roots of the perfect subtrees from left to right."""
    epoch: int
    """Grows by one with each write; a writer whose epoch is old is fenced off."""


@dataclass(frozen=True, slots=True)
class NewEntry:
    """One leaf to be written."""

    index: int
    entry: bytes
    """Canonical entry bytes, at most 65,535."""
    leaf_hash: bytes
    envelope_digest: str | None
    """``sha256:…`` of the envelope bytes, where the entry names one."""
    envelope: bytes | None
    """The envelope bytes; stored inline up to 64 KiB, otherwise handed to the blob store."""


@dataclass(frozen=True, slots=True)
class NewTile:
    """A tile of 1 to 256 hashes; a partial tile replaces its narrower self."""

    level: int
    index: int
    hashes: bytes
    """32 bytes a hash."""


class LogWrite(Protocol):
    """An open, exclusive write transaction on one workspace's log."""

    head: Head | None
    """The committed head when the transaction began; ``None`` for an empty log."""

    def put(self, entries: Sequence[NewEntry], tiles: Sequence[NewTile], head: Head) -> None:
        """Stage leaves, tiles and the new head; all become durable when the block ends.

        Raises:
            BusyError: Another writer moved the head: this one is fenced off.
        """
        ...


class LogStorage(Protocol):
    """One workspace's log in a store."""

    @property
    def workspace(self) -> str:
        """The workspace id; no call reaches another workspace."""
        ...

    def write(self) -> AbstractContextManager[LogWrite]:
        """Open the exclusive write transaction; it commits on a clean exit of the block.

        Raises:
            BusyError: It could not be had in time.
            StoreError: The store failed, a full disk included; nothing was written.
        """
        ...

    def head(self) -> Head | None:
        """Return the committed head."""
        ...

    def entry(self, index: int) -> bytes | None:
        """Return one entry's bytes."""
        ...

    def entries(self, start: int, stop: int) -> Iterator[bytes]:
        """Yield entry bytes in order, constant in memory."""
        ...

    def leaf_index(self, leaf_hash: bytes) -> int | None:
        """Return the first index that has this leaf hash."""
        ...

    def tile(self, level: int, index: int) -> bytes | None:
        """Return the widest stored tile's hashes."""
        ...

    def checkpoint(self, size: int | None = None) -> bytes | None:
        """Return the newest signed note, or the one for a size."""
        ...

    def save_checkpoint(self, size: int, note: bytes) -> None:
        """Keep a signed note; it may be lost in a crash, as it can be signed anew."""
        ...


@dataclass(frozen=True, slots=True)
class Erased:
    """What is left of an envelope that was shredded on purpose: its digest stays true."""

    digest: str
    """``sha256:…`` of the bytes that were there."""
    time: int
    """When they were erased, in microseconds."""


class EnvelopeSource(Protocol):
    """Where the envelopes are that entries name."""

    def envelope(self, digest: str) -> bytes | Erased | None:
        """Return the bytes, what is left of erased ones, or ``None`` where they are missing.

        Raises:
            LedgerError: The stored bytes do not have this digest.
        """
        ...
