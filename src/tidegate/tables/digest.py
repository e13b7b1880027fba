r"""The digest of a table's content: the same for CSV, JSON Lines and Parquet of one table.

>>> from pathlib import Path
>>> from tempfile import TemporaryDirectory
>>> from tidegate.tables.schema import Column, TableSchema
>>> schema = TableSchema((Column("id", "int64"), Column("name", "string")))
>>> with TemporaryDirectory() as folder:
...     csv, jsonl = Path(folder) / "t.csv", Path(folder) / "t.jsonl"
...     _ = csv.write_text("id,name\n1,ann\n")
...     _ = jsonl.write_text('{"name": "ann", "id": 1}\n')
...     digest_table(csv, schema).content == digest_table(jsonl, schema).content
True
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import pyarrow as pa

from tidegate.core import merkle
from tidegate.core.artifact.hashing import opened
from tidegate.core.artifact.refusals import refusal, shown
from tidegate.core.canonical import dumps
from tidegate.core.digest import Digest
from tidegate.core.digest import sha256 as digest_of
from tidegate.core.errors import ProofError, SubjectError
from tidegate.tables.cells import cells, row_views, rows
from tidegate.tables.read import TableFormat, batches
from tidegate.tables.rowset import RowSet
from tidegate.tables.schema import TableSchema

FORMAT = "tidegate/table/v1"
SET_FORMAT = "tidegate/rows/v1"
CHUNK_ROWS = 65_536
MAX_CHUNK_BYTES = 2 << 30
"""A chunk is held in memory; rows too wide for that are refused."""


@dataclass(frozen=True, slots=True)
class TableDigest:
    """What one pass over a table tells."""

    content: Digest
    """Of schema and rows in order, whatever the file format."""
    rows_set: str
    """Of schema and rows in any order, duplicates counted: SHA-256 in hexadecimal, or empty
    where it was not asked for."""
    rows: int
    schema: TableSchema
    chunks: tuple[bytes, ...] = field(default=(), repr=False)
    """RFC 6962 leaf hash of each 65,536 rows."""

    def prove(self, chunk: int) -> tuple[bytes, ...]:
        """Return the audit path of rows [65,536 chunk, 65,536 (chunk + 1)).

        Raises:
            ProofError: There is no such chunk.
        """
        return merkle.path(self.chunks, chunk)


def digest_table(
    path: str | os.PathLike[str],
    schema: TableSchema,
    *,
    kind: TableFormat | None = None,
    row_set: bool = True,
) -> TableDigest:
    """Digest a table file by a schema.

    Args:
        path: A CSV, TSV, JSON Lines or Parquet file.
        schema: Types by which the text is parsed; part of the digest.
        kind: The file format; told from the name where it is not given.
        row_set: Whether to compute the order-free digest too, which takes longer.

    Raises:
        SubjectError: No such file, or it is no table of that schema; see
            :mod:`~tidegate.tables.read`.
        UnreadableSubject: It can't be read, or changed meanwhile.
    """
    with opened(path) as (fd, _):
        return digest_fd(fd, schema, path, kind=kind, row_set=row_set)


def digest_fd(
    fd: int,
    schema: TableSchema,
    path: str | os.PathLike[str],
    *,
    kind: TableFormat | None = None,
    row_set: bool = True,
) -> TableDigest:
    """Digest the table in an open file; the caller watches that it does not change.

    Raises:
        SubjectError: It is no table of that schema.
    """
    kind = kind or TableFormat.of(os.fspath(path))
    try:
        return digest_batches(batches(fd, kind, schema), schema, row_set=row_set)
    except SubjectError as error:
        error.where = f"{shown(path)}, {error.where}"
        raise


def digest_batches(
    source: Iterable[list[Any]], schema: TableSchema, *, row_set: bool = True
) -> TableDigest:
    """Digest batches of canonical Arrow columns, in the schema's order.

    Raises:
        SubjectError: 65,536 rows take more than two gigabytes (``rows-too-wide``).
    """
    leaves, seen, total = list[bytes](), RowSet(), 0
    for chunk in _chunks(source):
        parts = [cells(array, item) for array, item in zip(chunk, schema.columns, strict=True)]
        columns = [_column_hash(part.parts()) for part in parts]
        leaves.append(_leaf(len(chunk[0]), columns))
        total += len(chunk[0])
        if row_set:
            seen.add(row_views(rows(parts)))
    content = content_digest(schema, total, merkle.root(leaves))
    head = {"format": SET_FORMAT, "schema": schema.to_json(), "rows": total}
    rows_set = sha256(dumps(head) + seen.state).hexdigest() if row_set else ""
    return TableDigest(content, rows_set, total, schema, tuple(leaves))


def content_digest(schema: TableSchema, row_count: int, root: bytes) -> Digest:
    """Join schema, number of rows and Merkle root into the content digest."""
    counts = {"rows": row_count, "chunk_rows": CHUNK_ROWS}
    head = {"format": FORMAT, "schema": schema.to_json(), "root": root.hex(), **counts}
    return digest_of(dumps(head))


def verify_chunk(
    content: Digest,
    table: tuple[TableSchema, int],
    chunk: int,
    columns: Sequence[Any],
    path: Sequence[bytes],
) -> None:
    """Check that some rows are chunk ``chunk`` of the table with a content digest.

    Args:
        content: The table's content digest, which the caller trusts.
        table: Its schema and number of rows.
        chunk: Which 65,536 rows.
        columns: The rows, as canonical Arrow columns in the schema's order.
        path: What :meth:`TableDigest.prove` gave.

    Raises:
        ProofError: They are not.
    """
    schema, count = table
    parts = [cells(array, item) for array, item in zip(columns, schema.columns, strict=True)]
    leaf = _leaf(len(columns[0]), [_column_hash(part.parts()) for part in parts])
    root = merkle.root_from(leaf, chunk, -(-count // CHUNK_ROWS), path)
    if content_digest(schema, count, root) != content:
        raise ProofError("the rows are not part of that table", slug="inclusion")


def _chunks(source: Iterable[list[Any]]) -> Iterator[list[Any]]:
    """Cut batches of any size into chunks of 65,536 rows and a rest."""
    held: list[list[Any]] = []
    count = size = 0
    for batch in source:
        start = 0
        while start < len(batch[0]):
            taken = [array.slice(start, CHUNK_ROWS - count) for array in batch]
            held.append(taken)
            start, count = start + len(taken[0]), count + len(taken[0])
            size += sum(array.nbytes for array in taken)
            if size > MAX_CHUNK_BYTES:
                raise refusal("rows-too-wide", f"{count} rows of {size} bytes")
            if count == CHUNK_ROWS:
                yield _joined(held)
                held, count, size = [], 0, 0
    if held:
        yield _joined(held)


def _joined(held: list[list[Any]]) -> list[Any]:
    return [pa.concat_arrays(arrays) for arrays in zip(*held, strict=True)]


def _column_hash(parts: Iterable[bytes | memoryview]) -> bytes:
    state = sha256()
    for part in parts:
        state.update(part)
    return state.digest()


def _leaf(count: int, columns: Sequence[bytes]) -> bytes:
    return merkle.leaf_hash(count.to_bytes(4, "little"), *columns)
