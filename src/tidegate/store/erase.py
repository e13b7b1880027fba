"""Erasure: the bytes go, their digest stays, and what read them is told *erased*.

::

    shred(engine, storage, blobs, digest, clock)    # True: bytes were there
    storage.envelope(str(digest))                   # Erased(digest='sha256:…', time=…)
"""

import logging

from sqlalchemy import Connection, Engine, delete, select, update

from tidegate.core.artifact.blobs import BlobStore
from tidegate.core.clock import Clock
from tidegate.core.digest import Digest
from tidegate.store.append import lock_log, to_bytes
from tidegate.store.failures import guarded
from tidegate.store.log import SqlLogStorage
from tidegate.store.statements import log_statements
from tidegate.store.tables import PROJECTIONS, envelope, erased
from tidegate.store.transactions import driver_cursor, insert_into, reading, writing

_log = logging.getLogger(__name__)


def shred(
    engine: Engine, storage: SqlLogStorage, blobs: BlobStore, digest: Digest, clock: Clock
) -> bool:
    """Delete the bytes of an envelope or an evidence blob, and remember that they were erased.

    The log is untouched: entries name digests only. The workspace's projections are dropped, as
    a rebuild must give what is there, so project the log again afterwards. Bytes appended again
    later under this digest are not kept.

    On SQLite freed pages are overwritten and the write-ahead log is emptied. On PostgreSQL the
    table is rewritten, but the server's own log and its backups may hold old pages: what must
    be unreadable there has to be stored encrypted, and its key shredded.

    Returns:
        Whether there were bytes to delete.

    Raises:
        BusyError: The store is in use by another writer.
        StoreError: The store failed; nothing was erased.
    """
    key = to_bytes(str(digest))
    with writing(engine) as connection:
        sql = log_statements(connection.dialect.name)
        lock_log(driver_cursor(connection), sql, storage.workspace)
        indices = storage.envelope_indices(str(digest))
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("PRAGMA secure_delete = ON")
        statement = insert_into(connection, erased).values(
            workspace=storage.workspace, digest=key, time=clock.now()
        )
        connection.execute(statement.on_conflict_do_nothing())
        there = _drop_bytes(connection, storage.workspace, key, indices)
        if indices:
            for table in PROJECTIONS:
                connection.execute(delete(table).where(table.c.workspace == storage.workspace))
    in_blobs = blobs.delete(digest)
    if there:
        _scrub(engine)
    _log.info("erased %s in workspace %s", digest.short, storage.workspace)
    return there or in_blobs


def is_erased(engine: Engine, workspace: str, digest: Digest) -> bool:
    """Tell whether bytes were erased on purpose, so that a blob's absence is no loss."""
    where = (erased.c.workspace == workspace, erased.c.digest == to_bytes(str(digest)))
    with reading(engine) as connection:
        return connection.execute(select(erased.c.time).where(*where)).first() is not None


def _drop_bytes(connection: Connection, workspace: str, key: bytes, indices: list[int]) -> bool:
    column = envelope.c
    changed = 0
    for index in indices:
        where = (column.workspace == workspace, column.idx == index, column.digest == key)
        statement = update(envelope).where(*where, column.bytes.is_not(None)).values(bytes=None)
        changed += connection.execute(statement).rowcount
    return changed > 0


def _scrub(engine: Engine) -> None:
    """Drive what was freed out of the database's files, as far as the database can."""
    with guarded(engine):
        connection = engine.raw_connection()
        try:
            driver = connection.driver_connection
            if driver is None:
                return
            if engine.dialect.name == "sqlite":
                driver.execute("PRAGMA secure_delete = OFF")
                driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            else:
                driver.autocommit = True
                driver.execute("VACUUM FULL envelope")
                driver.autocommit = False
        finally:
            connection.close()
