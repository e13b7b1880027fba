"""Closed-form confidence intervals for rates and for differences of rates.

>>> wilson(0, 256).high < 0.015
True
>>> str(wilson(97, 100))
'0.970 [0.915, 0.990]'
"""

import math
from dataclasses import dataclass
from statistics import NormalDist

CONFIDENCE = 0.95
"""Two-sided confidence of every interval that states no other."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A point estimate with its two-sided bounds."""

    value: float
    """The estimate; NaN where there was nothing to count."""
    low: float
    """Lower bound."""
    high: float
    """Upper bound."""

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"

    def to_json(self) -> dict[str, str]:
        """Return decimal strings, as canonical JSON wants them."""
        return {
            "value": f"{self.value:.6f}",
            "low": f"{self.low:.6f}",
            "high": f"{self.high:.6f}",
        }


def quantile(confidence: float) -> float:
    """Return the standard normal quantile of a two-sided confidence."""
    return NormalDist().inv_cdf((1 + confidence) / 2)


def wilson(hits: int, n: int, confidence: float = CONFIDENCE) -> Interval:
    """Return the score interval of a binomial rate.

    Unlike a bootstrap it is not degenerate at 0 or ``n`` hits. With ``n = 0`` nothing is known:
    the interval is [0, 1] around NaN.

    Source: E. B. Wilson, "Probable inference, the law of succession, and statistical inference",
    JASA 22 (1927).

    Raises:
        ValueError: ``hits`` is not within 0 … ``n``.
    """
    if not 0 <= hits <= n:
        raise ValueError(f"{hits} hits in {n} trials")
    if n == 0:
        return Interval(math.nan, 0.0, 1.0)
    z = quantile(confidence)
    rate = hits / n
    scale = 1 + z * z / n
    centre = (rate + z * z / (2 * n)) / scale
    half = z * math.sqrt(rate * (1 - rate) / n + z * z / (4 * n * n)) / scale
    # At 0 and n hits the bound is exactly 0 or 1; rounding must not leave it beside the estimate.
    low = 0.0 if hits == 0 else max(0.0, centre - half)
    high = 1.0 if hits == n else min(1.0, centre + half)
    return Interval(rate, low, high)


def newcombe(
    hits_a: int, n_a: int, hits_b: int, n_b: int, confidence: float = CONFIDENCE
) -> Interval:
    """Return the hybrid score interval of ``rate a - rate b`` for independent samples.

    With an empty sample the interval is [-1, 1] around NaN.

    Source: R. G. Newcombe, "Interval estimation for the difference between independent
    proportions: comparison of eleven methods", Statistics in Medicine 17 (1998), method 10.
    """
    if n_a == 0 or n_b == 0:
        return Interval(math.nan, -1.0, 1.0)
    a, b = wilson(hits_a, n_a, confidence), wilson(hits_b, n_b, confidence)
    difference = a.value - b.value
    below = math.hypot(a.value - a.low, b.high - b.value)
    above = math.hypot(a.high - a.value, b.value - b.low)
    return Interval(difference, difference - below, difference + above)
