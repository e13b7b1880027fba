"""E-values for Bernoulli rates: evidence that may be looked at after every observation.

>>> process = BernoulliBet(limit=0.01)
>>> [round(process.update(hit), 1) for hit in (False, True, True)]
[0.7, 12.6, 461.8]
"""

import math
from dataclasses import dataclass, field

_GRID = (0.02, 0.05, 0.1, 0.2, 0.4, 0.8)


@dataclass(slots=True)
class BernoulliBet:
    """Bets against "the hit rate is at most ``limit``", observation by observation.

    The wealth is a nonnegative supermartingale while the claim holds, so it reaches ``1 / alpha``
    at any time with probability at most ``alpha`` (Ville's inequality). It averages likelihood
    ratios of a fixed grid of alternative rates against the limit.

    Source: A. Ramdas, P. Grünwald, V. Vovk, G. Shafer, "Game-theoretic statistics and safe
    anytime-valid inference", Statistical Science 38 (2023).
    """

    limit: float
    """The rate that the claim allows, between 0 and 1."""
    hits: int = 0
    """Hits so far."""
    trials: int = 0
    """Observations so far; with ``hits`` the whole state."""
    _rates: tuple[float, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if not 0 < self.limit < 1:
            raise ValueError("the limit must lie between 0 and 1")
        self._rates = tuple(self.limit + (1 - self.limit) * step for step in _GRID)

    def update(self, hit: bool) -> float:  # noqa: FBT001 - the observation itself
        """Take one observation and return the wealth after it."""
        self.hits += hit
        self.trials += 1
        return self.wealth

    @property
    def wealth(self) -> float:
        """The e-value so far: 1 says nothing, 100 refutes the claim at the 1 % level."""
        misses = self.trials - self.hits
        logs = [
            self.hits * math.log(rate / self.limit)
            + misses * math.log((1 - rate) / (1 - self.limit))
            for rate in self._rates
        ]
        top = max(logs)
        return math.exp(min(top, 700.0)) * sum(math.exp(x - top) for x in logs) / len(logs)
