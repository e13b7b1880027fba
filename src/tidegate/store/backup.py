"""Copies of a store, made while it is in use, and taken back only if their logs are whole.

A SQLite store is copied page by page by SQLite itself; a PostgreSQL store as its logs (see
:mod:`tidegate.store.transfer`), one file a workspace. Blobs never change: copy their folder after
the database, with any tool.

::

    backup("sqlite:///store.db", Path("store.backup.db"))
    restore(Path("store.backup.db"), "sqlite:///fresh.db")
"""

import errno
import os
import sqlite3
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path

from sqlalchemy import Engine, select

from tidegate.core.errors import (
    LedgerError,
    SchemaError,
    StoreError,
    SubjectError,
    UsageError,
    VerificationError,
)
from tidegate.core.ledger.checkpoint import Checkpoint
from tidegate.core.ledger.consistent import StoredTiles
from tidegate.core.ledger.note import Note
from tidegate.core.ledger.reader import TileReader
from tidegate.store.blobs import LocalBlobs
from tidegate.store.engine import bare_engine, open_engine
from tidegate.store.failures import guarded, place_of
from tidegate.store.log import SqlLogStorage
from tidegate.store.tables import log_head
from tidegate.store.transactions import reading

_PAGES = 1_024
_UNUSED = Path("unused")
_PLACE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.EPERM, errno.ENAMETOOLONG})
"""What is wrong with a path that was named, and not with the system."""
_SPOILT = frozenset({"not-a-database", "damaged", "foreign-database"})


def backup(url: str, target: Path) -> int:
    """Copy a SQLite store into one file, consistently, while others write.

    Returns:
        Bytes of the copy.

    Raises:
        UsageError: There is something at the target already, it can't be written, or the store is
            no SQLite file.
        SchemaError: The store has another schema.
        StoreError: The store can't be read, or has no room for the copy; none is left.
    """
    _refuse_existing(target)
    engine = open_engine(url)
    try:
        if engine.dialect.name != "sqlite":
            raise UsageError(
                "a PostgreSQL store is backed up by log",
                where=place_of(engine.url),
                next_step="run `tidegate db export`, or the server's own pg_dump",
                slug="not-sqlite",
            )
        with _aside(target) as part:
            _copy(Path(place_of(engine.url)), part, engine)
    finally:
        engine.dispose()
    return target.stat().st_size


def restore(source: Path, url: str) -> list[str]:
    """Take a SQLite copy back, to a place where there is no store, if its logs are whole.

    A copy is older than what it was made of. Clients and witnesses that remember a later head
    will refuse the restored log as rolled back; that is their task, and not to be silenced.

    Returns:
        The workspaces whose logs were checked.

    Raises:
        UsageError: There is a store at the target already, or it is no SQLite address.
        SubjectError: There is no copy.
        LedgerError: The copy contradicts itself; nothing was restored.
        SchemaError: The copy has another schema.
        StoreError: The copy is no store, or can't be read; nothing was restored.
    """
    engine = bare_engine(url)
    place, kind = place_of(engine.url), engine.dialect.name
    engine.dispose()
    if kind != "sqlite":
        raise UsageError(
            "a file is restored to a file",
            where=place,
            next_step="run `tidegate db import` to move a log to PostgreSQL",
            slug="not-sqlite",
        )
    target = Path(place)
    _refuse_existing(target)
    if not source.is_file():
        raise SubjectError(
            "there is no copy here",
            where=str(source),
            next_step="name the file that `tidegate db backup` wrote",
            slug="no-such-file",
        )
    with _aside(target) as part:
        try:
            _copy(source, part, engine)
            copy = open_engine(f"sqlite:///{part}")
        except StoreError as error:
            if isinstance(error, SchemaError) or error.slug in _SPOILT:
                error.where = str(source)  # what it was copied to is gone by now
            raise
        try:
            return check_logs(copy)
        finally:
            copy.dispose()


def check_logs(engine: Engine) -> list[str]:
    """Recompute each log's right edge, and compare it with the head and the last signed head.

    Returns:
        The workspaces that have a log.

    Raises:
        LedgerError: One contradicts itself.
    """
    with reading(engine) as connection:
        workspaces = list(connection.execute(select(log_head.c.workspace)).scalars())
    for workspace in sorted(workspaces):
        _check_log(SqlLogStorage(engine, workspace, LocalBlobs(_UNUSED / workspace)))
    return sorted(workspaces)


def _check_log(storage: SqlLogStorage) -> None:
    note, head = storage.checkpoint(), storage.head()
    if head is None:
        return
    try:
        reader = TileReader(StoredTiles(storage), head.size, head.root)
        signed = None if note is None else Checkpoint.parse(Note.parse(note).text)
        same = signed is None or reader.root_of(signed.size) == signed.root
    except VerificationError as error:
        raise _contradiction(storage.workspace, str(error)) from None
    if not same:
        raise _contradiction(storage.workspace, "its last signed head is of another log")


def _contradiction(workspace: str, cause: str) -> LedgerError:
    return LedgerError(
        "the copy's log contradicts itself",
        where=workspace,
        cause=cause,
        next_step="use another copy",
        slug="bad-backup",
    )


def _copy(source: Path, target: Path, engine: Engine) -> None:
    with (
        guarded(engine),
        closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)) as one,
        closing(sqlite3.connect(target)) as other,
    ):
        # In steps, so that writers get their turn; SQLite begins anew where one was faster.
        one.backup(other, pages=_PAGES, sleep=0.001)
    descriptor = os.open(target, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _aside(target: Path) -> Generator[Path]:
    """Give a name beside the target; on a clean exit it becomes the target, else it goes."""
    part = target.with_name(f".{target.name}.part")
    try:
        os.close(os.open(part, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600))
        yield part
        part.replace(target)
        descriptor = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        kind = UsageError if error.errno in _PLACE else StoreError
        raise kind(
            "the copy can't be written",
            where=str(target),
            cause=error.strerror,
            next_step="name a file in a folder that exists, can be written and has room",
            slug="output" if kind is UsageError else "copy",
        ) from None
    finally:
        for suffix in ("", "-wal", "-shm"):
            part.with_name(part.name + suffix).unlink(missing_ok=True)


def _refuse_existing(target: Path) -> None:
    # SQLite would replay the log of a store that is gone into the one that takes its place.
    for suffix in ("", "-wal", "-shm", "-journal"):
        found = target.with_name(target.name + suffix)
        if found.exists() or found.is_symlink():
            raise UsageError(
                "there is something here already",
                where=str(found),
                next_step="name a new file, or move what is left of the former store away",
                slug="exists",
            )
