"""A whole table in memory, for checks that look across rows.

::

    table = load_table(Path("window.csv"))          # by the schema that the whole file supports
    table = TableFile(Path("drop.csv"), schema).table  # by a given schema, read once

A column is never typed by its first rows. Tables above the limit are refused: checks that stream
take :mod:`tidegate.tables.read`.
"""

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa

from tidegate.core.artifact.hashing import opened
from tidegate.core.artifact.refusals import refusal, shown
from tidegate.core.errors import CheckError, EmptySubject, SubjectError
from tidegate.tables.infer import infer_schema
from tidegate.tables.read import TableFormat, batches
from tidegate.tables.schema import TableSchema
from tidegate.tables.text import arrow_type

MAX_BYTES = 8 << 30
"""Memory that a table may take while it is looked at."""


@dataclass(frozen=True)
class TableFile:
    """A table on disk, read once and only when a check asks for it."""

    path: Path
    schema: TableSchema

    @cached_property
    def table(self) -> pa.Table:
        """All rows.

        Raises:
            SubjectError: It is no table of that schema.
            EmptySubject: It has no rows.
            CheckError: It does not fit.
        """
        with opened(self.path) as (fd, _):
            return load(fd, TableFormat.of(os.fspath(self.path)), self.schema, shown(self.path))


def load(fd: int, kind: TableFormat, schema: TableSchema, where: str) -> pa.Table:
    """Read an open file as a table, its columns in the schema's order.

    Raises:
        SubjectError: It is no table of that schema.
        EmptySubject: It has no rows (``empty-table``).
        CheckError: It takes more memory than :data:`MAX_BYTES` (``table-too-large``).
    """
    chunks: list[list[Any]] = [[] for _ in schema.columns]
    size = 0
    for batch in batches(fd, kind, schema):
        for chunk, array in zip(chunks, batch, strict=True):
            chunk.append(array)
            size += array.nbytes
        if size > MAX_BYTES:
            raise CheckError(
                f"the table takes more than {MAX_BYTES >> 30} GiB of memory",
                where=where,
                next_step="admit it in parts",
                slug="table-too-large",
            )
    table = pa.table(
        {
            column.name: pa.chunked_array(chunk, arrow_type(column))
            for column, chunk in zip(schema.columns, chunks, strict=True)
        }
    )
    if table.num_rows == 0:
        raise EmptySubject(
            "the table has no rows", where=where, next_step="check the path", slug="empty-table"
        )
    return table


def load_table(path: Path, *, kind: TableFormat | None = None, limit: int = MAX_BYTES) -> pa.Table:
    """Load a CSV, TSV, JSON Lines or Parquet file by the schema that it supports.

    Args:
        path: The file.
        kind: Its format; told from the name where it is not given.
        limit: Bytes of the file beyond which it is refused.

    Raises:
        SubjectError: No such file, no table, or larger than the limit.
        EmptySubject: It is empty, or has no rows.
        UnreadableSubject: It can't be read, or changed meanwhile.
        CheckError: It does not fit into memory.
    """
    with opened(path) as (fd, key):
        if not key.size:
            raise refusal("empty-file", shown(path))
        if key.size > limit:
            raise SubjectError(
                "the table is too large to be held in memory",
                where=shown(path),
                cause=f"{key.size} bytes, {limit} are the limit",
                next_step="use a part or a sample of it",
                slug="table-too-large",
            )
        form = kind or TableFormat.of(path.name)
        return load(fd, form, infer_schema(path, kind=form), shown(path))


def is_tabular(path: Path) -> bool:
    """Tell whether a file's name says that it is a table."""
    try:
        TableFormat.of(path.name)
    except SubjectError:
        return False
    return True
