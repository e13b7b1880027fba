"""Runs the migrations on the connection that ``tidegate.store.migrate`` hands in."""

from alembic import context

from tidegate.store.schema import VERSION_TABLE
from tidegate.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    transaction_per_migration=False,
)
# The caller's transaction is the only one: a migration that fails leaves nothing behind.
context.run_migrations()
