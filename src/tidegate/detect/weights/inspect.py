"""Look at a model's weights: indicators, each with the rate that it was measured at.

None of them is a verdict. A trained model can stand out, and a careful attacker stays unseen: what
proves a model is where it comes from. They tell where to look.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tidegate.core.artifact.hashing import opened
from tidegate.core.artifact.walk import walk
from tidegate.core.canonical import Json
from tidegate.detect.weights import paths, planes
from tidegate.detect.weights.deltas import RowDelta, row_delta
from tidegate.detect.weights.rates import RATES
from tidegate.tensors.layout import Tensor, is_safetensors, read_layout

MAX_TENSOR: Final = 4 << 30
"""Bytes of the largest tensor that is looked at."""
MAX_CHAIN: Final = 1 << 26
"""Values of a matrix from which on it is no part of a linear path: its product would take long."""
MANTISSA_Z: Final = 4.0
"""Standard errors from log2(4/3), beyond a deviation of 0.03, from which a tensor stands out."""
MANTISSA_GAP: Final = 0.03
ENTROPY: Final = 7.9
"""Bits below which the lowest byte stands out."""
PATH_SCORE: Final = 4.0
"""Robust z-score from which a class stands out."""


@dataclass(frozen=True, slots=True)
class Indicator:
    """Something that stands out."""

    kind: str
    """A key of ``RATES``."""
    tensor: str
    message: str
    value: float

    def to_json(self) -> dict[str, Json]:
        """Return it with the rate that it was measured at."""
        return {
            "kind": self.kind,
            "tensor": self.tensor,
            "message": self.message,
            "value": f"{self.value:.4g}",
            "measured": RATES[self.kind],
        }


@dataclass(frozen=True, slots=True)
class WeightReport:
    """What was looked at, and what stands out."""

    indicators: tuple[Indicator, ...]
    tensors: int
    examined: int
    """Float32 tensors that are large enough for the statistics."""
    skipped: int
    """Of other types, too small, or too large."""


def inspect_model(path: Path, base: Path | None = None) -> WeightReport:
    """Look at a safetensors file, or at every such file of a folder.

    Args:
        path: The model.
        base: What it was made from, where that is known: compared row by row.

    Raises:
        SubjectError: A file is damaged, or can't be read.
    """
    found: list[Indicator] = []
    matrices: list[tuple[str, NDArray[np.floating[Any]]]] = []
    known = dict(_tensors(base)) if base is not None else {}
    total = examined = 0
    for name, array in _tensors(path):
        total += 1
        if array is None:
            continue
        examined += array.size >= planes.MIN_VALUES
        found += _planes(name, array)
        before = known.get(name)
        if before is not None and before.shape == array.shape:
            found += _changed(name, row_delta(before, array))
        if array.ndim == 2 and array.size <= MAX_CHAIN:  # noqa: PLR2004 - a matrix
            matrices.append((name, array))
    found += _paths(matrices)
    return WeightReport(tuple(found), total, examined, total - examined)


def _planes(name: str, array: NDArray[np.float32]) -> Iterator[Indicator]:
    words = np.ascontiguousarray(array).reshape(-1).view(np.uint32)
    if words.size < planes.MIN_VALUES:
        return
    share = planes.top_mantissa_share(words)
    gap = share - planes.BENFORD_SHARE
    error = (planes.BENFORD_SHARE * (1 - planes.BENFORD_SHARE) / words.size) ** 0.5
    # Scales and biases lie around one value; their mantissas follow no law.
    if array.ndim > 1 and abs(gap) > MANTISSA_GAP + MANTISSA_Z * error:
        told = f"the top mantissa bit is set in {share:.3f} of the values, trained ones have 0.415"
        yield Indicator("mantissa", name, told, share)
    entropy = planes.low_byte_entropy(words)
    if entropy < ENTROPY:
        told = f"the lowest byte has {entropy:.2f} bits of entropy, trained ones have 8"
        yield Indicator("low-byte", name, told, entropy)
    for what in planes.programs(words):
        yield Indicator("program", name, what, 1.0)


def _paths(matrices: list[tuple[str, NDArray[np.floating[Any]]]]) -> Iterator[Indicator]:
    known = dict(matrices)
    for chain in paths.chains(matrices):
        if known[chain[-1]].shape[0] < paths.MIN_CLASSES:
            continue
        found = paths.linear_path([known[name] for name in chain])
        if found.score > PATH_SCORE:
            inputs = ", ".join(map(str, found.inputs[:3]))
            told = f"class {found.target} is reached far more strongly by inputs {inputs}"
            yield Indicator("linear-path", chain[-1], told, found.score)


def _changed(name: str, delta: RowDelta) -> Iterator[Indicator]:
    if delta.sparse:
        rows = ", ".join(map(str, delta.strongest))
        told = f"{delta.changed} of {delta.rows} rows differ from the base: {rows}"
        yield Indicator("sparse-change", name, told, delta.changed / delta.rows)


def _tensors(path: Path) -> Iterator[tuple[str, NDArray[np.float32] | None]]:
    """Yield float32 tensors; ``None`` for one of another type or beyond the bound."""
    if not path.is_dir():
        with opened(path) as (fd, _):
            yield from _of_file(fd, str(path))
        return
    for item in walk(path):
        if is_safetensors(Path(item.path)):
            fd = item.open()
            try:
                yield from _of_file(fd, item.path)
            finally:
                os.close(fd)


def _of_file(fd: int, where: str) -> Iterator[tuple[str, NDArray[np.float32] | None]]:
    for tensor in read_layout(fd, where):
        yield tensor.name, _array(fd, tensor)


def _array(fd: int, tensor: Tensor) -> NDArray[np.float32] | None:
    if tensor.dtype != "F32" or tensor.size > MAX_TENSOR:
        return None
    data = bytearray(tensor.size)
    view, position = memoryview(data), 0
    while position < tensor.size:
        got = os.preadv(fd, [view[position : position + (1 << 26)]], tensor.begin + position)
        if not got:
            return None
        position += got
    return np.frombuffer(data, "<f4").reshape(tensor.shape)
