"""Import advisories: a zip archive of OSV records in, an index of the Python ones out.

The archive is what osv.dev offers for an ecosystem (``PyPI/all.zip``), carried over by hand. It is
read member by member, bounded, and the index is put in place only when all of it was read.
"""

import json
import os
import sqlite3
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tidegate.core import canonical
from tidegate.core.errors import StoreError, SubjectError, VerificationError
from tidegate.detect.dependencies.advisories.index import (
    CURRENT,
    SCHEMA,
    AdvisoryIndex,
    Imported,
    file_digest,
)
from tidegate.detect.dependencies.advisories.osv import (
    Advisory,
    UnreadableRecordError,
    read_record,
)

MAX_RECORDS: Final = 1_000_000
MAX_RECORD: Final = 8 << 20
MAX_EXPANDED: Final = 8 << 30
_TABLES: Final = (
    "create table meta (name text primary key, value text not null) strict",
    """create table advisory (id text primary key, modified integer not null,
    summary text not null, aliases text not null, severity integer not null,
    stated integer not null, malicious integer not null) strict""",
    "create table affected (name text not null, advisory text not null, body text not null) strict",
)


def import_osv(archive: Path, place: Path) -> Imported:
    """Make an index and let it be the current one.

    Args:
        archive: A zip archive of OSV records.
        place: A folder of indexes, made where it is missing; or a file to write, ending in .db.

    Raises:
        SubjectError: The archive can't be read, or holds no record about the Python index.
        VerificationError: A record is damaged, or a bound is exceeded; nothing is changed.
        StoreError: The index can't be written.
    """
    single = place.suffix == ".db" and not place.is_dir()
    folder = place.parent if single else place
    try:
        folder.mkdir(parents=True, exist_ok=True)
        source = file_digest(archive)
        handle, name = tempfile.mkstemp(dir=folder, prefix=".advisories-", suffix=".part")
    except OSError as error:
        kind = SubjectError if not archive.is_file() else StoreError
        raise kind(
            "the advisories can't be imported",
            where=str(error.filename or archive),
            cause=error.strerror,
            next_step="check the paths",
            slug="advisories",
        ) from None
    os.close(handle)
    part = Path(name)
    try:
        _write(part, archive, source)
        digest = file_digest(part)
        target = place if single else folder / f"{digest.replace(':', '-')}.db"
        part.chmod(0o644)
        part.replace(target)
    except (OSError, sqlite3.Error) as error:
        raise StoreError(
            "the index of advisories can't be written",
            where=str(folder),
            cause=str(error)[:200],
            next_step="free space or name another place",
            slug="advisories",
        ) from error
    finally:
        part.unlink(missing_ok=True)
    if not single:
        _point(folder, target.name)
    with AdvisoryIndex.open(target) as index:
        return index.told


def _point(folder: Path, name: str) -> None:
    handle, part = tempfile.mkstemp(dir=folder, prefix=".current-")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(name + "\n")
    Path(part).chmod(0o644)
    Path(part).replace(folder / CURRENT)


def _write(part: Path, archive: Path, source: str) -> None:
    database = sqlite3.connect(part, isolation_level=None)
    try:
        database.execute("pragma journal_mode = off")
        for statement in _TABLES:
            database.execute(statement)
        database.execute("begin")
        counts = {"advisories": 0, "malicious": 0, "left_out": 0, "newest": 0}
        for one in _records(archive):
            if one is None:
                counts["left_out"] += 1
                continue
            counts["advisories"] += 1
            counts["malicious"] += one.malicious
            counts["newest"] = max(counts["newest"], one.modified)
            _insert(database, one)
        if not counts["advisories"]:
            raise SubjectError(
                "the archive holds no advisory about the Python index",
                where=str(archive),
                next_step="get PyPI/all.zip of osv.dev",
                slug="no-advisories",
            )
        meta = {"schema": SCHEMA, "source": source, **{k: str(v) for k, v in counts.items()}}
        database.executemany("insert into meta values (?, ?)", sorted(meta.items()))
        database.execute("create index by_name on affected (name)")
        database.execute("commit")
    finally:
        database.close()


def _insert(database: sqlite3.Connection, one: Advisory) -> None:
    row = (one.id, one.modified, one.summary, json.dumps(one.aliases), int(one.severity),
           int(one.stated), int(one.malicious))  # fmt: skip
    try:
        database.execute("insert into advisory values (?, ?, ?, ?, ?, ?, ?)", row)
    except sqlite3.IntegrityError:
        raise _damaged(one.id, "two records have one id") from None
    for package in one.affected:
        body = json.dumps({"ranges": package.ranges, "versions": package.versions})
        database.execute("insert into affected values (?, ?, ?)", (package.name, one.id, body))


def _records(archive: Path) -> Iterator[Advisory | None]:
    try:
        with zipfile.ZipFile(archive) as pack:
            members = sorted(
                (one for one in pack.infolist() if one.filename.endswith(".json")),
                key=lambda one: one.filename,
            )
            if len(members) > MAX_RECORDS:
                raise _damaged(str(archive), f"more than {MAX_RECORDS} records")
            spent = 0
            for member in members:
                with pack.open(member) as file:
                    data = file.read(MAX_RECORD + 1)
                spent += len(data)
                if len(data) > MAX_RECORD or spent > MAX_EXPANDED:
                    raise _damaged(member.filename, "it is larger than advisories are")
                yield _record(data, member.filename)
    except (zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError, EOFError) as error:
        raise SubjectError(
            "not a zip archive that can be read",
            where=str(archive),
            cause=str(error)[:200],
            next_step="get the archive again",
            slug="bad-archive",
        ) from None


def _record(data: bytes, name: str) -> Advisory | None:
    try:
        return read_record(canonical.loads(data, what="the record", limit=MAX_RECORD))
    except UnreadableRecordError as error:
        raise _damaged(name, str(error)) from None


def _damaged(where: str, cause: str) -> VerificationError:
    return VerificationError(
        "an advisory can't be read",
        where=where[:200],
        cause=cause[:200],
        next_step="get the archive again; nothing was changed",
        slug="bad-advisory",
    )
