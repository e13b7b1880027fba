"""Disarm weights: round away the low bits in which a payload can hide unseen.

Keeping 16 of a float32's 32 bits (bfloat16's precision) leaves a hidden payload nothing, and costs
a model what a conversion to bfloat16 costs it. Rounded to the nearest value, ties to even, as IEEE
754 does; infinities and NaN stay what they are, without a payload in NaN's low bits.

>>> import numpy as np
>>> rounded(np.array([1.2345678], "<f4"), keep=16)
array([1.234375], dtype=float32)
"""

import os
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

from tidegate.core.artifact.hashing import opened
from tidegate.core.errors import StoreError
from tidegate.tensors.layout import read_layout

MIN_KEEP: Final = 10
"""Sign, exponent, and one bit of the mantissa."""
MAX_KEEP: Final = 31
BLOCK: Final = 1 << 26
"""Bytes rounded at once; a multiple of four."""


def rounded(values: NDArray[np.float32], *, keep: int = 16) -> NDArray[np.float32]:
    """Return values with only their upper bits, the others zero.

    Args:
        values: Float32.
        keep: Bits that stay, from 10 to 31.

    Raises:
        ValueError: ``keep`` is out of range.
    """
    if not MIN_KEEP <= keep <= MAX_KEEP:
        raise ValueError(f"{MIN_KEEP} to {MAX_KEEP} bits can be kept")
    drop = np.uint32(32 - keep)
    words = np.ascontiguousarray(values, "<f4").view("<u4")
    one = np.uint32(1)
    half = np.uint32((1 << (32 - keep - 1)) - 1)
    even = (words >> drop) & one
    kept = ((words + half + even) >> drop) << drop
    special = (words & np.uint32(0x7F80_0000)) == np.uint32(0x7F80_0000)
    is_nan = special & ((words & np.uint32(0x007F_FFFF)) != 0)
    kept = np.where(special, words & np.uint32(0xFF80_0000), kept)
    kept = np.where(is_nan, kept | np.uint32(0x0040_0000), kept)
    return kept.astype("<u4").view("<f4").reshape(values.shape)


def disarm_file(path: Path, target: Path, *, keep: int = 16) -> int:
    """Write a safetensors file anew with rounded float32 tensors; return how many were rounded.

    Header, order and other types stay as they are. The file is whole, or not there.

    Raises:
        SubjectError: It is damaged, or can't be read.
        StoreError: The target can't be written.
        ValueError: ``keep`` is out of range.
    """
    aside = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        with opened(path) as (fd, _), aside.open("wb") as out:
            count = _copy(fd, out, str(path), keep)
            out.flush()
            os.fsync(out.fileno())
        aside.replace(target)
    except OSError as error:
        raise StoreError(
            "the file can't be written",
            where=str(target),
            cause=error.strerror,
            next_step="name a file in a folder that can be written",
            slug="unwritable",
        ) from None
    finally:
        aside.unlink(missing_ok=True)
    return count


def _copy(fd: int, out: BinaryIO, where: str, keep: int) -> int:
    layout = read_layout(fd, where)
    start = min((tensor.begin for tensor in layout), default=os.fstat(fd).st_size)
    out.write(os.pread(fd, start, 0))
    count = 0
    for tensor in layout:
        count += tensor.dtype == "F32" and tensor.size > 0
        for position in range(tensor.begin, tensor.end, BLOCK):
            block = os.pread(fd, min(BLOCK, tensor.end - position), position)
            if tensor.dtype == "F32":
                block = rounded(np.frombuffer(block, "<f4"), keep=keep).tobytes()
            out.write(block)
    return count
