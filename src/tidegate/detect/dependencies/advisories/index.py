"""The index of advisories: one SQLite file, named by the digest of its bytes.

::

    with AdvisoryIndex.open(Path(".tidegate/advisories")) as index:
        index.about("jinja2")

The folder holds the file ``sha256-<hex>.db`` and ``current``, which names it. A file that is not
the one that its name says is refused.
"""

import hashlib
import json
import re
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from tidegate.core.clock import Micros, iso
from tidegate.core.errors import SubjectError, VerificationError
from tidegate.core.finding import Severity
from tidegate.detect.dependencies.advisories.osv import Advisory, Affected

SCHEMA: Final = "tidegate/advisories/v1"
CURRENT: Final = "current"
_NAME: Final = re.compile(r"sha256-([0-9a-f]{64})\.db")
_CHUNK: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Imported:
    """What is known of an index."""

    digest: str
    """Of the index file: ``sha256:…``."""
    source: str
    """Digest of the file that it was made from."""
    advisories: int
    malicious: int
    withdrawn: int
    """Records that were left out: withdrawn, or about other ecosystems."""
    newest: Micros
    """When its youngest record was changed: the data's date."""

    @property
    def date(self) -> str:
        """The data's date, as people read it."""
        return iso(self.newest)[:10]


class AdvisoryIndex:
    """An index that is open for reading."""

    def __init__(self, database: sqlite3.Connection, told: Imported) -> None:
        self._database = database
        self.told = told

    @classmethod
    def open(cls, place: Path) -> Self:
        """Open an index file, or the current one of a folder.

        Raises:
            SubjectError: There is none.
            VerificationError: It is not the file that its name says, or no index.
        """
        file = _current(place) if place.is_dir() else place
        if not file.is_file():
            raise SubjectError(
                "no advisories were imported",
                where=str(place),
                next_step="run `tidegate deps advisories import ZIP`",
                slug="no-advisories",
            )
        digest = file_digest(file)
        named = _NAME.fullmatch(file.name)
        if named and named[1] != digest.partition(":")[2]:
            raise _refused(file, "its bytes are not those that its name says")
        try:
            database = sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro&immutable=1", uri=True)
            meta = dict(database.execute("select name, value from meta"))
            told = Imported(
                digest, meta["source"], int(meta["advisories"]), int(meta["malicious"]),
                int(meta["left_out"]), Micros(int(meta["newest"])),
            )  # fmt: skip
            if meta["schema"] != SCHEMA:
                raise _refused(file, f"its schema is {meta['schema'][:60]}")
        except (sqlite3.Error, KeyError, ValueError) as error:
            raise _refused(file, f"it is no index of advisories: {error}") from None
        return cls(database, told)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._database.close()

    def about(self, name: str) -> Iterator[tuple[Advisory, Affected]]:
        """Yield the advisories about a package, whatever the version, the gravest first.

        Raises:
            VerificationError: The index is damaged.
        """
        query = (
            "select a.id, a.modified, a.summary, a.aliases, a.severity, a.stated, a.malicious,"
            " f.body from affected f join advisory a on a.id = f.advisory"
            " where f.name = ? order by a.severity desc, a.id"
        )
        try:
            rows = self._database.execute(query, (name,)).fetchall()
        except sqlite3.Error as error:
            raise VerificationError(
                "the index of advisories can't be read", cause=str(error), slug="bad-advisories"
            ) from None
        for row in rows:
            one = _affected(name, json.loads(row[7]))
            advisory = Advisory(
                row[0], Micros(row[1]), row[2], tuple(json.loads(row[3])), Severity(row[4]),
                bool(row[5]), bool(row[6]), (one,),
            )  # fmt: skip
            yield advisory, one


def _affected(name: str, body: Mapping[str, Any]) -> Affected:
    ranges = tuple(tuple((kind, value) for kind, value in events) for events in body["ranges"])
    return Affected(name, ranges, tuple(body["versions"]))


def _current(folder: Path) -> Path:
    try:
        name = (folder / CURRENT).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return folder / "none"
    if not _NAME.fullmatch(name):
        raise _refused(folder / CURRENT, "it names no index")
    return folder / name


def file_digest(file: Path) -> str:
    """Return the SHA-256 of a file."""
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return f"sha256:{digest.hexdigest()}"


def _refused(file: Path, cause: str) -> VerificationError:
    return VerificationError(
        "the index of advisories is not to be trusted",
        where=str(file),
        cause=cause[:200],
        next_step="import the advisories again",
        slug="bad-advisories",
    )
