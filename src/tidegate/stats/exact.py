"""Exact binomial bounds and tests.

>>> round(clopper_pearson(0, 299).high, 4)
0.0123
>>> round(binomial_tail(4, 4, 0.1), 6)
0.0001
"""

import math

from scipy.special import betainc, betaincinv

from tidegate.stats.intervals import CONFIDENCE, Interval


def clopper_pearson(hits: int, n: int, confidence: float = CONFIDENCE) -> Interval:
    """Return the exact interval of a binomial rate: never narrower than stated.

    Source: C. J. Clopper, E. S. Pearson, "The use of confidence or fiducial limits illustrated in
    the case of the binomial", Biometrika 26 (1934).

    Raises:
        ValueError: ``hits`` is not within 0 … ``n``.
    """
    if not 0 <= hits <= n:
        raise ValueError(f"{hits} hits in {n} trials")
    if n == 0:
        return Interval(math.nan, 0.0, 1.0)
    tail = (1 - confidence) / 2
    low = 0.0 if hits == 0 else float(betaincinv(hits, n - hits + 1, tail))
    high = 1.0 if hits == n else float(betaincinv(hits + 1, n - hits, 1 - tail))
    return Interval(hits / n, low, high)


def binomial_tail(hits: int, n: int, chance: float) -> float:
    """Return P(at least ``hits`` of ``n``) when each succeeds with probability ``chance``."""
    return 1.0 if hits <= 0 else float(betainc(hits, n - hits + 1, chance))
