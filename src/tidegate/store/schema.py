"""Which schema a store has, and whether this version of Tidegate may use it.

>>> SCHEMA_VERSION
1
"""

from sqlalchemy import Connection, inspect, text

from tidegate.core.errors import SchemaError, StoreError

SCHEMA_VERSION = 1
"""The newest migration in this package; a test holds it to the migrations' head."""

VERSION_TABLE = "tidegate_schema"
"""Ours alone: a database shared with another program that uses alembic keeps the two apart."""

APPLICATION_ID = 0x54474154
"""``TGAT`` in the header of a SQLite file, so that ``file`` and we know it for ours."""


def schema_version(connection: Connection, place: str) -> int | None:
    """Return the number of the last migration that ran, or ``None`` for an empty database.

    Raises:
        StoreError: It is another program's database.
    """
    if connection.dialect.name == "sqlite":
        _check_application(connection, place)
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    revision = connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar()  # noqa: S608 - a constant
    return int(revision) if revision is not None else None


def check_schema(connection: Connection, place: str) -> None:
    """Refuse a store whose schema is not exactly the one that this version writes.

    Raises:
        SchemaError: Older (it can be upgraded), newer (Tidegate can be), or none.
        StoreError: It is another program's database.
    """
    found = schema_version(connection, place)
    if found == SCHEMA_VERSION:
        return
    if found is None:
        raise SchemaError(
            "the database has no Tidegate store yet",
            where=place,
            next_step="run `tidegate init`, or `tidegate db upgrade` on an empty database",
            slug="no-schema",
        )
    if found < SCHEMA_VERSION:
        raise SchemaError(
            f"the store has schema {found}, this version needs {SCHEMA_VERSION}",
            where=place,
            next_step="run `tidegate db backup`, then `tidegate db upgrade`",
            slug="old-schema",
        )
    raise newer(found, place)


def newer(found: int, place: str) -> SchemaError:
    """Build the refusal of a store that a later release wrote."""
    return SchemaError(
        f"the store has schema {found}, this version knows up to {SCHEMA_VERSION}",
        where=place,
        next_step="use the Tidegate release that wrote it, or a later one",
        slug="newer-schema",
    )


def _check_application(connection: Connection, place: str) -> None:
    found = connection.exec_driver_sql("PRAGMA application_id").scalar_one()
    if found == APPLICATION_ID:
        return
    if found == 0 and not inspect(connection).get_table_names():
        return
    raise StoreError(
        "this is another program's database",
        where=place,
        next_step="check the path of the store",
        slug="foreign-database",
    )
