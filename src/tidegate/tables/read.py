"""Reading CSV, TSV, JSON Lines and Parquet by a schema: batches of canonical Arrow columns.

Text is parsed by the schema and nothing else; a value that is none of its column's type, a
null where none may be, another set of columns: each is a refusal that names column and row
(rows count from 1, the header apart), and never tells the value, which may be secret. Memory is
bounded by the block, not by the file.
"""

import json
import os
import re
from collections.abc import Callable, Iterator
from enum import StrEnum
from io import SEEK_CUR, SEEK_END, SEEK_SET, BufferedReader, BytesIO, RawIOBase
from itertools import islice
from pathlib import PurePath
from typing import Any

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.json as pajson
import pyarrow.parquet as papq
from pyarrow import compute

from tidegate.core.artifact.refusals import refusal, shown
from tidegate.core.errors import SubjectError
from tidegate.tables.schema import Column, TableSchema
from tidegate.tables.text import arrow_type, first_bad, parse

pc: Any = compute  # its functions are made at run time, which type checkers can't follow
BLOCK = 4 << 20
"""Bytes of text parsed at once; also the longest line."""
PARQUET_ROWS = 16_384
UNREADABLE = (pa.ArrowException, OSError, ValueError)
"""What Arrow raises over a damaged file."""
_CSV_CELLS = re.compile(r"Expected (\d+) columns, got (\d+)")

is_ = pa.types
FROM_ARROW: dict[str, tuple[Callable[[Any], bool], ...]] = {
    "bool": (is_.is_boolean,),
    "int64": (is_.is_integer,),
    "float64": (is_.is_floating, is_.is_integer),
    "string": (is_.is_string, is_.is_large_string, is_.is_string_view),
    "date": (is_.is_date,),
    "timestamp_us": (is_.is_timestamp,),
    "binary": (is_.is_binary, is_.is_large_binary, is_.is_binary_view, is_.is_fixed_size_binary),
    "decimal": (is_.is_decimal,),
}
"""Arrow types that a column type takes: numbers are no text, and text no numbers."""


class TableFormat(StrEnum):
    """A file format that holds a table."""

    CSV = "csv"
    TSV = "tsv"
    JSONL = "jsonl"
    PARQUET = "parquet"

    @classmethod
    def of(cls, name: str) -> "TableFormat":
        """Tell it from a file's name.

        Raises:
            SubjectError: The name has another suffix (``unknown-format``).
        """
        suffix = PurePath(name).suffix.lower().lstrip(".")
        try:
            return cls({"ndjson": "jsonl", "pq": "parquet"}.get(suffix, suffix))
        except ValueError:
            raise refusal("unknown-format", shown(name)) from None


class FdReader(RawIOBase):
    """A file object with an offset of its own over a shared descriptor.

    Arrow reads ahead in threads that may outlive the reader; through the descriptor's offset
    they would disturb whoever reads it next, or whoever is given its number after it is closed.
    """

    def __init__(self, fd: int) -> None:
        self._fd, self._at = fd, 0

    def readable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """Yes."""
        return True

    def seek(self, offset: int, whence: int = SEEK_SET, /) -> int:
        """Move the offset."""
        start = {SEEK_SET: 0, SEEK_CUR: self._at, SEEK_END: os.fstat(self._fd).st_size}[whence]
        self._at = start + offset
        return self._at

    def tell(self) -> int:
        """Return the offset."""
        return self._at

    def readinto(self, buffer: Any, /) -> int:
        """Read at the offset."""
        data = os.pread(self._fd, len(buffer), self._at)
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)


def batches(fd: int, kind: TableFormat, schema: TableSchema) -> Iterator[list[Any]]:
    """Yield the table's columns, in the schema's order, some rows at a time.

    Raises:
        SubjectError: ``bad-value``, ``bad-columns``, ``bad-type`` or ``bad-table``.
    """
    done = 0
    for found in _SOURCES[kind](fd, kind, schema):
        pairs = zip(found, schema.columns, strict=True)
        batch = [_canonical(array, column, done) for array, column in pairs]
        yield batch
        done += len(batch[0])


def _canonical(array: Any, column: Column, done: int) -> Any:
    if is_.is_dictionary(array.type):
        array = array.dictionary_decode()
    if array.null_count and not column.nullable:
        row = done + pc.index(pc.is_null(array), pa.scalar(value=True)).as_py() + 1
        raise _bad_value(column, row, "a null in a column that has none")
    target = arrow_type(column)
    is_text = any(test(array.type) for test in FROM_ARROW["string"])
    try:
        if is_text and column.type != "string":
            return parse(array, column)
        if column.type == "timestamp_us" and array.type.tz is None:
            array = array.cast(pa.timestamp(array.type.unit, "UTC"))  # without a zone it is UTC
        array = array if array.type == target else array.cast(target)
        if column.type == "string":
            array.validate(full=True)  # that it is UTF-8
    except (pa.ArrowException, ValueError):
        row = done + first_bad(array, column) + 1 if is_text else None
        raise _bad_value(column, row, f"it must be {column.type}") from None
    return array


def _csv(fd: int, kind: TableFormat, schema: TableSchema) -> Iterator[list[Any]]:
    done = 0
    try:
        reader = open_csv(fd, kind, [column.name for column in schema.columns], schema.null)
        _check_names(reader.schema.names, schema)
        for batch in reader:
            # In a column without nulls the token is a value like any other.
            yield [
                batch.column(item.name)
                if item.nullable
                else pc.fill_null(batch.column(item.name), schema.null)
                for item in schema.columns
            ]
            done += len(batch)
    except UNREADABLE as error:
        # Arrow's text quotes the row, which may hold anything: only its numbers are passed on.
        cells = _CSV_CELLS.search(str(error))
        cause = f"a row has {cells[2]} cells, the header {cells[1]}" if cells else None
        raise refusal("bad-table", f"after row {done}", cause) from None


def open_csv(fd: int, kind: TableFormat, names: list[str], null: str) -> Any:
    """Open a CSV stream in which every cell is text or, where unquoted, the null token."""
    return pacsv.open_csv(
        FdReader(fd),
        read_options=pacsv.ReadOptions(block_size=BLOCK, use_threads=True),
        parse_options=pacsv.ParseOptions(
            delimiter=delimiter_of(kind),
            newlines_in_values=True,
            # Nobody writes an empty line for a row, unless the table has but one column.
            ignore_empty_lines=len(names) > 1,
        ),
        convert_options=pacsv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()),
            null_values=[null],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )


def delimiter_of(kind: TableFormat) -> str:
    """Return what stands between two cells."""
    return "\t" if kind is TableFormat.TSV else ","


def _jsonl(fd: int, _: TableFormat, schema: TableSchema) -> Iterator[list[Any]]:
    if not os.pread(fd, BLOCK, 0).strip():  # Arrow refuses a stream without values
        return
    done = 0
    try:
        for batch in _open_json(FdReader(fd), schema.columns):
            yield [batch.column(column.name) for column in schema.columns]
            done += len(batch)
    except UNREADABLE:
        raise _blame_json(fd, schema, done) from None


def _open_json(file: RawIOBase | BytesIO, columns: tuple[Column, ...]) -> Any:
    fields = [(column.name, _json_type(column)) for column in columns]
    return pajson.open_json(
        file,
        read_options=pajson.ReadOptions(block_size=BLOCK, use_threads=True),
        parse_options=pajson.ParseOptions(
            explicit_schema=pa.schema(fields), unexpected_field_behavior="error"
        ),
    )


def _json_type(column: Column) -> Any:
    native = column.decimal is not None or column.type in {"bool", "int64", "float64"}
    return arrow_type(column) if native else pa.string()


def _blame_json(fd: int, schema: TableSchema, done: int) -> SubjectError:
    """Say where Arrow stumbled, which it does not: by bisection of the lines that follow."""

    def reads(text: bytes, columns: tuple[Column, ...]) -> bool:
        try:
            _open_json(BytesIO(text), columns).read_all()
        except UNREADABLE:
            return False
        return True

    file = BufferedReader(FdReader(fd))
    lines = (line for line in iter(lambda: file.readline(BLOCK), b"") if line.strip())
    after, size = list[bytes](), 0
    for line in islice(lines, done, None):
        after.append(line)
        size += len(line)
        if size > 2 * BLOCK:  # the block that failed, and the part of a line before it
            break
    good, bad = 0, len(after)
    while bad - good > 1:
        middle = (good + bad) // 2
        good, bad = (
            (middle, bad) if reads(b"".join(after[good:middle]), schema.columns) else (good, middle)
        )
    row = done + good + 1
    try:
        values: dict[str, Any] = json.loads(after[good])
        unknown = values.keys() - {column.name for column in schema.columns}
    except (ValueError, AttributeError, IndexError, RecursionError):
        return refusal("bad-table", f"row {row}", "it is no line with one JSON object")
    if unknown:
        return refusal("bad-columns", f"row {row}", f"unknown: {sorted(unknown)[:5]}"[:300])
    for column in schema.columns:
        if not reads(json.dumps({column.name: values.get(column.name)}).encode(), (column,)):
            return _bad_value(column, row, f"it must be {column.type}")
    return refusal("bad-table", f"row {row}", "it is no line with one JSON object")


def _parquet(fd: int, _: TableFormat, schema: TableSchema) -> Iterator[list[Any]]:
    try:
        reader = papq.ParquetFile(FdReader(fd), buffer_size=1 << 20, pre_buffer=False)
        _check_names(reader.schema_arrow.names, schema)
        for column in schema.columns:
            _check_type(reader.schema_arrow.field(column.name).type, column)
        for batch in reader.iter_batches(batch_size=PARQUET_ROWS, use_threads=False):
            yield [batch.column(column.name) for column in schema.columns]
    except UNREADABLE as error:
        raise refusal("bad-table", "the file", type(error).__name__) from None


def _check_type(found: Any, column: Column) -> None:
    found = found.value_type if is_.is_dictionary(found) else found
    tests = FROM_ARROW["decimal" if column.decimal else column.type]
    if not any(test(found) for test in tests):
        cause = f"the schema says {column.type}, the file {found}"[:200]
        raise refusal("bad-type", f"column {column.name!r}", cause)


def _check_names(found: list[str], schema: TableSchema) -> None:
    wanted = {column.name for column in schema.columns}
    if set(found) != wanted or len(found) != len(wanted):
        gone, new = sorted(wanted - set(found)), sorted(set(found) - wanted)
        cause = f"missing {gone[:5]}, unknown {new[:5]}" if gone or new else "a name comes twice"
        raise refusal("bad-columns", "the header", cause[:300])


def _bad_value(column: Column, row: int | None, cause: str) -> SubjectError:
    where = f"column {column.name!r}" + (f", row {row}" if row else "")
    return refusal("bad-value", where, cause)


_SOURCES = {
    TableFormat.CSV: _csv,
    TableFormat.TSV: _csv,
    TableFormat.JSONL: _jsonl,
    TableFormat.PARQUET: _parquet,
}
