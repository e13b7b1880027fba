"""One workspace's log in a database: entries, envelopes, tiles and head in one transaction.

A writer holds the workspace's lock from the moment it reads the head until its commit, and the
head moves by compare-and-swap on its epoch all the same: a writer that lost its lock (a server
failed over, a process slept) is fenced off.

::

    storage = SqlLogStorage(engine, workspace, LocalBlobs(folder / workspace))
    with storage.write() as log:
        log.put(entries, tiles, head)
    storage.save_checkpoint(head.size, note)
"""

from collections.abc import Generator, Iterator
from contextlib import contextmanager

from sqlalchemy import Engine

from tidegate.core.artifact.blobs import BlobStore
from tidegate.core.digest import Digest, sha256
from tidegate.core.errors import LedgerError
from tidegate.core.ledger.merkle import HASH_SIZE
from tidegate.core.ledger.storage import Erased, Head
from tidegate.store.append import SqlLogWrite, lock_log, to_bytes
from tidegate.store.lookup import Kind, Lookup, tail_start
from tidegate.store.statements import LogStatements, log_statements
from tidegate.store.transactions import Cursor, reading_fast, writing_fast

_PAGE = 512


class SqlLogStorage:
    """One workspace's log in a store; no call reaches another workspace."""

    def __init__(self, engine: Engine, workspace: str, blobs: BlobStore) -> None:
        if blobs.workspace != workspace:
            raise ValueError(f"blobs of {blobs.workspace} for a log of {workspace}")
        self._engine = engine
        self._workspace = workspace
        self._blobs = blobs
        self._sql = log_statements(engine.dialect.name)

    @property
    def workspace(self) -> str:
        """The workspace id."""
        return self._workspace

    @contextmanager
    def write(self) -> Generator[SqlLogWrite]:
        """Open the exclusive write transaction; it commits on a clean exit of the block.

        Raises:
            BusyError: It could not be had in time.
            StoreError: The store failed, a full disk included; nothing was written.
        """
        with writing_fast(self._engine) as cursor:
            lock_log(cursor, self._sql, self._workspace)
            head = _read_head(cursor, self._sql, self._workspace)
            yield self._open(cursor, head)

    def _open(self, cursor: Cursor, head: Head | None) -> SqlLogWrite:
        return SqlLogWrite(cursor, self._sql, self._workspace, self._blobs, head)

    def head(self) -> Head | None:
        """Return the committed head."""
        with reading_fast(self._engine) as cursor:
            return _read_head(cursor, self._sql, self._workspace)

    def entry(self, index: int) -> bytes | None:
        """Return one entry's bytes."""
        return self._one(self._sql.entry, self._workspace, index)

    def entries(self, start: int, stop: int) -> Iterator[bytes]:
        """Yield entry bytes in order, a page at a time: constant in memory, no long transaction."""
        while start < stop:
            page = (self._workspace, start, min(start + _PAGE, stop))
            with reading_fast(self._engine) as cursor:
                cursor.execute(self._sql.entries, page)
                rows = cursor.fetchall()
            if not rows:
                return
            for row in rows:
                yield row[0]
            start += len(rows)

    def leaf_index(self, leaf_hash: bytes) -> int | None:
        """Return the first index that has this leaf hash."""
        sql, workspace = self._sql, self._workspace
        with reading_fast(self._engine) as cursor:
            head = _read_head(cursor, sql, workspace)
            if head is None:
                return None
            lookup = Lookup(cursor, sql, workspace)
            for index in lookup.candidates(Kind.LEAF, leaf_hash, head.size):
                cursor.execute(sql.leaf_at, (workspace, index, leaf_hash))
                if cursor.fetchall():
                    return index
            cursor.execute(sql.leaf_in_tail, (workspace, tail_start(head.size), leaf_hash))
            found: int | None = cursor.fetchall()[0][0]
        return found

    def tile(self, level: int, index: int) -> bytes | None:
        """Return the widest stored tile's hashes."""
        return self._one(self._sql.tile, self._workspace, level, index)

    def checkpoint(self, size: int | None = None) -> bytes | None:
        """Return the newest signed note, or the one for a size."""
        if size is None:
            return self._one(self._sql.newest_checkpoint, self._workspace, self._workspace)
        return self._one(self._sql.checkpoint, self._workspace, size)

    def save_checkpoint(self, size: int, note: bytes) -> None:
        """Keep a signed note, without waiting for the disk: it can be signed anew.

        Raises:
            BusyError: The write lock could not be had in time.
            StoreError: The store failed.
        """
        with writing_fast(self._engine, soon=True) as cursor:
            cursor.execute(self._sql.put_checkpoint, (self._workspace, size, note))

    def envelope(self, digest: str) -> bytes | Erased | None:
        """Return an envelope's bytes, what is left of an erased one, or ``None``.

        Raises:
            LedgerError: The stored bytes do not have this digest.
            StoreError: The store failed.
        """
        key = to_bytes(digest)
        with reading_fast(self._engine) as cursor:
            cursor.execute(self._sql.erased, (self._workspace, key))
            gone = cursor.fetchone()
            if gone:
                return Erased(digest, gone[0])
            found = self._find_envelope(cursor, key)
        if found is None:
            return None
        (body,) = found
        if body is None:
            return self._from_blobs(Digest.parse(digest))
        if str(sha256(body)) != digest:
            raise LedgerError(
                "a stored envelope was changed",
                where=digest,
                next_step="restore it with `tidegate db restore`",
                slug="envelope-changed",
            )
        return bytes(body)

    def envelope_indices(self, digest: str) -> list[int]:
        """Return the indices of all entries that name an envelope, in order."""
        key = to_bytes(digest)
        with reading_fast(self._engine) as cursor:
            found = set(self._envelope_indices(cursor, key))
            return sorted(index for index in found if self._names(cursor, index, key))

    def _names(self, cursor: Cursor, index: int, key: bytes) -> bool:
        cursor.execute(self._sql.hashes, (self._workspace, index, index + 1))
        return any(digest == key for _, _, digest in cursor.fetchall())

    def _find_envelope(self, cursor: Cursor, key: bytes) -> tuple[bytes | None] | None:
        sql, workspace = self._sql, self._workspace
        for index in self._envelope_indices(cursor, key):
            cursor.execute(sql.envelope_at, (workspace, index, key))
            rows = cursor.fetchall()
            if rows:
                return (rows[0][0],)
        return None

    def _envelope_indices(self, cursor: Cursor, key: bytes) -> Iterator[int]:
        sql, workspace = self._sql, self._workspace
        head = _read_head(cursor, sql, workspace)
        if head is None:
            return
        # The newest entries first: what was just appended is what is read most.
        cursor.execute(sql.envelope_in_tail, (workspace, tail_start(head.size), key))
        yield from [row[0] for row in cursor.fetchall()]
        yield from Lookup(cursor, sql, workspace).candidates(Kind.ENVELOPE, key, head.size)

    def _from_blobs(self, digest: Digest) -> bytes | None:
        if not self._blobs.has(digest):
            return None
        return b"".join(self._blobs.get(digest))

    def _one(self, statement: str, *key: object) -> bytes | None:
        with reading_fast(self._engine) as cursor:
            cursor.execute(statement, key)
            row: tuple[bytes] | None = cursor.fetchone()
        return row[0] if row else None


def _read_head(cursor: Cursor, sql: LogStatements, workspace: str) -> Head | None:
    cursor.execute(sql.head, (workspace,))
    row = cursor.fetchone()
    if row is None:
        return None
    size, root, edge, epoch = row
    hashes = tuple(edge[i : i + HASH_SIZE] for i in range(0, len(edge), HASH_SIZE))
    return Head(size=size, root=root, edge=hashes, epoch=epoch)
