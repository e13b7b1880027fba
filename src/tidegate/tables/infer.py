"""Proposing a schema for a table: a step of its own, whose result is looked over and recorded.

Text columns are read whole, never sampled, so that what is proposed reads the file without a
refusal. Whole numbers with leading zeros stay text: they are codes, not quantities.
"""

import csv
import json
import os
from io import BufferedReader, TextIOWrapper
from itertools import islice
from typing import Any

import pyarrow as pa
import pyarrow.parquet as papq
from pyarrow import compute

from tidegate.core.artifact.hashing import opened
from tidegate.core.artifact.refusals import refusal, shown
from tidegate.tables.read import (
    BLOCK,
    FROM_ARROW,
    UNREADABLE,
    FdReader,
    TableFormat,
    delimiter_of,
    open_csv,
)
from tidegate.tables.schema import Column, TableSchema
from tidegate.tables.text import parse

pc: Any = compute  # its functions are made at run time, which type checkers can't follow
_TEXT = ("int64", "float64", "bool", "date", "timestamp_us")
_QUOTED = ("date", "timestamp_us")
_CODE = r"^[+-]?0[0-9]"
_LINES = 16_384


def infer_schema(
    path: str | os.PathLike[str], *, kind: TableFormat | None = None, null: str = ""
) -> TableSchema:
    """Propose a schema that reads the file.

    Parquet's own types are taken over. Decimal and binary are never guessed from text.

    Args:
        path: A CSV, TSV, JSON Lines or Parquet file.
        kind: The file format; told from the name where it is not given.
        null: The null token of CSV.

    Raises:
        SubjectError: It is no table, or one with nested or mixed columns.
        UnreadableSubject: It can't be read, or changed meanwhile.
    """
    kind = kind or TableFormat.of(os.fspath(path))
    try:
        with opened(path) as (fd, _):
            if kind is TableFormat.PARQUET:
                columns = [_of_arrow(item) for item in papq.ParquetFile(FdReader(fd)).schema_arrow]
            else:
                columns = _of_jsonl(fd) if kind is TableFormat.JSONL else _of_csv(fd, kind, null)
    except (*UNREADABLE, csv.Error) as error:
        raise refusal("bad-table", shown(path), type(error).__name__) from None
    return TableSchema(tuple(columns), null)


class _Guess:
    """The types that every value so far can be read as."""

    def __init__(self, candidates: tuple[str, ...]) -> None:
        self.alive = list(candidates)
        self.nulls = self.values = False

    def see(self, texts: Any) -> None:
        self.nulls = self.nulls or texts.null_count > 0
        self.values = self.values or texts.null_count < len(texts)
        codes = pc.any(pc.match_substring_regex(texts, _CODE)).as_py()
        self.alive = [
            kind
            for kind in self.alive
            if not (codes and kind in {"int64", "float64"}) and _reads(texts, kind)
        ]

    def column(self, name: str) -> Column:
        kind = self.alive[0] if self.alive and self.values else "string"
        return Column(name, kind, nullable=self.nulls)


def _reads(texts: Any, kind: str) -> bool:
    try:
        parse(texts, Column("_", kind))
    except ValueError:
        return False
    return True


def _of_csv(fd: int, kind: TableFormat, null: str) -> list[Column]:
    text = TextIOWrapper(BufferedReader(FdReader(fd)), "utf-8-sig", newline="")
    names = next(csv.reader(text, delimiter=delimiter_of(kind)), list[str]())
    guesses = [_Guess(_TEXT) for _ in names]
    for batch in open_csv(fd, kind, names, null):
        for guess, array in zip(guesses, batch.columns, strict=True):
            guess.see(array)
    return [guess.column(name) for guess, name in zip(guesses, names, strict=True)]


def _of_jsonl(fd: int) -> list[Column]:
    kinds: dict[str, set[type]] = {}
    filled: dict[str, int] = {}
    guesses: dict[str, _Guess] = {}
    total = 0
    file = BufferedReader(FdReader(fd))
    lines = (line for line in iter(lambda: file.readline(BLOCK), b"") if line.strip())
    while batch := [dict[str, Any](json.loads(line)) for line in islice(lines, _LINES)]:
        total += len(batch)
        for name in {name for row in batch for name in row}:
            values = [row[name] for row in batch if row.get(name) is not None]
            kinds.setdefault(name, set()).update(map(type, values))
            filled[name] = filled.get(name, 0) + len(values)
            if kinds[name] == {str}:
                guesses.setdefault(name, _Guess(_QUOTED)).see(pa.array(values, pa.string()))
    return [
        Column(name, _of_json(name, found, guesses), nullable=filled[name] < total)
        for name, found in kinds.items()
    ]


def _of_json(name: str, found: set[type], guesses: dict[str, _Guess]) -> str:
    if not found:
        return "string"
    if found == {str}:
        return guesses[name].column(name).type
    for types, kind in (({bool}, "bool"), ({int}, "int64"), ({int, float}, "float64")):
        if found <= types:
            return kind
    raise refusal("bad-value", f"column {name!r}", "it holds nested values or several types")


def _of_arrow(item: Any) -> Column:
    kind = item.type.value_type if pa.types.is_dictionary(item.type) else item.type
    found = [name for name, tests in FROM_ARROW.items() if any(test(kind) for test in tests)]
    if not found:
        raise refusal("bad-type", f"column {item.name!r}", f"{kind} is no type of a cell"[:200])
    exact = f"decimal({kind.precision},{kind.scale})" if found[0] == "decimal" else found[0]
    return Column(item.name, exact, nullable=item.nullable)
