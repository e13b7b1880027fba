"""Validation sets: a private copy, its labels, and the same rows without the label.

The copy is what is digested, what the labels are read from and what the command sees, so that a
file that is swapped between two looks can't be judged by one content and signed by another.
"""

import csv
import json
import re
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from tidegate.core.artifact.reference import resolve
from tidegate.core.artifact.refusals import refusal, shown
from tidegate.core.digest import Digest
from tidegate.core.errors import EmptySubject, UsageError
from tidegate.detect.frame import labels_of
from tidegate.tables.load import load_table
from tidegate.tables.read import TableFormat

MAX_SETS = 16
NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")
"""A set's name is part of the names of facts."""

Texts = NDArray[np.str_]


@dataclass(frozen=True, slots=True)
class Roles:
    """What the columns of the sets are."""

    label: str
    groups: tuple[str, ...] = ()
    """Columns whose values are subgroups."""
    positive: str = "1"
    """The label that means "selected"."""


@dataclass(frozen=True, slots=True)
class ValidationSet:
    """A set that was read."""

    name: str
    path: Path
    """Where the caller has it."""
    digest: Digest
    """Of the private copy, which is what was read."""
    table: pa.Table
    """All columns, label included."""
    truth: Texts
    """(rows,) the true label."""
    features: Path
    """The same rows in the same order and format, without the label column."""
    format: TableFormat

    @property
    def rows(self) -> int:
        """How many rows it has."""
        return int(self.table.num_rows)


def read_sets(
    paths: Iterable[tuple[str, Path]], roles: Roles, folder: Path
) -> tuple[ValidationSet, ...]:
    """Copy and read every set.

    Args:
        paths: Name and file of each set.
        roles: Which column is the label, which are groups.
        folder: A private folder for the copies.

    Raises:
        UsageError: A name is no name or comes twice, a column is missing, a label is null, or no
            row has the positive label.
        SubjectError: A file is no table.
    """
    listed = list(paths)
    names = [name for name, _ in listed]
    wrong = [name for name in names if not NAME.fullmatch(name)]
    if wrong or len(set(names)) < len(names) or not 0 < len(names) <= MAX_SETS:
        raise UsageError(
            "validation sets need names of their own",
            where=", ".join(wrong or names)[:200] or None,
            cause=f"1 to {MAX_SETS} names of lower-case letters, digits and underscores",
            next_step="write --set a=first.csv --set b=second.csv",
            slug="set-names",
        )
    return tuple(_read(name, path, roles, folder) for name, path in listed)


def _read(name: str, path: Path, roles: Roles, folder: Path) -> ValidationSet:
    kind = TableFormat.of(path.name)
    resolve(path, kind="table")  # one answer to every path that is no file
    copy = folder / f"{name}.{kind.value}"
    shutil.copyfile(path, copy)
    digest = resolve(copy, kind="table").digest
    table = load_table(copy)
    _check(name, table, roles)
    features = folder / f"{name}.features.{kind.value}"
    _without(copy, features, kind, roles.label)
    features.chmod(0o644)
    return ValidationSet(name, path, digest, table, labels_of(table, roles.label), features, kind)


def _check(name: str, table: pa.Table, roles: Roles) -> None:
    missing = [c for c in (roles.label, *roles.groups) if c not in table.column_names]
    if missing:
        raise UsageError(
            "a column is missing",
            where=f"set {name}: {', '.join(missing)}"[:200],
            cause=f"it has {', '.join(table.column_names)}"[:300],
            next_step="correct --label-column or --group-column",
            slug="no-such-column",
        )
    if roles.label in roles.groups or len(table.column_names) == 1:
        raise UsageError(
            "the label can't be a group, nor the only column",
            where=f"set {name}: {roles.label}",
            next_step="name other columns with --group-column",
            slug="label-only",
        )
    if not table.num_rows:
        raise EmptySubject("the set has no rows", where=f"set {name}", slug="no-rows")
    labels = table[roles.label]
    if labels.null_count or roles.positive not in labels_of(table, roles.label):
        raise UsageError(
            "labels are missing" if labels.null_count else "no row has the positive label",
            where=f"set {name}, column {roles.label}",
            cause=f"{labels.null_count} rows without a label"
            if labels.null_count
            else f"{roles.positive!r} is in no row",
            next_step="complete the labels" if labels.null_count else "name it with --positive",
            slug="labels",
        )


def _without(source: Path, target: Path, kind: TableFormat, label: str) -> None:
    """Write the rows without the label; every other cell stays as it was written."""
    if kind is TableFormat.PARQUET:
        pq.write_table(pq.read_table(source, memory_map=False).drop_columns([label]), target)
        return
    with (
        source.open(encoding="utf-8-sig", newline="") as reader,
        target.open("w", encoding="utf-8", newline="") as writer,
    ):
        if kind is TableFormat.JSONL:
            for line in filter(str.strip, reader):
                row = {key: value for key, value in json.loads(line).items() if key != label}
                writer.write(json.dumps(row, ensure_ascii=False) + "\n")
            return
        delimiter = "\t" if kind is TableFormat.TSV else ","
        out = csv.writer(writer, delimiter=delimiter, lineterminator="\n")
        try:
            rows = csv.reader(reader, delimiter=delimiter, strict=True)
            header = next(rows)
            place = header.index(label)
            out.writerow(_drop(header, place))
            out.writerows(_drop(row, place) for row in rows if row)
        except csv.Error as error:
            raise refusal("bad-table", shown(source), str(error)[:200]) from None


def _drop(row: Sequence[str], place: int) -> list[str]:
    return [*row[:place], *row[place + 1 :]]
