"""Where the tensors of a safetensors file lie: a strict reader of its header.

The format: eight bytes of header length (little-endian), a JSON object of tensors, then their bytes
without holes. A file that another reader could understand otherwise is refused.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from types import MappingProxyType
from typing import Final

from tidegate.core.canonical import Json, loads
from tidegate.core.errors import SubjectError, VerificationError

MAX_HEADER: Final = 100_000_000
MAX_TENSORS: Final = 1_000_000
PREFIX: Final = 8
"""Bytes of the header's length."""
DTYPE_BITS: Final[Mapping[str, int]] = MappingProxyType({
    "BOOL": 8, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8, "F8_E8M0": 8, "I16": 16, "U16": 16,
    "F16": 16, "BF16": 16, "I32": 32, "U32": 32, "F32": 32, "F64": 64, "I64": 64, "U64": 64,
    "C64": 64, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6,
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor of a file."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    begin: int
    """First byte, from the start of the file."""
    end: int

    @property
    def size(self) -> int:
        """Bytes."""
        return self.end - self.begin


def read_layout(fd: int, where: str) -> tuple[Tensor, ...]:
    """Return a file's tensors, in the order of their bytes.

    Args:
        fd: Open for reading; only the header is read.
        where: The file, for messages.

    Raises:
        SubjectError: It is no safetensors file, or one with two readings.
    """
    size = os.fstat(fd).st_size
    length = int.from_bytes(os.pread(fd, PREFIX, 0), "little")
    if not 1 < length <= min(MAX_HEADER, size - PREFIX):
        raise _refused("it has no header of a possible length", where)
    try:
        header = loads(os.pread(fd, length, PREFIX), what="a safetensors header", limit=MAX_HEADER)
    except VerificationError as error:
        raise _refused(error.cause or error.problem, where) from None
    if not isinstance(header, dict):
        raise _refused("its header is no object", where)
    header.pop("__metadata__", None)
    if len(header) > MAX_TENSORS:
        raise _refused(f"more than {MAX_TENSORS} tensors", where)
    start = PREFIX + length
    tensors = sorted(
        (_tensor(name, entry, start, where) for name, entry in header.items()),
        key=lambda tensor: (tensor.begin, tensor.end),
    )
    position = start
    for tensor in tensors:
        if tensor.begin != position:
            raise _refused(f"tensor {tensor.name[:80]!r} overlaps another or leaves a hole", where)
        position = tensor.end
    if position != size:
        raise _refused("its tensors do not fill the file", where)
    return tuple(tensors)


def is_safetensors(path: Path) -> bool:
    """Tell by its name whether a file of a model folder is meant to hold tensors."""
    return path.name.endswith(".safetensors")


def _tensor(name: str, entry: Json, start: int, where: str) -> Tensor:
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise _refused(f"tensor {name[:80]!r} has no valid entry", where)
    dtype, shape, offsets = entry["dtype"], _counts(entry["shape"]), _counts(entry["data_offsets"])
    bits = DTYPE_BITS.get(str(dtype))
    if bits is None or shape is None or offsets is None or len(offsets) != 2:  # noqa: PLR2004 - begin and end
        raise _refused(f"tensor {name[:80]!r} has no valid type, shape or place", where)
    begin, end = offsets
    if begin > end or (end - begin) * 8 != bits * prod(shape):
        raise _refused(f"tensor {name[:80]!r} has another size than its shape", where)
    return Tensor(name, str(dtype), shape, start + begin, start + end)


def _counts(value: Json) -> tuple[int, ...] | None:
    if not isinstance(value, list):
        return None
    counts = tuple(item for item in value if type(item) is int and item >= 0)
    return counts if len(counts) == len(value) else None


def _refused(cause: str, where: str) -> SubjectError:
    return SubjectError(
        "not a safetensors file that has one reading",
        where=where,
        cause=cause[:300],
        next_step="write it anew with the safetensors library",
        slug="bad-safetensors",
    )
