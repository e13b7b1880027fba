"""The schema by which a table is read and digested: names, types, nulls.

It is part of the table's digest. The same bytes read by another schema are another table.

>>> schema = TableSchema((Column("score", "float64"), Column("id", "int64", nullable=False)))
>>> [column.name for column in schema.columns]
['id', 'score']
>>> TableSchema.from_json(schema.to_json()) == schema
True
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from tidegate.core.artifact.refusals import refusal
from tidegate.core.canonical import Json, dumps
from tidegate.core.digest import Digest, sha256
from tidegate.core.errors import SubjectError

FORMAT = "tidegate/schema/v1"
MAX_COLUMNS = 10_000
TYPES = ("bool", "int64", "float64", "string", "date", "timestamp_us", "binary")
"""The types without parameters; ``decimal(p,s)`` with 1 ≤ p ≤ 38, 0 ≤ s ≤ p is the one with."""
_DECIMAL = re.compile(r"decimal\(([1-9][0-9]?),([0-9]{1,2})\)")


@dataclass(frozen=True, slots=True)
class Column:
    """One column."""

    name: str
    type: str
    """One of :data:`TYPES`, or ``decimal(p,s)``."""
    nullable: bool = True
    """Where it is not, a null is refused, and the null token is a value like any other."""

    def __post_init__(self) -> None:
        precision, scale = self.decimal or (1, 0)
        known = self.type in TYPES or (self.decimal is not None and scale <= precision <= 38)  # noqa: PLR2004 - 128 bits
        if not known:
            raise _bad(f"column {self.name!r} has the unknown type {self.type!r}"[:200])
        try:
            size = len(self.name.encode("utf-8"))
        except UnicodeEncodeError:
            size = 0
        if not 0 < size <= 1_000:  # noqa: PLR2004 - bound
            raise _bad("a column's name has 1 to 1,000 bytes of UTF-8")

    @property
    def decimal(self) -> tuple[int, int] | None:
        """Precision and scale of a decimal column."""
        match = _DECIMAL.fullmatch(self.type)
        return (int(match[1]), int(match[2])) if match else None


@dataclass(frozen=True, slots=True)
class TableSchema:
    """Columns in the order of their names' UTF-8 bytes, however they were given."""

    columns: tuple[Column, ...]
    null: str = ""
    """What stands for null in CSV, unquoted, in nullable columns."""

    def __post_init__(self) -> None:
        ordered = tuple(sorted(self.columns, key=lambda column: column.name))
        names = {column.name for column in ordered}
        if len(names) != len(ordered) or not 1 <= len(ordered) <= MAX_COLUMNS:
            raise _bad(f"a schema has 1 to {MAX_COLUMNS} columns, each name once")
        object.__setattr__(self, "columns", ordered)

    @property
    def digest(self) -> Digest:
        """SHA-256 of the canonical JSON."""
        return sha256(dumps(self.to_json()))

    def to_json(self) -> dict[str, Json]:
        """Return the form that is recorded, and that goes into the table's digest."""
        return {
            "format": FORMAT,
            "null": self.null,
            "columns": [
                {"name": column.name, "type": column.type, "nullable": column.nullable}
                for column in self.columns
            ],
        }

    @classmethod
    def from_json(cls, value: Json) -> Self:
        """Read what :meth:`to_json` wrote.

        Raises:
            SubjectError: It is no schema (``bad-schema``).
        """
        try:
            schema = cls(tuple(_column(item) for item in value["columns"]), _text(value["null"]))
            same = schema.to_json() == value
        except (KeyError, TypeError, ValueError) as error:
            raise _bad(str(error)[:200]) from None
        if not same:
            raise _bad("unknown keys, or columns that are not sorted by name")
        return schema


def _column(item: Json) -> Column:
    if not isinstance(item, Mapping) or not isinstance(item["nullable"], bool):
        raise TypeError("a column has name, type and nullable")
    return Column(_text(item["name"]), _text(item["type"]), item["nullable"])


def _text(value: Json) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def _bad(cause: str) -> SubjectError:
    return refusal("bad-schema", "the schema", cause)
