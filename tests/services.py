"""Servers that tests may use: ``with fresh_store("postgresql", tmp_path) as url: ...``.

A server that is missing skips the test and says how to start one; with
``TIDEGATE_REQUIRE_SERVICES=1`` it fails it.
"""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url
from sqlalchemy.exc import SQLAlchemyError

DEFAULT_POSTGRES = "postgresql+psycopg://postgres@127.0.0.1:5432/test"
START_POSTGRES = "su postgres -c '/usr/lib/postgresql/*/bin/pg_ctl -D FOLDER start'"
KINDS = ("sqlite", pytest.param("postgresql", marks=pytest.mark.postgres))
"""What to parametrise a ``store_url`` fixture with."""


@cache
def _reachable(dsn: str) -> bool:
    engine = create_engine(dsn, connect_args={"connect_timeout": 3})
    try:
        with engine.connect():
            return True
    except (SQLAlchemyError, ImportError):
        return False
    finally:
        engine.dispose()


def reachable_postgres() -> str | None:
    """Return the address of the PostgreSQL server, if one answers."""
    dsn = os.environ.get("TIDEGATE_TEST_POSTGRES") or DEFAULT_POSTGRES
    return dsn if _reachable(dsn) else None


def postgres_dsn() -> str:
    """Return the address of a PostgreSQL database in which schemas may be made."""
    dsn = os.environ.get("TIDEGATE_TEST_POSTGRES") or DEFAULT_POSTGRES
    if not _reachable(dsn):
        reason = (
            f"no PostgreSQL at {make_url(dsn).render_as_string(hide_password=True)}:"
            f" start one ({START_POSTGRES}), or set TIDEGATE_TEST_POSTGRES"
        )
        if os.environ.get("TIDEGATE_REQUIRE_SERVICES") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    return dsn


@contextmanager
def empty_database(kind: str, folder: Path) -> Iterator[str]:
    """Give the address of a database without tables; a PostgreSQL one is dropped afterwards."""
    if kind == "sqlite":
        yield f"sqlite:///{folder / 'store.db'}"
        return
    dsn = postgres_dsn()
    schema = f"tidegate_{secrets.token_hex(6)}"
    admin = create_engine(dsn, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.exec_driver_sql(f"CREATE SCHEMA {schema}")
    try:
        url = make_url(dsn).update_query_dict({"options": f"-csearch_path={schema}"})
        yield url.render_as_string(hide_password=False)
    finally:
        with admin.connect() as connection:
            connection.exec_driver_sql(f"DROP SCHEMA {schema} CASCADE")
        admin.dispose()


@contextmanager
def fresh_store(kind: str, folder: Path) -> Iterator[str]:
    """Give the address of a new store of this version's schema."""
    from tidegate.store.migrate import upgrade  # noqa: PLC0415 - keeps other tests light

    with empty_database(kind, folder) as url:
        upgrade(url)
        yield url
