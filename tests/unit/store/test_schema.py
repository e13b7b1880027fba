"""The migrations and the tables say the same; every row belongs to a workspace."""

import warnings

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import BigInteger, Engine, Integer, LargeBinary, Text, inspect

from tidegate.store.migrate import configuration
from tidegate.store.schema import SCHEMA_VERSION, VERSION_TABLE, schema_version
from tidegate.store.tables import PROJECTIONS, metadata
from tidegate.store.transactions import reading


def test_the_migrations_give_the_tables(engine: Engine) -> None:
    options = {"version_table": VERSION_TABLE, "compare_type": True}
    with reading(engine) as connection, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, metadata) == []
        assert schema_version(connection, "here") == SCHEMA_VERSION


def test_the_version_is_the_newest_migration(engine: Engine) -> None:
    with reading(engine) as connection:
        scripts = ScriptDirectory.from_config(configuration(connection))
    assert scripts.get_current_head() == str(SCHEMA_VERSION)


def test_keys_are_the_same_in_tables_and_migrations(engine: Engine) -> None:
    inspector = inspect(engine)
    for table in metadata.tables.values():
        found = inspector.get_pk_constraint(table.name)["constrained_columns"]
        assert found == [column.name for column in table.primary_key], table.name


@pytest.mark.parametrize("name", metadata.tables)
def test_every_row_carries_its_workspace_first(name: str) -> None:
    table = metadata.tables[name]
    if name != "workspace":
        assert table.columns.keys()[0] == "workspace"
        assert table.primary_key.columns.keys()[0] == "workspace"
        for index in table.indexes:
            assert index.columns.keys()[0] == "workspace"


@pytest.mark.parametrize("name", metadata.tables)
def test_only_types_that_both_databases_store_alike(name: str) -> None:
    for column in metadata.tables[name].columns:
        assert isinstance(column.type, Text | BigInteger | Integer | LargeBinary)


def test_sqlite_tables_are_strict(engine: Engine) -> None:
    if engine.dialect.name != "sqlite":
        pytest.skip("PostgreSQL always is")
    with reading(engine) as connection:
        rows = connection.exec_driver_sql("PRAGMA table_list").all()
    ours = {row[1]: row[5] for row in rows if row[1] in metadata.tables}
    assert ours == dict.fromkeys(metadata.tables, 1)


def test_projections_are_apart_from_the_truth() -> None:
    names = {table.name for table in PROJECTIONS}
    assert not names & {"log_entry", "log_tile", "log_head", "log_checkpoint", "envelope", "erased"}
