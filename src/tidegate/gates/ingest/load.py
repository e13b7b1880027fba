"""What is looked at on admission: one table, or the files of a data set.

::

    table = TableFile(Path("drop.csv"), schema).table
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa

from tidegate.core.artifact.hashing import opened
from tidegate.core.artifact.refusals import shown
from tidegate.core.errors import CheckError, EmptySubject, SubjectError
from tidegate.tables.infer import infer_schema
from tidegate.tables.read import TableFormat, batches
from tidegate.tables.schema import TableSchema
from tidegate.tables.text import arrow_type

MAX_BYTES = 8 << 30
"""Memory that a table may take while it is looked at; a larger one leaves the gate undecided."""
MAX_TEXT = 80_000_000
"""Bytes of a text that are read."""


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
        raise EmptySubject("the table has no rows", where=where, slug="empty-table")
    return table


@dataclass(frozen=True, slots=True)
class Part:
    """One file of a data set: a table, a text, or the reason why it is neither."""

    name: str
    table: pa.Table | None = None
    text: str = ""
    gap: str = ""


def parts(path: Path) -> Iterator[Part]:
    """Yield the files of a data set in the order of their paths."""
    if path.is_file():
        yield _part(path, path.name)
        return
    for file in sorted(item for item in path.rglob("*") if item.is_file()):
        yield _part(file, file.relative_to(path).as_posix())


def is_tabular(path: Path) -> bool:
    """Tell whether a file's name says that it is a table."""
    try:
        TableFormat.of(path.name)
    except SubjectError:
        return False
    return True


def _part(path: Path, name: str) -> Part:
    if path.stat().st_size == 0:
        return Part(name)
    if is_tabular(path):
        try:
            return Part(name, TableFile(path, infer_schema(path)).table)
        except EmptySubject:
            return Part(name)
    return _text(path, name)


def _text(path: Path, name: str) -> Part:
    with opened(path) as (fd, _):
        data = os.pread(fd, MAX_TEXT + 1, 0)
    if len(data) > MAX_TEXT:
        return Part(name, gap=f"text beyond {MAX_TEXT} bytes")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        return Part(name, gap="not a table and not UTF-8 text: nothing could look into it")
    return Part(name, text=text)
