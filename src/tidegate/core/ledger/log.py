"""The log: append in one transaction, sign what was committed, prove what was signed.

>>> from tidegate.core.clock import FixedClock
>>> from tidegate.core.ledger.entry import Entry
>>> from tidegate.logbook.memory import MemoryLogStorage
>>> log = Log(MemoryLogStorage("acme"), origin="acme.example/log", clock=FixedClock(1))
>>> log.append([PendingEntry(Entry("attestation", "acme"))])[0].index
0
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from threading import RLock
from typing import Self

from tidegate.core.clock import Clock, Micros
from tidegate.core.errors import LedgerError, ProofError, StoreError, UsageError
from tidegate.core.ledger.checkpoint import Checkpoint
from tidegate.core.ledger.consistent import FULL_CHECK, ConsistentStore
from tidegate.core.ledger.entry import Entry
from tidegate.core.ledger.note import Note, NoteKey, NoteSignature, NoteSigner
from tidegate.core.ledger.reader import TileCache, TileReader
from tidegate.core.ledger.storage import Head, LogStorage, LogWrite, NewEntry
from tidegate.core.ledger.tiles import TileBuilder, right_edge
from tidegate.core.merkle import EMPTY_ROOT, leaf_hash

logger = logging.getLogger(__name__)

EMPTY = Head(size=0, root=EMPTY_ROOT, edge=(), epoch=0)

_WIDEST = 2**53 - 1
_UNSTAMPED = b'"time":%d' % _WIDEST


@dataclass(frozen=True, slots=True)
class PendingEntry:
    """What is to be appended; the log stamps the entry with its time."""

    entry: Entry
    envelope: bytes | None = None
    """The envelope's bytes; their digest must be the one that the entry names."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """Proof to the caller that an entry is committed."""

    index: int
    leaf_hash: bytes
    size: int
    """Size of the log right after the entry's batch."""
    time: Micros
    """The log time that the entry was stamped with."""


class Log:
    """One workspace's log.

    Safe for threads, and for any number of processes on one store: the store's write
    transaction makes one writer at a time, and each signs only what it can show to continue
    what was signed before, by whomever.

    Args:
        storage: The workspace's log in a store.
        origin: The log's name on checkpoints; short, as it is in every proof.
        clock: Log time; one that is behind the last entry is refused.
        signer: Signs checkpoints under the origin; without one the log stays unsigned.
        keys: Earlier keys of this log, whose checkpoints are still to be accepted.
        skew: How far the clock may be behind the last entry before it is refused, in
            microseconds; such entries get the last entry's time.
        cache: How many full tiles to keep in memory.
    """

    def __init__(
        self,
        storage: LogStorage,
        *,
        origin: str,
        clock: Clock,
        signer: NoteSigner | None = None,
        keys: Sequence[NoteKey] = (),
        skew: int = 0,
        cache: int = 512,
    ) -> None:
        if signer is not None and signer.key.name != origin:
            raise UsageError("the log's key has another name", where=signer.key.name, slug="origin")
        self.storage = storage
        self.origin = origin
        self._clock = clock
        self._signer = signer
        self._keys = (*((signer.key,) if signer else ()), *keys)
        self._skew = skew
        self._store = ConsistentStore(storage, origin, self._keys, TileCache(cache))
        self._lock = RLock()
        self._builder: TileBuilder | None = None
        self._last: Entry | None = None
        self._signed: Checkpoint | None = None
        self._opened = False

    @property
    def keys(self) -> tuple[NoteKey, ...]:
        """The public keys whose checkpoints count as this log's."""
        return self._keys

    def open(self) -> Self:
        """Recompute the right edge and compare it with the stored and the last signed head.

        Every other method does this first, once.

        Raises:
            LedgerError: The store contradicts itself, or what was signed.
            RollbackError: It is shorter than what was signed.
            ForkError: It is not what was signed.
        """
        with self._lock:
            if not self._opened:
                signed = self._store.checkpoint()
                reader = self._store.read(self.storage.head() or EMPTY)
                self._store.check_signed(signed, reader)
                self._last, self._signed = self._store.last_entry(reader), signed
                self._opened = True
        return self

    @property
    def head(self) -> Checkpoint:
        """The committed head, signed or not yet."""
        reader = self.reader()
        return Checkpoint(self.origin, reader.size, reader.root)

    def reader(self) -> TileReader:
        """Return proved access to entries and hashes of the committed log.

        Raises:
            LedgerError: The store contradicts itself or an earlier state of it.
        """
        with self._lock:
            self.open()
            return self._store.read(self.storage.head() or EMPTY)

    def append(self, items: Sequence[PendingEntry]) -> list[Receipt]:
        """Commit entries, leaves, tiles and the new head in one transaction, then sign the head.

        The receipts stand for the commit. A store that is too busy to take the signed head as
        well gets it with the next append or `checkpoint`, which is where that error shows.

        Raises:
            UsageError: An entry is too large, another workspace's, or not its envelope's.
            LedgerError: The clock is behind, the log is closed, or the store contradicts itself.
            BusyError: Another writer was faster or holds the store.
            StoreError: The store failed; nothing was written.
            AccessError: The log's key can't be used; the entries are committed all the same.
        """
        wide = [check_pending(item, self.storage.workspace) for item in items]
        if not items:
            return []
        with self._lock:
            self.open()
            with self.storage.write() as transaction:
                before, builder = self._begin(transaction)
                self._builder = None  # not to be trusted until the commit
                time = self._stamp(items)
                entries = [
                    _stamped(item, wide[offset], time, before.size + offset)
                    for offset, item in enumerate(items)
                ]
                for entry in entries:
                    builder.append(entry.leaf_hash)
                tree = builder.tree
                head = Head(tree.size, tree.root, tree.edge, before.epoch + 1)
                transaction.put(entries, builder.take(), head)
            self._builder = builder
            self._last = replace(items[-1].entry, time=time)
            self._store.seen = (head.size, head.root)
            self._sign_appended(before)
        return [Receipt(entry.index, entry.leaf_hash, head.size, time) for entry in entries]

    def checkpoint(self) -> bytes:
        """Return the newest signed head with its cosignatures; sign it first where need be.

        Raises:
            LedgerError: There is neither a signed head nor a signer, or what was signed is
                not continued by what is stored.
        """
        with self._lock:
            self._publish()
            note = self.storage.checkpoint()
        if note is None:
            raise LedgerError(
                "the log has no signed head",
                where=self.origin,
                next_step="open it with the log's key",
                slug="unsigned",
            )
        return note

    def cosign(self, lines: Sequence[NoteSignature], witnesses: Sequence[NoteKey]) -> bytes:
        """Add witnesses' signatures to the newest signed head; unknown keys are dropped.

        Raises:
            SignatureError: A witness's signature does not verify over this head.
        """
        with self._lock:
            note = Note.parse(self.checkpoint())
            known = {(key.name, key.key_id) for key in witnesses}
            fitting = [line for line in lines if (line.name, line.key_id) in known]
            if fitting:
                note = note.with_signatures(fitting)
                note.verify(witnesses)
                size = Checkpoint.parse(note.text).size
                self.storage.save_checkpoint(size, note.to_bytes())
            return note.to_bytes()

    def entries(self, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """Yield entries in order, each proved to be under the committed head.

        Raises:
            ProofError: An entry, or a tile above it, was changed in the store.
        """
        return self.reader().entries(start, stop)

    def entry(self, index: int) -> bytes:
        """Return one entry, proved.

        Raises:
            ProofError: There is no such entry, or it was changed in the store.
        """
        reader = self.reader()
        data = self.storage.entry(index) if 0 <= index < reader.size else None
        if data is None or leaf_hash(data) != reader.node(0, index):
            raise ProofError(
                "there is no such entry, or it was changed",
                where=f"entry {index}",
                next_step=FULL_CHECK,
                slug="entry-changed",
            )
        return data

    def prove_inclusion(self, index: int, size: int | None = None) -> tuple[bytes, ...]:
        """Prove an entry in the log of ``size`` entries, by default all committed ones.

        Raises:
            ProofError: There is no such entry, or a tile was changed in the store.
        """
        return self.reader().inclusion(index, size)

    def prove_consistency(self, old: int, new: int | None = None) -> tuple[bytes, ...]:
        """Prove that the log of ``new`` entries continues the one of ``old``.

        Raises:
            ProofError: The sizes make no sense, or a tile was changed in the store.
        """
        return self.reader().consistency(old, new)

    def close(self, entry: Entry, successor_origin: str) -> bytes:
        """Append the final entry, which names the successor; nothing can follow it.

        Args:
            entry: Workspace, actor and tool to put into the final entry.
            successor_origin: Origin of the log that goes on.

        Returns:
            The final checkpoint; its text goes into the successor's genesis.
        """
        final = replace(entry, kind="close", extra={"successor": successor_origin}, raw=None)
        self.append([PendingEntry(final)])
        return self.checkpoint()

    def _begin(self, transaction: LogWrite) -> tuple[Head, TileBuilder]:
        """Take up the committed head: what is in memory if it still is that, else the store."""
        head = transaction.head or EMPTY
        builder = self._builder
        if builder is None or (builder.tree.size, builder.tree.root) != (head.size, head.root):
            self._last = self._store.last_entry(self._store.read(head))
            partial = {
                level: self.storage.tile(level, index) or b""
                for level, index, _ in right_edge(head.size)
            }
            builder = TileBuilder(head.size, head.edge, partial)
        if self._last is not None and self._last.kind == "close":
            raise LedgerError(
                "the log is closed",
                where=self.origin,
                next_step=f"append to its successor, {self._last.extra.get('successor')}",
                slug="closed",
            )
        return head, builder

    def _stamp(self, items: Sequence[PendingEntry]) -> Micros:
        last = self._last.time if self._last else 0
        now = self._clock.now()
        if now < last - self._skew:
            raise LedgerError(
                f"the clock is {last - now} µs behind the log's last entry",
                where=self.origin,
                next_step="set the clock; if the last entry is from the future, close this log",
                slug="clock-behind",
            )
        starts = [n for n, item in enumerate(items) if item.entry.kind == "genesis"]
        if starts and (self._last is not None or starts != [0]):
            raise UsageError("only the first entry is a genesis", slug="not-first")
        return Micros(max(now, last))

    def _sign_appended(self, before: Head) -> None:
        if self._signer is None:
            return
        try:
            if self._signed is not None and self._signed.root == before.root:
                # Grown out of the very head that was signed last: nothing left to compare.
                self._sign(*self._store.seen)
            else:
                self._publish()
        except StoreError as error:
            self._signed = None
            logger.warning("%s is not signed yet: %s", self.origin, error.code)

    def _publish(self) -> None:
        """Sign the committed head if the newest signed one is older."""
        # The checkpoint is read first: an honest store's head can only be newer than it.
        signed = self._store.checkpoint()
        reader = self.reader()
        self._store.check_signed(signed, reader)
        self._signed = signed
        if signed is None or signed.size < reader.size:
            self._sign(reader.size, reader.root)

    def _sign(self, size: int, root: bytes) -> None:
        if self._signer is None:
            return
        checkpoint = Checkpoint(self.origin, size, root)
        line = self._signer.sign_note(checkpoint.text)
        self.storage.save_checkpoint(size, Note(checkpoint.text, (line,)).to_bytes())
        self._signed = checkpoint
        logger.debug("signed %s at %d", self.origin, size)


def check_pending(item: PendingEntry, workspace: str) -> bytes:
    """Refuse what can't be appended, before anything else waits for it.

    Returns:
        The entry with the widest time that there is, ready to be stamped.

    Raises:
        UsageError: It is another workspace's, not well-formed, too large, or not its envelope's.
    """
    entry = item.entry
    if entry.workspace != workspace:
        raise UsageError(
            "an entry belongs into its own workspace's log",
            where=f"{entry.workspace} in {workspace}",
            slug="other-workspace",
        )
    # With the widest time, so that stamping can't make it too large.
    wide = replace(entry, raw=None, time=_WIDEST).check()
    if item.envelope is not None:
        digest = f"sha256:{sha256(item.envelope).hexdigest()}"
        if digest != entry.envelope:
            raise UsageError(
                "the entry names another envelope", where=str(entry.envelope), slug="envelope"
            )
    return wide


def _stamped(item: PendingEntry, wide: bytes, time: Micros, index: int) -> NewEntry:
    # Encoded once: a quote within a text is escaped, so that this is found as the field alone.
    before, found, after = wide.partition(_UNSTAMPED)
    data = b'%s"time":%d%s' % (before, time, after)
    if not found or _UNSTAMPED in after:
        data = replace(item.entry, time=time, raw=None).to_bytes()
    return NewEntry(index, data, leaf_hash(data), item.entry.envelope, item.envelope)
