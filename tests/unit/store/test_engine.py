"""Opening a store: what is refused, in which words, and what is never said."""

import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Engine, text
from tests.services import postgres_dsn

from tidegate.core.errors import BusyError, ConfigError, SchemaError, StoreError, TidegateError
from tidegate.store.engine import bare_engine, open_engine
from tidegate.store.migrate import upgrade
from tidegate.store.schema import SCHEMA_VERSION
from tidegate.store.transactions import reading, writing, writing_soon


def _make(path: Path) -> sqlite3.Connection:
    upgrade(f"sqlite:///{path}")
    return sqlite3.connect(path, isolation_level=None)


def _foreign(path: Path) -> None:
    sqlite3.connect(path, isolation_level=None).execute("CREATE TABLE theirs (x)")


def _junk(path: Path) -> None:
    path.write_bytes(b"this is a text file, and long enough to be looked at as a header" * 20)


def _version(number: str) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        _make(path).execute("UPDATE tidegate_schema SET version_num = ?", (number,))

    return change


REFUSED: dict[str, tuple[Callable[[Path], object], type[TidegateError], str, str]] = {
    "no file": (lambda _: None, StoreError, "missing", "tidegate init"),
    "an empty file": (lambda path: path.touch(), SchemaError, "no-schema", "db upgrade"),
    "another program's": (_foreign, StoreError, "foreign-database", "path"),
    "no database": (_junk, StoreError, "not-a-database", "db restore"),
    "a newer schema": (_version("99"), SchemaError, "newer-schema", "release"),
    "an older schema": (_version("0"), SchemaError, "old-schema", "tidegate db upgrade"),
    "a folder": (lambda path: path.mkdir(), StoreError, "gone", "check"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_store_of_this_version_is_refused(tmp_path: Path, name: str) -> None:
    """With the right class, code and next step, and the path."""
    prepare, kind, slug, next_step = REFUSED[name]
    path = tmp_path / "store.db"
    prepare(path)
    with pytest.raises(TidegateError) as caught:
        open_engine(f"sqlite:///{path}")
    assert (type(caught.value), caught.value.slug) == (kind, slug)
    assert next_step in str(caught.value.next_step)
    assert caught.value.where == str(path)
    assert caught.value.exit_code == 6


@pytest.mark.parametrize("name", ["another program's", "no database", "a newer schema"])
def test_upgrade_leaves_alone_what_it_does_not_know(tmp_path: Path, name: str) -> None:
    prepare, kind, slug, _ = REFUSED[name]
    path = tmp_path / "store.db"
    prepare(path)
    before = path.read_bytes()
    with pytest.raises(kind) as caught:
        upgrade(f"sqlite:///{path}")
    assert caught.value.slug == slug
    assert path.read_bytes()[100:] == before[100:]


@pytest.mark.parametrize(
    "url",
    [
        "",
        "nonsense",
        "sqlite://",
        "sqlite:///:memory:",
        "mysql://root:hunter2@host/db",
        "postgresql+asyncpg://me:hunter2@host/db",
        "postgresql+nosuch://me:hunter2@host/db",
        "postgresql+psycopg://me:hunter2@host:port/db",
    ],
)
def test_a_bad_address_is_a_configuration_error_that_repeats_no_password(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        open_engine(url)
    error = caught.value
    assert "hunter2" not in f"{error} {error.next_step} {error.where}"
    assert error.__suppress_context__ or error.__context__ is None


@pytest.mark.parametrize(
    ("where", "slug"),
    [("127.0.0.1:1", "gone"), ("127.0.0.1:5432", "gone")],
    ids=["nobody listens", "no such database"],
)
def test_an_unreachable_server_is_named_without_the_password(where: str, slug: str) -> None:
    if where.endswith(":5432"):
        postgres_dsn()
    url = f"postgresql+psycopg://postgres:hunter2@{where}/no_such_database_here"
    with pytest.raises(StoreError) as caught:
        open_engine(url, busy_timeout=3)
    error = caught.value
    assert (error.slug, error.where) == (slug, f"{where}/no_such_database_here")
    assert "hunter2" not in f"{error!r} {error} {error.next_step}"
    assert error.__suppress_context__


def test_upgrade_can_be_run_again_and_by_many_at_once(store_url: str) -> None:
    found: list[int] = []
    threads = [threading.Thread(target=lambda: found.append(upgrade(store_url))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [SCHEMA_VERSION] * 4


def test_a_new_store_is_private_to_its_owner(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    upgrade(f"sqlite:///{path}")
    assert path.stat().st_mode & 0o777 == 0o600


def test_sqlite_commits_are_durable_on_every_connection(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'store.db'}"
    upgrade(url)
    engine = open_engine(url)
    for _ in range(3):
        with writing_soon(engine) as connection:
            assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 1
        with pytest.raises(RuntimeError), writing_soon(engine):
            raise RuntimeError
        with writing(engine) as connection:
            assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
            assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
            assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1
    engine.dispose()


def test_a_writer_that_waits_too_long_hears_busy(store_url: str) -> None:
    one, other = (open_engine(store_url, busy_timeout=t) for t in (5, 0.3))
    table = "LOCK TABLE lease IN EXCLUSIVE MODE"
    with writing(one) as holding:
        if one.dialect.name == "postgresql":
            holding.exec_driver_sql(table)
        with pytest.raises(BusyError) as caught, writing(other) as waiting:
            waiting.exec_driver_sql(table)
    assert caught.value.slug == "busy"
    one.dispose()
    other.dispose()


def test_errors_hold_no_statement_and_no_values(engine: Engine) -> None:
    with pytest.raises(StoreError) as caught, writing(engine) as connection:  # noqa: PT012 - a transaction
        statement = text("INSERT INTO log_head VALUES (:w, :w, :w, :w, :w)")
        connection.execute(statement, {"w": "s3cret-row"})
    error = caught.value
    assert "s3cret-row" not in f"{error!r} {error} {error.cause}"
    assert "INSERT" not in f"{error} {error.cause}"
    assert error.__suppress_context__


def test_a_read_only_store_says_so(tmp_path: Path) -> None:
    """By SQLite's own switch: file modes do not stop the superuser."""
    url = f"sqlite:///{tmp_path / 'store.db'}"
    upgrade(url)
    engine = open_engine(url)
    with pytest.raises(StoreError) as caught, writing(engine) as connection:  # noqa: PT012 - a transaction
        connection.exec_driver_sql("PRAGMA query_only = ON")
        connection.exec_driver_sql("DELETE FROM lease")
    assert caught.value.slug == "read-only"
    engine.dispose()


def test_a_server_that_drops_us_reads_as_gone_and_comes_back(engine: Engine) -> None:
    if engine.dialect.name != "postgresql":
        pytest.skip("SQLite has no server")
    with pytest.raises(StoreError) as caught, reading(engine) as connection:  # noqa: PT012 - a transaction
        mine = connection.execute(text("SELECT pg_backend_pid()")).scalar()
        other = bare_engine(engine.url.render_as_string(hide_password=False))
        with reading(other) as killer:
            killer.execute(text("SELECT pg_terminate_backend(:p)"), {"p": mine})
        other.dispose()
        connection.execute(text("SELECT 1"))
    assert caught.value.slug == "gone"
    with reading(engine) as connection:
        assert connection.execute(text("SELECT 1")).scalar() == 1
