"""The rates of a confusion matrix, each with its Wilson interval.

>>> import numpy as np
>>> truth, chosen = np.array([True, True, False, False]), np.array([True, False, False, False])
>>> print(metrics(count(truth, chosen)).tpr)
0.500 [0.095, 0.905]
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tidegate.stats.intervals import CONFIDENCE, Interval, wilson


@dataclass(frozen=True, slots=True)
class Counts:
    """The confusion matrix of a set of rows; counts of windows and shards add."""

    tp: int
    fp: int
    fn: int
    tn: int

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(
            self.tp + other.tp, self.fp + other.fp, self.fn + other.fn, self.tn + other.tn
        )

    @property
    def n(self) -> int:
        """All rows."""
        return self.tp + self.fp + self.fn + self.tn

    @property
    def accuracy(self) -> tuple[int, int]:
        """Right answers, of all rows."""
        return self.tp + self.tn, self.n

    @property
    def tpr(self) -> tuple[int, int]:
        """Selected, of those who are positive: recall, opportunity."""
        return self.tp, self.tp + self.fn

    @property
    def fpr(self) -> tuple[int, int]:
        """Selected, of those who are negative."""
        return self.fp, self.fp + self.tn

    @property
    def precision(self) -> tuple[int, int]:
        """Positive, of those who are selected."""
        return self.tp, self.tp + self.fp

    @property
    def selection(self) -> tuple[int, int]:
        """Selected, of all rows."""
        return self.tp + self.fp, self.n


@dataclass(frozen=True, slots=True)
class Metrics:
    """Rates of one group with Wilson intervals; NaN with [0, 1] where nothing can be said."""

    counts: Counts
    """What they are computed from."""
    accuracy: Interval
    tpr: Interval
    fpr: Interval
    precision: Interval
    selection: Interval
    too_small: bool
    """Whether the group has too few rows to be judged."""

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall; 0 where there are no positives at all."""
        twice = 2 * self.counts.tp
        total = twice + self.counts.fp + self.counts.fn
        return twice / total if total else 0.0


def count(actual: NDArray[np.bool_], chosen: NDArray[np.bool_]) -> Counts:
    """Count the confusion matrix of two boolean arrays."""
    return Counts(
        int((actual & chosen).sum()),
        int((~actual & chosen).sum()),
        int((actual & ~chosen).sum()),
        int((~actual & ~chosen).sum()),
    )


def metrics(counts: Counts, smallest: int = 30, confidence: float = CONFIDENCE) -> Metrics:
    """Return the rates of a confusion matrix."""
    return Metrics(
        counts,
        accuracy=wilson(*counts.accuracy, confidence),
        tpr=wilson(*counts.tpr, confidence),
        fpr=wilson(*counts.fpr, confidence),
        precision=wilson(*counts.precision, confidence),
        selection=wilson(*counts.selection, confidence),
        too_small=counts.n < smallest,
    )
