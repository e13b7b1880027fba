"""Values written as text, read strictly by a column's type.

The grammar of each type is one regular expression; what does not match, or does not fit the
type, is refused with its row. Whole columns go through Arrow, nothing is parsed in Python.

>>> parse(pa.array(["1", "-2", None], pa.large_string()), Column("n", "int64")).to_pylist()
[1, -2, None]
"""

from typing import Any

import pyarrow as pa
from pyarrow import compute

from tidegate.tables.schema import Column

pc: Any = compute  # its functions are made at run time, which type checkers can't follow

GRAMMAR = {
    "bool": r"^(true|True|TRUE|1|false|False|FALSE|0)$",
    "int64": r"^-?[0-9]{1,19}$",
    "float64": r"^([+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?|-?(inf|Infinity|nan|NaN))$",
    "decimal": r"^-?[0-9]{1,38}(\.[0-9]{1,38})?$",
    "date": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$",
    "timestamp_us": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?"
    r"(Z|[+-][0-9]{2}:[0-9]{2})?$",
    "binary": r"^([0-9a-fA-F]{2})*$",
}
"""What each type looks like in a text format. Timestamps without an offset are UTC."""
_TRUE = ("true", "True", "TRUE", "1")
_ZONE = r"(Z|[+-][0-9]{2}:[0-9]{2})$"


def arrow_type(column: Column) -> pa.DataType:
    """Return the Arrow type that holds a column's canonical values."""
    if column.decimal is not None:
        return pa.decimal128(*column.decimal)
    return {
        "bool": pa.bool_(),
        "int64": pa.int64(),
        "float64": pa.float64(),
        "string": pa.large_string(),
        "date": pa.date32(),
        "timestamp_us": pa.timestamp("us", "UTC"),
        "binary": pa.large_binary(),
    }[column.type]


def parse(texts: Any, column: Column) -> Any:
    """Read an Arrow array of strings as values of the column's type.

    Raises:
        ValueError: A value is none of that type; :func:`first_bad` says which.
    """
    grammar = GRAMMAR.get("decimal" if column.decimal else column.type)
    if grammar is None:
        return texts.cast(pa.large_string())
    if pc.all(pc.match_substring_regex(texts, grammar)).as_py() is False:
        raise ValueError(f"a value is no {column.type}")
    if column.type == "bool":
        found = pc.is_in(texts, pa.array(_TRUE, texts.type))
        return pc.if_else(pc.is_valid(texts), found, pa.scalar(None, pa.bool_()))
    if column.type == "binary":
        return _unhex(texts)
    if column.type == "timestamp_us":
        zoned = pc.match_substring_regex(texts, _ZONE)
        texts = pc.if_else(zoned, texts, pc.binary_join_element_wise(texts, "Z", ""))
    values = texts.cast(arrow_type(column))
    if column.type == "float64":
        # Digits that overflow would read as infinity, which only the word may.
        overflow = pc.and_(pc.is_inf(values), pc.invert(pc.match_substring(texts, "nf")))
        if pc.any(overflow).as_py():
            raise ValueError("a number is too large for float64")
    return values


def first_bad(texts: Any, column: Column) -> int:
    """Return the index of the first value that :func:`parse` refuses, by bisection."""
    good, bad = 0, len(texts)
    while bad - good > 1:
        middle = (good + bad) // 2
        try:
            parse(texts.slice(good, middle - good), column)
            good = middle
        except ValueError:
            bad = middle
    return good


def _unhex(texts: Any) -> Any:
    filled = pc.fill_null(texts.cast(pa.large_string()), "")
    _, offsets, data = filled.buffers()
    ends = pa.Array.from_buffers(pa.int64(), len(filled) + 1, [None, offsets], offset=filled.offset)
    first, last = (ends[0].as_py(), ends[-1].as_py()) if len(filled) else (0, 0)
    raw = bytes.fromhex(bytes(data[first:last]).decode("ascii")) if data is not None else b""
    halves = pc.divide(pc.subtract(ends, first), 2)
    values = pa.Array.from_buffers(
        pa.large_binary(), len(filled), [None, halves.buffers()[1], pa.py_buffer(raw)]
    )
    return pc.if_else(pc.is_valid(texts), values, pa.scalar(None, pa.large_binary()))
