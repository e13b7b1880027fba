"""Brings a store to the schema of this version: creates it, or upgrades it, in one transaction.

::

    upgrade("sqlite:////var/lib/tidegate/store.db")   # 1
"""

import os
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection

from tidegate.core.errors import StoreError
from tidegate.store.engine import bare_engine
from tidegate.store.failures import place_of
from tidegate.store.schema import APPLICATION_ID, SCHEMA_VERSION, newer, schema_version
from tidegate.store.transactions import writing

_UPGRADE_LOCK = 0x5447_0000_0000_0001
_MIGRATIONS = Path(__file__).parent / "migrations"


def upgrade(url: str) -> int:
    """Create the store's tables, or upgrade them; does nothing where they are current.

    Several processes may do it at once: one does, the others wait and find it done.

    Returns:
        The schema version that the store has now.

    Raises:
        ConfigError: The address is malformed.
        SchemaError: A later release wrote the store.
        StoreError: It is another program's database, or can't be written.
    """
    engine = bare_engine(url)
    place = place_of(engine.url)
    try:
        if engine.dialect.name == "sqlite":
            _make_private(place)
        with writing(engine) as connection:
            if engine.dialect.name == "postgresql":
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_UPGRADE_LOCK})")
            found = schema_version(connection, place)
            if found is not None and found > SCHEMA_VERSION:
                raise newer(found, place)
            if found != SCHEMA_VERSION:
                _run(connection)
    finally:
        engine.dispose()
    return SCHEMA_VERSION


def configuration(connection: Connection) -> Config:
    """Return alembic's configuration for our packaged migrations."""
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def _run(connection: Connection) -> None:
    command.upgrade(configuration(connection), "head")
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.exec_driver_sql(f"PRAGMA user_version = {SCHEMA_VERSION}")


def _make_private(place: str) -> None:
    # Evidence is for its owner; the -wal and -shm files take their mode from this one.
    try:
        os.close(os.open(place, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        return
    except OSError as error:
        raise StoreError(
            "the store can't be created",
            where=place,
            cause=error.strerror,
            next_step="check that the folder exists and is writable",
            slug="gone",
        ) from None
