"""Opens a store: one address, one set of promises about durability, on either database.

SQLite runs in WAL mode with ``synchronous=FULL``; PostgreSQL with ``synchronous_commit`` at
least ``on``. Either way a commit that returned survives a power cut, as far as the disk keeps
its own promises.

::

    engine = open_engine("sqlite:////var/lib/tidegate/store.db")
"""

import logging
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from tidegate.core.errors import ConfigError, StoreError
from tidegate.store.failures import place_of
from tidegate.store.schema import check_schema
from tidegate.store.transactions import WRITING, reading

_log = logging.getLogger(__name__)

BUSY_TIMEOUT = 30.0
"""Seconds that a writer waits for another one before it gives up."""

_CACHE_KIB = 32 * 1024
_WAL_PAGES = 4_096  # 16 MiB: pages of hash indexes are rewritten often, and copied back once


def open_engine(url: str, *, busy_timeout: float = BUSY_TIMEOUT) -> Engine:
    """Open a store that exists and has the schema of this version.

    Args:
        url: ``sqlite:///path`` or ``postgresql+psycopg://user@host/database``.
        busy_timeout: Seconds to wait for another writer.

    Raises:
        ConfigError: The address is malformed, or of another kind of database.
        SchemaError: Its schema is older, newer or missing; the next step says what helps.
        StoreError: It is not there, no database, or can't be reached.
    """
    engine = bare_engine(url, busy_timeout=busy_timeout)
    place = place_of(engine.url)
    if engine.dialect.name == "sqlite" and not Path(place).exists():
        raise StoreError(
            "there is no store here",
            where=place,
            next_step="run `tidegate init`, or check the path",
            slug="missing",
        )
    try:
        with reading(engine) as connection:
            check_schema(connection, place)
    except StoreError:
        engine.dispose()
        raise
    return engine


def bare_engine(url: str, *, busy_timeout: float = BUSY_TIMEOUT) -> Engine:
    """Make an engine without looking at the schema: for creating and upgrading stores.

    Raises:
        ConfigError: The address is malformed, or of another kind of database.
    """
    parsed = _parse(url)
    kind = parsed.get_backend_name()
    engine = create_engine(
        parsed,
        hide_parameters=True,
        pool_size=8,
        max_overflow=56,
        pool_timeout=busy_timeout,
        pool_pre_ping=kind == "postgresql",
        connect_args=_connect_arguments(kind, busy_timeout),
    )
    place = place_of(parsed)
    if kind == "sqlite":
        event.listen(engine, "connect", _sqlite_connected(place, busy_timeout))
        event.listen(engine, "begin", _sqlite_begin)
    else:
        event.listen(engine, "connect", _postgresql_connected(busy_timeout))
    return engine


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url)
        driver = parsed.get_dialect().driver
    except (ArgumentError, NoSuchModuleError, ValueError):
        raise _bad_address("the store's address can't be read") from None
    except ImportError:
        raise ConfigError(
            "the driver for this store is not installed",
            next_step="install it with `pip install 'tidegate[postgres]'`",
            slug="no-driver",
        ) from None
    if (parsed.get_backend_name(), driver) not in {
        ("sqlite", "pysqlite"),
        ("postgresql", "psycopg"),
    }:
        raise _bad_address("stores are SQLite or PostgreSQL")
    if parsed.get_backend_name() == "sqlite" and parsed.database in {None, "", ":memory:"}:
        raise _bad_address("a store needs a file")
    return parsed


def _bad_address(problem: str) -> ConfigError:
    # The address itself may hold a password, so it is not repeated.
    return ConfigError(
        problem,
        where="store.url",
        next_step="write it as sqlite:///path/store.db or postgresql+psycopg://user@host/database",
        slug="bad-store-url",
    )


def _connect_arguments(kind: str, busy_timeout: float) -> dict[str, Any]:
    if kind == "sqlite":
        return {"timeout": busy_timeout, "check_same_thread": False}
    return {"connect_timeout": max(2, int(busy_timeout)), "application_name": "tidegate"}


def _sqlite_connected(place: str, busy_timeout: float) -> Any:
    def connected(connection: Any, _record: object) -> None:
        # We say BEGIN ourselves: the driver's own transactions start too late.
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {int(busy_timeout * 1000)}")
        mode = cursor.execute("PRAGMA journal_mode = WAL").fetchone()[0]
        cursor.execute("PRAGMA synchronous = FULL")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.execute("PRAGMA trusted_schema = OFF")
        cursor.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        cursor.execute(f"PRAGMA wal_autocheckpoint = {_WAL_PAGES}")
        cursor.close()
        if mode != "wal":
            raise StoreError(
                "the store's file system can't do write-ahead logging",
                where=place,
                next_step="put the store on a local disk, or use PostgreSQL",
                slug="no-wal",
            )

    return connected


def _sqlite_begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get(WRITING, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _postgresql_connected(busy_timeout: float) -> Any:
    def connected(connection: Any, _record: object) -> None:
        with connection.cursor() as cursor:
            cursor.execute(f"SET lock_timeout = {int(busy_timeout * 1000)}")
            cursor.execute(
                "SELECT set_config('synchronous_commit', 'on', false)"
                " WHERE current_setting('synchronous_commit') = 'off'"
            )
            durable = cursor.execute("SHOW fsync").fetchone()[0]
        connection.commit()
        if durable != "on":
            _log.warning("the PostgreSQL server runs with fsync=%s: a crash may lose data", durable)

    return connected
