"""Turns what a database driver says into a typed error that tells no secrets.

Neither SQL, nor bound values, nor a password from the address reaches an error or a log: the
driver's own text is dropped and only its stable code is kept.

>>> import sqlite3
>>> from sqlalchemy import create_engine
>>> engine = create_engine("sqlite:///ledger.db")
>>> with guarded(engine):
...     raise sqlite3.OperationalError("something with row contents in it")
Traceback (most recent call last):
...
tidegate.core.errors.StoreError: the store failed, at ledger.db, because OperationalError
"""

import logging
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import URL, Engine
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from tidegate.core.errors import BusyError, StoreError

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Case:
    slug: str
    problem: str
    next_step: str
    busy: bool = False


_BUSY = _Case(
    "busy",
    "another process holds the store",
    "wait for it to finish, or raise the busy timeout",
    busy=True,
)
_FULL = _Case(
    "disk-full",
    "the disk is full; nothing was written",
    "free some space and run the command again",
)
_READ_ONLY = _Case(
    "read-only",
    "the store is read-only",
    "make it writable for this user, or use another one",
)
_GONE = _Case(
    "gone",
    "the store can't be reached",
    "check that it is there, that the server runs, and the address",
)
_NO_DATABASE = _Case(
    "not-a-database",
    "this file is no database",
    "check the path, or restore a copy with `tidegate db restore`",
)
_DAMAGED = _Case(
    "damaged",
    "the database file is damaged",
    "restore a copy with `tidegate db restore`",
)
_INPUT_OUTPUT = _Case(
    "io",
    "the disk failed to read or write",
    "check the disk, then run `tidegate log check`",
)
_DENIED = _Case(
    "denied",
    "the database refused the login or lacks a right",
    "check user, password and grants",
)
_UNKNOWN = _Case("failed", "the store failed", "run `tidegate doctor`")

_SQLITE: tuple[tuple[str, _Case], ...] = (
    ("SQLITE_BUSY", _BUSY),
    ("SQLITE_LOCKED", _BUSY),
    ("SQLITE_FULL", _FULL),
    ("SQLITE_READONLY", _READ_ONLY),
    ("SQLITE_CANTOPEN", _GONE),
    ("SQLITE_NOTADB", _NO_DATABASE),
    ("SQLITE_CORRUPT", _DAMAGED),
    ("SQLITE_IOERR", _INPUT_OUTPUT),
    ("SQLITE_PERM", _DENIED),
    ("SQLITE_AUTH", _DENIED),
)
"""By prefix of the extended result code's name, https://www.sqlite.org/rescode.html."""

_POSTGRESQL: tuple[tuple[str, _Case], ...] = (
    ("55P03", _BUSY),
    ("40001", _BUSY),
    ("40P01", _BUSY),
    ("53300", _BUSY),
    ("57014", _BUSY),
    ("53100", _FULL),
    ("25006", _READ_ONLY),
    ("28", _DENIED),
    ("42501", _DENIED),
    ("3D000", _GONE),
    ("08", _GONE),
    ("57P", _GONE),
    ("58", _INPUT_OUTPUT),
    ("XX", _DAMAGED),
)
"""By prefix of SQLSTATE, https://www.postgresql.org/docs/current/errcodes-appendix.html."""


def place_of(url: URL) -> str:
    """Name a store for people: its path, or host, port and database; never user or password.

    >>> from sqlalchemy import make_url
    >>> place_of(make_url("postgresql+psycopg://me:secret@db:5432/tidegate"))
    'db:5432/tidegate'
    """
    if url.get_backend_name() == "sqlite":
        return url.database or ":memory:"
    return f"{url.host or 'localhost'}:{url.port or 5432}/{url.database or ''}"


@contextmanager
def guarded(engine: Engine) -> Generator[None]:
    """Run a block, and raise what the driver raises as a ``StoreError`` or ``BusyError``.

    Raises:
        BusyError: Another process holds what is needed.
        StoreError: Anything else that the database could not do.
    """
    driver: type[Exception] = engine.dialect.loaded_dbapi.Error
    try:
        yield
    except DBAPIError as error:
        gone = error.connection_invalidated
        raise _translated(error.orig or error, place_of(engine.url), gone=gone) from None
    except PoolTimeout:
        cause = "every connection of this process is in use"
        raise _error(_BUSY, place_of(engine.url), cause) from None
    except (SQLAlchemyError, driver) as error:
        raise _translated(error, place_of(engine.url), gone=False) from None


def _translated(error: BaseException, place: str, *, gone: bool) -> StoreError:
    code, case = _classify(error, gone=gone)
    _log.debug("store failure %s (%s) at %s", type(error).__name__, code or "-", place)
    return _error(case, place, code or type(error).__name__)


def _classify(error: BaseException, *, gone: bool) -> tuple[str | None, _Case]:
    name: str | None = getattr(error, "sqlite_errorname", None)
    state: str | None = getattr(error, "sqlstate", None)
    code, table = (name, _SQLITE) if name else (state, _POSTGRESQL)
    if code:
        for prefix, case in table:
            if code.startswith(prefix):
                return code, case
        return code, _UNKNOWN
    # psycopg gives no SQLSTATE where no server answered.
    unreachable = gone or (
        type(error).__module__.startswith("psycopg") and type(error).__name__ == "OperationalError"
    )
    return None, _GONE if unreachable else _UNKNOWN


def _error(case: _Case, place: str, cause: str) -> StoreError:
    kind = BusyError if case.busy else StoreError
    return kind(case.problem, where=place, cause=cause, next_step=case.next_step, slug=case.slug)
