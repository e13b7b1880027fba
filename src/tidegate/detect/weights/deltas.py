"""What a model changed of its base, row by row: a change of few rows is a mark of editing.

Training moves every row of a matrix a little. Model editing, a planted token or a class that was
patched moves few rows much.

>>> import numpy as np
>>> base = np.ones((50, 8), np.float32)
>>> ours = base.copy(); ours[7] += 3
>>> delta = row_delta(base, ours)
>>> delta.rows, delta.changed, delta.strongest
(50, 1, (7,))
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.generic]
SPARSE: Final = 0.05
"""Share of rows up to which a change counts as sparse."""


@dataclass(frozen=True, slots=True)
class RowDelta:
    """How two tensors of one shape differ."""

    rows: int
    changed: int
    """Rows with any difference."""
    strongest: tuple[int, ...]
    """The rows that changed most, strongest first, five at most."""
    concentration: float
    """Share of the squared change that lies in the five strongest rows."""

    @property
    def sparse(self) -> bool:
        """Whether few rows changed, of a tensor that has many."""
        return 0 < self.changed <= max(1, SPARSE * self.rows) and self.rows >= 1 / SPARSE


def row_delta(base: Array, ours: Array) -> RowDelta:
    """Compare two tensors of one shape by their first axis.

    Raises:
        ValueError: The shapes differ, or there is no first axis.
    """
    if base.shape != ours.shape or base.ndim == 0:
        raise ValueError("tensors of one shape are compared")
    change = (ours.astype(np.float64) - base.astype(np.float64)).reshape(len(ours), -1)
    norms: NDArray[np.floating[Any]] = np.square(change).sum(axis=1)
    order = np.argsort(norms)[::-1][:5]
    total = float(norms.sum())
    strong = tuple(int(at) for at in order if norms[at] > 0)
    share = float(norms[list(strong)].sum() / total) if total > 0 else 0.0
    return RowDelta(len(ours), int((norms > 0).sum()), strong, share)
