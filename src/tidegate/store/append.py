"""The write side of a log: what one transaction adds, in the order in which it must be there.

::

    with storage.write() as log:
        log.put(entries, tiles, head)
"""

import hashlib
from collections.abc import Sequence
from io import BytesIO

from tidegate.core.artifact.blobs import BlobStore
from tidegate.core.errors import BusyError, LedgerError, SubjectError
from tidegate.core.ledger.merkle import HASH_SIZE
from tidegate.core.ledger.storage import Head, NewEntry, NewTile
from tidegate.store.lookup import Lookup
from tidegate.store.statements import LogStatements
from tidegate.store.transactions import Cursor

INLINE_LIMIT = 64 * 1024
"""Envelopes up to this many bytes live in the database, in the entry's own transaction."""


class SqlLogWrite:
    """An open write transaction on one workspace's log."""

    def __init__(
        self,
        cursor: Cursor,
        sql: LogStatements,
        workspace: str,
        blobs: BlobStore,
        head: Head | None,
    ) -> None:
        self.head = head
        self._cursor = cursor
        self._sql = sql
        self._workspace = workspace
        self._blobs = blobs
        self._lookup = Lookup(cursor, sql, workspace)

    def put(self, entries: Sequence[NewEntry], tiles: Sequence[NewTile], head: Head) -> None:
        """Stage leaves, tiles and the new head; all become durable when the block ends.

        Raises:
            BusyError: Another writer moved the head: this one is fenced off.
            LedgerError: The entries do not follow the head, or the new head is not theirs.
            StoreError: The store failed; nothing of this block is written.
        """
        self._check_order(entries, head)
        self._put_entries(entries)
        self._put_tiles(tiles)
        self._lookup.fold(head.size - len(entries), head.size)
        self._put_head(head)
        self.head = head

    def put_checkpoint(self, size: int, note: bytes) -> None:
        """Stage a signed note that came with its log, as from a backup."""
        self._cursor.execute(self._sql.put_checkpoint, (self._workspace, size, note))

    def put_erased(self, digest: str, time: int) -> None:
        """Stage that an envelope is erased; its bytes are not taken from then on."""
        self._cursor.execute(self._sql.put_erased, (self._workspace, to_bytes(digest), time))

    def _check_order(self, entries: Sequence[NewEntry], head: Head) -> None:
        size, epoch = (self.head.size, self.head.epoch) if self.head else (0, 0)
        in_order = all(new.index == size + i for i, new in enumerate(entries))
        if not in_order or head.size != size + len(entries) or head.epoch != epoch + 1:
            raise LedgerError(
                "new entries do not follow the committed head",
                where=f"index {size}, epoch {epoch}",
                slug="out-of-order",
            )

    def _put_entries(self, entries: Sequence[NewEntry]) -> None:
        workspace = self._workspace
        leaves: list[tuple[object, ...]] = []
        bodies: list[tuple[object, ...]] = []
        for new in entries:
            digest = to_bytes(new.envelope_digest) if new.envelope_digest else None
            leaves.append((workspace, new.index, new.entry, new.leaf_hash, digest))
            if digest and new.envelope is not None:
                body, size = self._inline(new.envelope), len(new.envelope)
                bodies.append((workspace, new.index, digest, size, body, workspace, digest))
        self._many(self._sql.put_entry, leaves)
        self._many(self._sql.put_envelope, bodies)

    def _inline(self, body: bytes) -> bytes | None:
        if len(body) <= INLINE_LIMIT:
            return body
        # Durable before the entry that names it; left over, if the commit fails, it harms none.
        self._blobs.put(BytesIO(body))
        return None

    def _put_tiles(self, tiles: Sequence[NewTile]) -> None:
        self._many(
            self._sql.put_tile, [(self._workspace, t.level, t.index, t.hashes) for t in tiles]
        )

    def _put_head(self, head: Head) -> None:
        row = (head.size, head.root, b"".join(head.edge), head.epoch)
        if self.head is None:
            self._cursor.execute(self._sql.first_head, (self._workspace, *row))
        else:
            seen = (self._workspace, self.head.size, self.head.epoch)
            self._cursor.execute(self._sql.next_head, (*row, *seen))
        if not self._cursor.fetchall():
            raise BusyError(
                "another writer moved the log's head",
                where=f"epoch {head.epoch}",
                next_step="run the command again",
                slug="fenced",
            )

    def _many(self, statement: str, rows: list[tuple[object, ...]]) -> None:
        if len(rows) == 1:
            self._cursor.execute(statement, rows[0])
        elif rows:
            self._cursor.executemany(statement, rows)


def lock_log(cursor: Cursor, sql: LogStatements, workspace: str) -> None:
    """Take the workspace's lock until the transaction ends; on SQLite beginning it did so."""
    if sql.lock:
        cursor.execute(sql.lock, (_lock_key(workspace),))


def _lock_key(workspace: str) -> int:
    """Name the workspace's advisory lock: 64 bits, signed, as PostgreSQL wants them."""
    digest = hashlib.sha256(b"tidegate log " + workspace.encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


def to_bytes(digest: str) -> bytes:
    """Return the 32 bytes of ``sha256:…``, the form in which the tables keep it.

    Raises:
        SubjectError: It is no SHA-256 digest.
    """
    # Ten times as fast as Digest.parse, once for each entry.
    try:
        raw = bytes.fromhex(digest[7:])
    except ValueError:
        raw = b""
    if len(raw) != HASH_SIZE or digest != f"sha256:{raw.hex()}":
        raise SubjectError("envelopes are named by SHA-256", where=digest[:80], slug="bad-digest")
    return raw
