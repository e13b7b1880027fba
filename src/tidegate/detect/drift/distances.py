"""Distances between a reference and a live window, over the bins that both share.

All take counts or shares; a bin that is empty on one side gets half a row before a logarithm is
taken, so that no distance is infinite. Of raw samples, KS and Wasserstein equal SciPy's.

>>> import numpy as np
>>> round(psi(np.array([50, 50]), np.array([60, 40])), 4)
0.0397
"""

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtrc, kolmogorov

Counts = NDArray[np.int64] | NDArray[np.float64]
Floats = NDArray[np.float64]


def smoothed(counts: Counts) -> Floats:
    """Return shares with half a row added to each bin."""
    raised = np.asarray(counts, dtype=np.float64) + 0.5
    return np.asarray(raised / raised.sum())


def shares(counts: Counts) -> Floats:
    """Return plain shares; all 0 for an empty window."""
    total = counts.sum()
    return np.asarray(counts / total if total else np.zeros(len(counts)), dtype=np.float64)


def psi(reference: Counts, live: Counts) -> float:
    """Return the population stability index: the sum of both KL divergences, in nats."""
    p, q = smoothed(reference), smoothed(live)
    return float(((q - p) * np.log(q / p)).sum())


def psi_noise(bins: int, reference_rows: int, live_rows: int) -> float:
    """Return what PSI is expected to be where nothing changed: (B - 1)(1/n + 1/m).

    Source: B. Yurdakul, "Statistical properties of population stability index" (2018).
    """
    return (bins - 1) * (1 / max(reference_rows, 1) + 1 / max(live_rows, 1))


def kl(reference: Counts, live: Counts) -> float:
    """Return the Kullback-Leibler divergence of the live from the reference law, in nats."""
    p, q = smoothed(reference), smoothed(live)
    return float((q * np.log(q / p)).sum())


def js(reference: Counts, live: Counts) -> float:
    """Return the Jensen-Shannon distance (base 2): 0 for equal, 1 for disjoint laws."""
    p, q = shares(reference), shares(live)
    middle = (p + q) / 2
    divergence = (_entropy(middle) - (_entropy(p) + _entropy(q)) / 2) / math.log(2)
    return math.sqrt(max(divergence, 0.0))


def total_variation(reference: Counts, live: Counts) -> float:
    """Return half the sum of absolute differences of shares."""
    return float(np.abs(shares(reference) - shares(live)).sum() / 2)


def chebyshev(reference: Counts, live: Counts) -> float:
    """Return the largest difference of shares: L-infinity."""
    return float(np.abs(shares(reference) - shares(live)).max(initial=0.0))


def ks(reference: Counts, live: Counts) -> float:
    """Return the largest difference of the distribution functions at the bin edges."""
    return float(np.abs(np.cumsum(shares(reference)) - np.cumsum(shares(live))).max(initial=0.0))


def ks_samples(reference: Floats, live: Floats) -> tuple[float, float]:
    """Return the two-sample Kolmogorov-Smirnov statistic of raw values, and its asymptotic p."""
    a, b = np.sort(reference), np.sort(live)
    both = np.concatenate([a, b])
    gap = np.searchsorted(a, both, side="right") / len(a)
    gap -= np.searchsorted(b, both, side="right") / len(b)
    statistic = float(np.abs(gap).max())
    scale = math.sqrt(len(a) * len(b) / (len(a) + len(b)))
    return statistic, float(kolmogorov(scale * statistic))


def chi_square(reference: Counts, live: Counts) -> tuple[float, float]:
    """Return the homogeneity statistic of the two rows of counts, and its p-value.

    Bins that are empty on both sides don't count.
    """
    table = np.stack([reference, live]).astype(np.float64)
    table = table[:, table.sum(axis=0) > 0]
    if table.shape[1] < 2 or not table.sum(axis=1).all():  # noqa: PLR2004 - nothing to compare
        return 0.0, 1.0
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / table.sum()
    statistic = float(((table - expected) ** 2 / expected).sum())
    return statistic, float(chdtrc(table.shape[1] - 1, statistic))


def wasserstein(reference: Counts, live: Counts, places: Floats) -> float:
    """Return the earth mover's distance of binned laws, with each bin at one place."""
    order = np.argsort(places)
    gap = np.cumsum(shares(reference)[order] - shares(live)[order])[:-1]
    return float((np.abs(gap) * np.diff(places[order])).sum())


def wasserstein_samples(reference: Floats, live: Floats) -> float:
    """Return the earth mover's distance of raw values."""
    both = np.sort(np.concatenate([reference, live]))
    a = np.searchsorted(np.sort(reference), both[:-1], side="right") / len(reference)
    b = np.searchsorted(np.sort(live), both[:-1], side="right") / len(live)
    return float((np.abs(a - b) * np.diff(both)).sum())


def _entropy(p: Floats) -> float:
    positive = p[p > 0]
    return float(-(positive * np.log(positive)).sum())
