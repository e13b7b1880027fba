"""Calibration by permutation: thresholds and p-values for the largest of many statistics.

>>> import numpy as np
>>> maxT(np.array([5.0, 0.5]), np.array([[1.0, 2.0], [2.0, 1.0], [0.1, 0.2]])).tolist()
[0.25, 0.75]
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def maxT(observed: Floats, permuted: Floats) -> Floats:  # noqa: N802 - the procedure's name
    """Return single-step adjusted p-values of ``observed`` statistics (larger is more extreme).

    Args:
        observed: One statistic a hypothesis.
        permuted: The same statistics under each permutation; one permutation a row.

    Source: P. H. Westfall, S. S. Young, "Resampling-based multiple testing" (1993). The observed
    data count as one permutation, so a p-value is never 0 and the level is exact where the null
    makes the permutations exchangeable.
    """
    return exceedance(observed, permuted.max(axis=1))


def exceedance(observed: Floats, maxima: Floats) -> Floats:
    """Return for each observed statistic its permutation p-value against the maxima."""
    ordered = np.sort(maxima)
    above = len(ordered) - np.searchsorted(ordered, observed, side="left")
    return np.asarray((1.0 + above) / (len(ordered) + 1.0), dtype=np.float64)


def threshold(maxima: Floats, level: float) -> float:
    """Return what a statistic must reach so that its p-value is at most ``level``.

    Infinite where there are too few permutations for the level: ``level < 1 / (B + 1)``.
    """
    allowed = int(np.floor(level * (len(maxima) + 1) + 1e-9)) - 1
    if allowed < 0:
        return float("inf")
    ordered = np.sort(maxima)[::-1]
    return float(np.nextafter(ordered[allowed], np.inf)) if allowed < len(ordered) else -np.inf
