"""The canonical bytes of cells: one form for every file format, codec and row group.

A column of n cells is n validity bytes, then n fixed parts, then the variable bytes. A row is
the same parts the other way round. Null cells have zeros and no variable bytes.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import compute

from tidegate.core.artifact.refusals import refusal
from tidegate.tables.schema import Column

pc: Any = compute  # its functions are made at run time, which type checkers can't follow
MAX_CELL = 2**32 - 1
"""Bytes of a string or binary value: its length has four bytes."""
_NUMPY = {"int64": "<i8", "float64": "<f8", "date": "<i4", "timestamp_us": "<i8"}


@dataclass(frozen=True, slots=True)
class Cells:
    """One column of a chunk."""

    valid: NDArray[np.uint8]
    """(n,) 1 where there is a value, 0 where null."""
    fixed: NDArray[np.uint8]
    """(n, width): the little-endian value, or the length of the variable bytes."""
    variable: Any = None
    """Arrow large_binary array without nulls, for string and binary."""

    def parts(self) -> Iterator[memoryview | bytes]:
        """Yield the column's canonical bytes."""
        yield self.valid.data
        yield np.ascontiguousarray(self.fixed).data
        if self.variable is not None:
            yield _bytes_of(self.variable)


def cells(array: Any, column: Column) -> Cells:
    """Bring one column of canonical Arrow type into canonical bytes.

    Raises:
        SubjectError: A value has four gigabytes or more.
    """
    count = len(array)
    valid = np.ones(count, np.uint8)
    if array.null_count:
        valid = pc.is_valid(array).to_numpy(zero_copy_only=False).astype(np.uint8)
    if column.type in {"string", "binary"}:
        variable = array.cast(pa.large_binary())
        if array.null_count:
            variable = pc.fill_null(variable, b"")
        lengths = np.diff(_offsets(variable))
        if count and lengths.max() > MAX_CELL:
            raise refusal("rows-too-wide", f"column {column.name!r}")
        return Cells(valid, _bytes(lengths.astype("<u4"), 4), variable)
    if column.decimal is not None:
        raw = np.frombuffer(array.buffers()[1] or b"", np.uint8)[array.offset * 16 :][: count * 16]
        return Cells(valid, raw.reshape(count, 16) * valid[:, np.newaxis])
    if column.type == "bool":
        values = pc.fill_null(array, fill_value=False).to_numpy(zero_copy_only=False)
        return Cells(valid, _bytes(values.astype(np.uint8), 1))
    if column.type in {"date", "timestamp_us"}:
        array = array.view(pa.int32() if column.type == "date" else pa.int64())
    numbers = pc.fill_null(array, 0).to_numpy(zero_copy_only=False).astype(_NUMPY[column.type])
    if column.type == "float64":
        numbers = numbers + 0.0  # -0.0 becomes 0.0
        numbers[np.isnan(numbers)] = np.nan  # one NaN of many: 0x7ff8000000000000
    return Cells(valid, _bytes(numbers, numbers.itemsize))


def rows(chunk: list[Cells]) -> Any:
    """Return the canonical bytes of each row, as an Arrow large_binary array.

    First validity byte and fixed part of each column in order, then the variable bytes of each:
    the lengths in the fixed parts make it unambiguous.
    """
    count = len(chunk[0].valid)
    head = np.concatenate(
        [part for item in chunk for part in (item.valid[:, np.newaxis], item.fixed)], axis=1
    )
    width = head.shape[1]
    ends = np.arange(0, (count + 1) * width, width, dtype=np.int64)
    fixed = pa.Array.from_buffers(
        pa.large_binary(), count, [None, pa.py_buffer(ends), pa.py_buffer(head)]
    )
    variable = [item.variable for item in chunk if item.variable is not None]
    empty = pa.scalar(b"", pa.large_binary())
    return pc.binary_join_element_wise(fixed, *variable, empty) if variable else fixed


def row_views(array: Any) -> Iterator[memoryview]:
    """Yield each value of a large_binary array without nulls, without copying."""
    ends = _offsets(array)
    data = memoryview(array.buffers()[2] or b"")
    starts: list[int] = ends.tolist()
    for start, stop in pairwise(starts):
        yield data[start:stop]


def _offsets(array: Any) -> NDArray[np.int64]:
    buffer = array.buffers()[1]
    if buffer is None or not buffer.size:
        return np.zeros(1, np.int64)
    return np.frombuffer(buffer, np.int64)[array.offset :][: len(array) + 1]


def _bytes_of(array: Any) -> memoryview:
    ends = _offsets(array)
    return memoryview(array.buffers()[2] or b"")[int(ends[0]) : int(ends[-1])]


def _bytes(values: NDArray[Any], width: int) -> NDArray[np.uint8]:
    return np.ascontiguousarray(values).view(np.uint8).reshape(len(values), width)
