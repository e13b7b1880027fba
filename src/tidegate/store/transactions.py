"""Transactions on either database: to read, to write, and to write what may be lost in a crash.

The fast ones speak through the driver's own cursor. They are for the log, whose flush to disk may
take no longer than 0.2 ms: opening and closing one takes 10 µs, SQLAlchemy's own takes 40.

::

    with writing(engine) as connection:
        connection.execute(...)
"""

import sqlite3
from collections.abc import Generator
from contextlib import contextmanager, nullcontext
from typing import Any, Protocol, cast

from sqlalchemy import Connection, Engine, PoolProxiedConnection, Table
from sqlalchemy.dialects import postgresql, sqlite

from tidegate.store.failures import guarded

WRITING = "tidegate_writing"
"""Execution option of connections whose transaction begins by taking the write lock."""

_SOON = "SET LOCAL synchronous_commit = off"


@contextmanager
def writing(engine: Engine) -> Generator[Connection]:
    """Open a write transaction; it commits on a clean exit and is undone on any other.

    On SQLite the write lock is taken at once (``BEGIN IMMEDIATE``), so that a transaction that
    read first can't fail halfway.

    Raises:
        BusyError: The lock could not be had in time.
        StoreError: The store failed; nothing was written.
    """
    with (
        guarded(engine),
        engine.connect() as connection,
        connection.execution_options(**{WRITING: True}).begin(),
    ):
        yield connection


@contextmanager
def writing_soon(engine: Engine) -> Generator[Connection]:
    """Open a write transaction that doesn't wait for the disk; a crash may undo it.

    It never weakens what others commit. On SQLite ``synchronous=NORMAL`` skips the flush of this
    commit alone: the next full commit flushes the whole write-ahead log up to itself, and
    copying back into the database still flushes first (``OFF`` would not, and could damage the
    file). On PostgreSQL ``synchronous_commit=off`` holds for this transaction alone.

    Raises:
        BusyError: The lock could not be had in time.
        StoreError: The store failed; nothing was written.
    """
    with guarded(engine), engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            with connection.begin():
                connection.exec_driver_sql(_SOON)
                yield connection
            return
        with (
            _unflushed(connection.connection),
            connection.execution_options(**{WRITING: True}).begin(),
        ):
            yield connection


@contextmanager
def writing_fast(engine: Engine, *, soon: bool = False) -> Generator["Cursor"]:
    """Open a write transaction on the driver's own cursor: for the log, whose flush takes 0.2 ms.

    Args:
        engine: The store.
        soon: As :func:`writing_soon`.

    Raises:
        BusyError: The lock could not be had in time.
        StoreError: The store failed; nothing was written.
    """
    with guarded(engine):
        connection = engine.raw_connection()
        try:
            server = engine.dialect.name == "postgresql"
            first = (_SOON if soon else None) if server else "BEGIN IMMEDIATE"
            with _unflushed(connection) if soon and not server else nullcontext():
                yield from _transaction(connection, first)
        finally:
            connection.close()


def _transaction(connection: PoolProxiedConnection, first: str | None) -> Generator["Cursor"]:
    cursor = connection.cursor()
    try:
        if first:
            cursor.execute(first)
        yield cast("Cursor", cursor)
        connection.commit()
    except BaseException:
        connection.rollback()
        raise


@contextmanager
def _unflushed(connection: PoolProxiedConnection) -> Generator[None]:
    driver = cast("sqlite3.Connection", connection.driver_connection)
    driver.execute("PRAGMA synchronous = NORMAL")
    try:
        yield
    finally:
        # Where even this fails the connection must not be used again: it is dropped.
        try:
            driver.execute("PRAGMA synchronous = FULL")
        except sqlite3.Error:
            connection.invalidate()
            raise


@contextmanager
def reading(engine: Engine) -> Generator[Connection]:
    """Open a read transaction.

    Raises:
        StoreError: The store failed.
    """
    with guarded(engine), engine.connect() as connection:
        yield connection


def insert_into(connection: Connection, table: Table) -> Any:
    """Start an ``INSERT`` that may say ``ON CONFLICT``, which both databases write alike."""
    server = connection.dialect.name == "postgresql"
    return postgresql.insert(table) if server else sqlite.insert(table)


class Cursor(Protocol):
    """What the hot path uses of a driver's cursor (PEP 249)."""

    def execute(self, statement: str, parameters: tuple[object, ...], /) -> object:
        """Run a statement."""
        ...

    def executemany(self, statement: str, rows: list[tuple[object, ...]], /) -> object:
        """Run a statement for each row."""
        ...

    def fetchone(self) -> Any:
        """Return the next row."""
        ...

    def fetchall(self) -> list[Any]:
        """Return all rows."""
        ...


def driver_cursor(connection: Connection) -> Cursor:
    """Return a cursor of the driver, within the connection's transaction."""
    return cast("Cursor", connection.connection.cursor())


@contextmanager
def reading_fast(engine: Engine) -> Generator[Cursor]:
    """Read with the driver's own cursor: a tenth of the time of :func:`reading`.

    Raises:
        StoreError: The store failed.
    """
    with guarded(engine):
        connection = engine.raw_connection()
        try:
            yield cast("Cursor", connection.cursor())
        finally:
            connection.close()
