"""A table in the form that models and groups want: numbers, categories and texts.

>>> import pyarrow as pa
>>> frame = Frame.of(pa.table({"city": ["Ulm", "Bonn"], "age": [41, None]}))
>>> [(column.name, column.kind) for column in frame.columns]
[('city', 'category'), ('age', 'number')]
"""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tidegate.core.finding import Skipped

_TEXT_WORDS = 3.0
_MANY = 20
_EPOCH_BITS = 64

Rows = NDArray[np.int64]
"""Row numbers."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a :class:`Frame`."""

    name: str
    """The table's own name."""
    kind: str
    """``number``, ``category`` or ``text``."""
    numbers: NDArray[np.float64]
    """Values with NaN for null; empty unless the kind is ``number``."""
    texts: tuple[str, ...] = ()
    """Values with "" for null; empty where the kind is ``number``."""

    def take(self, rows: Rows) -> "Column":
        """Return the column of these rows alone."""
        if self.kind == "number":
            return Column(self.name, self.kind, self.numbers[rows])
        return Column(self.name, self.kind, self.numbers, tuple(self.texts[row] for row in rows))


@dataclass(frozen=True, slots=True)
class Frame:
    """A typed table."""

    columns: tuple[Column, ...]
    """What can be looked at."""
    skipped: tuple[Skipped, ...]
    """Columns that can't, with the reason."""
    rows: int
    """Rows of the table."""

    @classmethod
    def stacked(
        cls,
        upper: pa.Table,
        lower: pa.Table,
        *,
        without: Collection[str] = (),
        as_text: bool = False,
    ) -> "Frame":
        """Type the columns that two tables share, the rows of the upper one first.

        Columns of one name get one type: the upper table's, else a float for two numbers.

        Args:
            upper: Its rows come first.
            lower: Its rows follow.
            without: Columns to leave out.
            as_text: Read columns that have no common type as text, instead of skipping them.
        """
        shared = set(upper.column_names) & set(lower.column_names)
        columns: dict[str, pa.ChunkedArray] = {}
        skipped: dict[str, str] = {}
        for name in dict.fromkeys((*upper.column_names, *lower.column_names)):
            if name in without:
                continue
            if name not in shared:
                skipped[name] = "not in both tables"
                continue
            pair = _of_one_type(upper[name], lower[name], as_text=as_text)
            if pair is None:
                skipped[name] = f"no common type of {upper[name].type} and {lower[name].type}"
            else:
                columns[name] = pa.chunked_array([*pair[0].chunks, *pair[1].chunks], pair[0].type)
        typed = cls.of(pa.table(columns))
        lost = tuple(Skipped(f"column {name}", why) for name, why in skipped.items())
        return cls(typed.columns, typed.skipped + lost, upper.num_rows + lower.num_rows)

    @classmethod
    def of(cls, table: pa.Table, *, without: Collection[str] = ()) -> "Frame":
        """Type every column but those named in ``without`` (the label, the feed)."""
        columns: list[Column] = []
        skipped: list[Skipped] = []
        for name in table.column_names:
            if name in without:
                continue
            column = _column(name, table[name].combine_chunks())
            if column is None:
                skipped.append(Skipped(f"column {name}", f"no scan for type {table[name].type}"))
            else:
                columns.append(column)
        return cls(tuple(columns), tuple(skipped), table.num_rows)


def labels_of(table: pa.Table, name: str) -> NDArray[np.str_]:
    """Return a column as strings, whatever its type; null reads as "null".

    Floats that are whole numbers are written without a fraction, so that a label that went through
    a format without integers stays the same label.
    """
    values = table[name].to_pylist()
    whole = [int(v) if isinstance(v, float) and v.is_integer() else v for v in values]
    return np.asarray(["null" if v is None else str(v) for v in whole], dtype=np.str_)


def _of_one_type(
    upper: pa.ChunkedArray, lower: pa.ChunkedArray, *, as_text: bool
) -> tuple[pa.ChunkedArray, pa.ChunkedArray] | None:
    kinds = [upper.type]
    if _is_number(upper.type) and _is_number(lower.type):
        kinds.append(pa.float64())
    if as_text:
        kinds.append(pa.string())
    for kind in kinds:
        try:
            return upper.cast(kind), lower.cast(kind)
        except pa.ArrowException:
            continue
    return None


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def _column(name: str, values: pa.Array) -> Column | None:
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    kind = values.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return _textual(name, values)
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind) or pa.types.is_time(kind):
        wide = pa.int64() if kind.bit_width == _EPOCH_BITS else pa.int32()
        values, kind = values.cast(wide), wide
    if pa.types.is_boolean(kind):
        values, kind = values.cast(pa.int8()), pa.int8()
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        filled = values.cast(pa.float64(), safe=False).fill_null(float("nan"))
        numbers = np.array(filled.to_numpy(zero_copy_only=False), dtype=np.float64)
        numbers[np.isinf(numbers)] = np.nan
        return Column(name, "number", numbers)
    return None


def _textual(name: str, values: pa.Array) -> Column:
    filled = values.fill_null("")
    words = pc.call_function("count_substring", [filled], pc.MatchSubstringOptions(" "))
    spaces = pc.call_function("mean", [words]).as_py() or 0.0
    distinct = pc.call_function("count_distinct", [filled]).as_py()
    varied = distinct > max(_MANY, len(values) // 50)
    kind = "text" if varied and spaces + 1 >= _TEXT_WORDS else "category"
    return Column(name, kind, np.empty(0), tuple(filled.to_pylist()))
