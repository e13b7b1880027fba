"""A log as lines of JSON: to move it to another database, or to keep it as a file.

The lines say what was written and nothing that follows from it; tiles, lookups and projections
are made anew. The importer recomputes the tree and takes the log only if it has the very head
that the exporter saw, so a changed, missing or added line is refused, and nothing is written.

::

    {"format":"tidegate-log","version":1,"workspace":"acme","size":2,"root":"…"}
    {"entry":"…base64…","digest":"sha256:…","envelope":"…base64…"}
    {"entry":"…base64…","digest":"sha256:…","erased":1700000000000000}
    {"checkpoint":"…base64…","size":2}
    {"end":4}
"""

import base64
import binascii
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine, select

from tidegate.core.artifact.blobs import BlobStore
from tidegate.core.canonical import Json, dumps, loads
from tidegate.core.digest import sha256
from tidegate.core.errors import LedgerError, UsageError, VerificationError
from tidegate.core.ledger.merkle import CompactRange
from tidegate.core.ledger.storage import Erased, Head, NewEntry
from tidegate.core.ledger.tiles import TileBuilder
from tidegate.core.merkle import EMPTY_ROOT, leaf_hash
from tidegate.store.append import SqlLogWrite
from tidegate.store.log import SqlLogStorage
from tidegate.store.tables import log_checkpoint, log_entry
from tidegate.store.transactions import reading

FORMAT = "tidegate-log"
VERSION = 1
MAX_LINE = 96 * 1024 * 1024
"""Bytes: an entry with an envelope of 64 MiB."""

_PAGE = 256


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import wrote."""

    workspace: str
    size: int
    root: bytes
    """The head's root: the same as where it was exported."""


def export_log(engine: Engine, storage: SqlLogStorage) -> Iterator[bytes]:
    """Yield one workspace's committed log, line by line; constant in memory.

    Appends may go on meanwhile: the export ends at the head that it began with.

    Raises:
        LedgerError: The entries do not give the stored head; the last line is then missing, so
            that what was written so far can't be imported.
        StoreError: The store failed.
    """
    head = storage.head() or Head(0, EMPTY_ROOT, (), 0)
    yield _line(
        format=FORMAT,
        version=VERSION,
        workspace=storage.workspace,
        size=head.size,
        root=head.root.hex(),
    )
    tree, count = CompactRange(), 1
    for entry, digest in _entries(engine, storage.workspace, head.size):
        tree.append(leaf_hash(entry))
        yield _entry_line(entry, digest, storage)
        count += 1
    if (tree.size, tree.root) != (head.size, head.root):
        raise _other_root(storage.workspace)
    for size, note in _checkpoints(engine, storage.workspace, head.size):
        yield _line(checkpoint=_encode(note), size=size)
        count += 1
    yield _line(end=count)


def import_log(
    engine: Engine, lines: Iterable[bytes], blobs: Callable[[str], BlobStore]
) -> Imported:
    """Write an exported log into a store that has no log of that workspace; all or nothing.

    Args:
        engine: The store.
        lines: What :func:`export_log` gave.
        blobs: Gives the blob store of a workspace, for envelopes too large for the database.

    Raises:
        UsageError: The store has a log of that workspace already.
        VerificationError: It is no export, or is cut off.
        LedgerError: The entries do not give the head that the export names.
        StoreError: The store failed; nothing was written.
    """
    source = iter(lines)
    header = _Header.parse(_read(next(source, b"")))
    storage = SqlLogStorage(engine, header.workspace, blobs(header.workspace))
    with storage.write() as log:
        if log.head is not None:
            raise UsageError(
                "the store has a log of this workspace already",
                where=header.workspace,
                next_step="import into an empty store",
                slug="log-exists",
            )
        importer = _Importer(log, header)
        for line in source:
            importer.take(_read(line))
        importer.finish()
    return Imported(header.workspace, header.size, header.root)


@dataclass(frozen=True, slots=True)
class _Header:
    workspace: str
    size: int
    root: bytes

    @classmethod
    def parse(cls, value: dict[str, Json]) -> "_Header":
        if value.get("format") != FORMAT or value.get("version") != VERSION:
            raise _bad("it is no log export of a version that is known")
        try:
            return cls(str(value["workspace"]), int(value["size"]), bytes.fromhex(value["root"]))
        except (KeyError, TypeError, ValueError):
            raise _bad("its first line is damaged") from None


class _Importer:
    """Takes lines in order, and stages what they say in one transaction."""

    def __init__(self, log: SqlLogWrite, header: _Header) -> None:
        self._log = log
        self._header = header
        self._tree = TileBuilder()
        self._waiting: list[NewEntry] = []
        self._count = 1
        self._ended = False

    def take(self, value: dict[str, Json]) -> None:
        if self._ended:
            raise _bad("there are lines after its end")
        try:
            if "entry" in value:
                self._take_entry(value)
            elif "checkpoint" in value:
                self._log.put_checkpoint(int(value["size"]), _decode(value["checkpoint"]))
            elif value.get("end") == self._count:
                self._ended = True
            else:
                raise _bad(f"line {self._count + 1} is unknown")
        except (KeyError, TypeError, ValueError, binascii.Error):
            raise _bad(f"line {self._count + 1} is damaged") from None
        self._count += 1

    def finish(self) -> None:
        if not self._ended:
            raise _bad("it is cut off")
        self._flush()
        tree = self._tree.tree
        if (tree.size, tree.root) != (self._header.size, self._header.root):
            raise _other_root(self._header.workspace)

    def _take_entry(self, value: dict[str, Json]) -> None:
        entry = _decode(value["entry"])
        body = _decode(value["envelope"]) if "envelope" in value else None
        digest: str | None = value.get("digest")
        if body is not None and str(sha256(body)) != digest:
            raise _bad(f"the envelope on line {self._count + 1} was changed")
        if digest is not None and "erased" in value:
            self._log.put_erased(digest, int(value["erased"]))
        leaf = leaf_hash(entry)
        index = self._tree.tree.size
        self._tree.append(leaf)
        self._waiting.append(NewEntry(index, entry, leaf, digest, body))
        if len(self._waiting) == _PAGE:
            self._flush()

    def _flush(self) -> None:
        if not self._waiting:
            return
        tree = self._tree.tree
        epoch = self._log.head.epoch if self._log.head else 0
        head = Head(tree.size, tree.root, tree.edge, epoch + 1)
        self._log.put(self._waiting, self._tree.take(), head)
        self._waiting = []


def _entries(engine: Engine, workspace: str, size: int) -> Iterator[tuple[bytes, str | None]]:
    column = log_entry.c
    query = select(column.entry, column.envelope_digest).where(column.workspace == workspace)
    for start in range(0, size, _PAGE):
        page = query.where(column.idx >= start, column.idx < min(start + _PAGE, size))
        with reading(engine) as connection:
            rows = connection.execute(page.order_by(column.idx)).all()
        for entry, digest in rows:
            yield entry, None if digest is None else f"sha256:{digest.hex()}"


def _entry_line(entry: bytes, digest: str | None, storage: SqlLogStorage) -> bytes:
    fields: dict[str, Json] = {"entry": _encode(entry)}
    if digest is not None:
        fields["digest"] = digest
        body = storage.envelope(digest)
        if isinstance(body, Erased):
            fields["erased"] = body.time
        elif body is not None:
            fields["envelope"] = _encode(body)
    return _line(**fields)


def _checkpoints(engine: Engine, workspace: str, size: int) -> Iterator[tuple[int, bytes]]:
    column = log_checkpoint.c
    query = (
        select(column.size, column.note)
        .where(column.workspace == workspace, column.size <= size)
        .order_by(column.size)
    )
    after = -1
    while True:
        with reading(engine) as connection:
            rows = connection.execute(query.where(column.size > after).limit(_PAGE)).all()
        yield from [(row[0], row[1]) for row in rows]
        if len(rows) < _PAGE:
            return
        after = rows[-1][0]


def _line(**fields: Json) -> bytes:
    return dumps(fields) + b"\n"


def _read(line: bytes) -> dict[str, Any]:
    value = loads(line, what="a line of a log export", limit=MAX_LINE)
    if not isinstance(value, dict):
        raise _bad("a line is no object")
    return value


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _decode(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def _bad(why: str) -> VerificationError:
    return VerificationError(
        "not a log export",
        cause=why,
        next_step="export the log again with `tidegate db export`",
        slug="bad-export",
    )


def _other_root(workspace: str) -> LedgerError:
    return LedgerError(
        "the entries do not give the log's head",
        where=workspace,
        next_step="run `tidegate log check`, and export from a store that passes it",
        slug="other-root",
    )
