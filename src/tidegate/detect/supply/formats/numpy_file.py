"""Reads the header of a NumPy array file; arrays of objects hold a pickle, which is scanned.

The format is NEP 1: magic, version, header length, a Python literal, then raw data.
"""

import ast
from math import prod

from tidegate.detect.supply.pickles.cursor import Buffer, MalformedError
from tidegate.detect.supply.pickles.numpy_dtype import width
from tidegate.detect.supply.pickles.scan import scan_pickle
from tidegate.detect.supply.scan import Scan

MAGIC = b"\x93NUMPY"
_MAX_HEADER = 1 << 16
_DEPTH = 4
_LITERAL_ERRORS = (ValueError, SyntaxError, TypeError, MemoryError, RecursionError)


def scan_npy(data: Buffer, scan: Scan) -> None:
    """Examine an ``.npy`` file."""
    start, header = _header(data)
    if header is None:
        scan.find("header-malformed", "the array's header can't be read", 0)
        return
    try:
        size = _times(_width(header["descr"], _DEPTH), header["shape"])
    except (KeyError, MalformedError):
        scan.find("header-malformed", "the array's header has no valid shape and dtype", 0)
        return
    if size is None:
        scan_pickle(data, scan, start=start)
    else:
        _length(len(data) - start, size, start, scan)


def _header(data: Buffer) -> tuple[int, dict[str, object] | None]:
    size = 2 if data[6:7] == b"\x01" else 4
    start = 8 + size
    length = int.from_bytes(data[8:start], "little")
    if length > _MAX_HEADER or start + length > len(data):
        return start, None
    try:
        header = ast.literal_eval(data[start : start + length].decode("utf-8").strip())
    except _LITERAL_ERRORS:
        return start, None
    return start + length, header if isinstance(header, dict) else None


def _width(descr: object, depth: int) -> int | None:
    """Return bytes an item, ``None`` with objects.

    Raises:
        MalformedError: No such dtype.
    """
    if isinstance(descr, str):
        return width(descr)
    if isinstance(descr, tuple) and len(descr) == 2 and depth > 0:  # noqa: PLR2004 - (dtype, shape)
        return _times(_width(descr[0], depth - 1), descr[1])
    if not isinstance(descr, list) or depth == 0:
        raise MalformedError("no such dtype", 0)
    total = 0
    for field in descr:
        if not isinstance(field, tuple) or len(field) not in (2, 3):
            raise MalformedError("no such dtype", 0)
        inner = _width(field[1], depth - 1)
        size = _times(inner, field[2] if len(field) == 3 else ())  # noqa: PLR2004 - with a shape
        if size is None:
            return None
        total += size
    return total


def _times(size: int | None, shape: object) -> int | None:
    counts = (shape,) if isinstance(shape, int) else shape
    if not isinstance(counts, tuple) or not all(type(n) is int and n >= 0 for n in counts):
        raise MalformedError("no such shape", 0)
    return None if size is None else size * prod(counts)


def _length(left: int, wanted: int, start: int, scan: Scan) -> None:
    if left < wanted:
        scan.gap(f"the array wants {wanted} bytes and has {left}", failed=True)
    elif left > wanted:
        scan.find("trailing-data", f"{left - wanted} bytes follow the array", start + wanted)
