"""Which groups of rows have labels that nothing in their reference leads one to expect.

For each group g the statistic compares the mean residual of the looked-at rows in g with that of
the reference's rows in g, in standard errors. The largest over all groups under random re-dealing
of the residuals gives the threshold, so that looking at thousands of groups costs no false alarms.

Two deals are used, both among rows of nearly equal expectation only, so that an honest shift of
the features does not count. *Within* a source: is this token or value special among its own rows?
*Across* sources: is the source as a whole special? Only the second can see a drop that is poisoned
evenly; only the first has power for a group that the reference hardly has.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from tidegate.detect.tabular.groups import Groups
from tidegate.detect.tabular.residuals import Residuals
from tidegate.stats.permutation import exceedance, threshold

_SHRINK = 20.0
_BATCH = 50
_BLOCK = 50
_BULK_GROUPS = 100
_MOST_INFLATION = 2.0
ACROSS = frozenset({"score", "feed", "novel"})
"""Kinds whose residuals are dealt across sources."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Scan:
    """The statistics of all groups and classes, with their calibration."""

    z: Floats
    """Groups by classes: excess in standard errors, signed."""
    excess: Floats
    """Groups by classes: excess mean residual."""
    rows: Floats
    """Groups: looked-at rows."""
    p: Floats
    """Groups by classes: permutation p-value over everything that was looked at."""
    limit: dict[str, float]
    """By kind: what |z| must reach at the asked level."""


def scan(
    groups: Groups,
    residuals: Residuals,
    sources: NDArray[np.bool_],
    *,
    permutations: int,
    level: float,
    seed: int,
) -> Scan:
    """Test every group in every class.

    Args:
        groups: Over the rows of reference and drop together.
        residuals: Of the same rows.
        sources: Which rows are the drop's: the deals *within* stay on either side.
        permutations: How many deals calibrate the threshold.
        level: Share of clean drops that may be flagged.
        seed: Of the deals.
    """
    random = np.random.default_rng(seed)
    kinds = tuple(dict.fromkeys(groups.kinds))
    place = np.asarray([kinds.index(kind) for kind in groups.kinds], dtype=np.int64)
    tests = [_Test(groups, residuals, sources, k) for k in range(len(residuals.classes))]
    z = np.stack([test.observed() for test in tests], axis=1)
    deals: list[Floats] = []
    bulk: list[Floats] = []
    for start in range(0, permutations, _BATCH):
        size = min(_BATCH, permutations - start)
        permuted = np.stack([test.permuted(random, size) for test in tests], axis=2)
        deals.append(_maxima(np.abs(permuted), place, len(kinds)))
        bulk.append(_bulk(permuted, place, len(kinds)))
    maxima = np.concatenate(deals)
    z /= np.sqrt(_inflation(_bulk(z[None], place, len(kinds))[0], np.concatenate(bulk)))[
        place, None
    ]
    # Kinds differ in how many groups they have. Put on one scale by the moments of observed and
    # permuted maxima together (so that the scale stays exchangeable), none drowns another.
    together = np.concatenate([_maxima(np.abs(z)[None], place, len(kinds)), maxima])
    centre, spread = together.mean(axis=0), together.std(axis=0) + 1e-9
    overall = ((maxima - centre) / spread).max(axis=1)
    standard = (np.abs(z) - centre[place, None]) / spread[place, None]
    bar = threshold(overall, level)
    return Scan(
        z=z,
        excess=np.stack([test.excess() for test in tests], axis=1),
        rows=tests[0].count,
        p=exceedance(standard.ravel(), overall).reshape(standard.shape),
        limit={kind: float(centre[i] + bar * spread[i]) for i, kind in enumerate(kinds)},
    )


class _Test:
    """The statistic of all groups for one class."""

    def __init__(
        self, groups: Groups, residuals: Residuals, sources: NDArray[np.bool_], k: int
    ) -> None:
        chance = residuals.chance[:, k]
        variance = (chance * (1 - chance)).astype(np.float32)
        self._residual = residuals.residual[:, k].astype(np.float32)
        self._inside, self._outside = groups.inside, groups.outside
        self._across = np.asarray([kind in ACROSS for kind in groups.kinds], dtype=np.bool_)
        self.count = np.diff(groups.inside.indptr).astype(np.float64)
        # A group that the reference hardly has is compared with "no excess", not with noise.
        self._weight = _total(groups.inside) / (_total(groups.outside) + _SHRINK)
        noise = groups.inside.power(2) @ variance
        noise += self._weight**2 * (groups.outside.power(2) @ variance)
        self._scale = 1 / np.sqrt(noise + 1e-3)
        # Ties are broken at random, lest rows of one expectation stay sorted by source.
        tie = np.random.default_rng(0).random(len(chance))
        self._by_chance = np.lexsort((tie, chance))
        self._by_source = np.lexsort((tie, chance, sources))

    def observed(self) -> Floats:
        """Return the statistic of each group."""
        return np.asarray(self._lead(self._residual[:, None], slice(None))[:, 0] * self._scale)

    def excess(self) -> Floats:
        """Return the excess mean residual of each group."""
        lead = self._lead(self._residual[:, None], slice(None))[:, 0]
        return np.asarray(lead / np.maximum(_total(self._inside), 1e-9))

    def permuted(self, random: np.random.Generator, deals: int) -> Floats:
        """Return the statistics (deals by groups) of so many random deals."""
        rows = len(self._residual)
        across = np.empty((rows, deals), dtype=np.float32)
        within = np.empty_like(across)
        block = np.arange(rows) // _BLOCK
        for deal in range(deals):
            mixed = np.lexsort((random.random(rows), block))
            across[self._by_chance, deal] = self._residual[self._by_chance][mixed]
            within[self._by_source, deal] = self._residual[self._by_source][mixed]
        out = np.empty((deals, len(self.count)))
        for chosen, dealt in ((self._across, across), (~self._across, within)):
            if chosen.any():
                out[:, chosen] = (self._lead(dealt, chosen) * self._scale[chosen, None]).T
        return out

    def _lead(self, dealt: NDArray[np.float32], chosen: NDArray[np.bool_] | slice) -> Floats:
        inside, outside = self._inside[chosen] @ dealt, self._outside[chosen] @ dealt
        return np.asarray(inside - self._weight[chosen, None] * outside, dtype=np.float64)


def _total(member: sparse.csr_array) -> Floats:
    return np.asarray(abs(member).sum(axis=1), dtype=np.float64).ravel()


def _inflation(observed: Floats, permuted: Floats) -> Floats:
    """Return by kind how much wider the bulk of the statistics is than the deals let expect.

    A model misses part of what honest words and values say of the label, so that many groups are a
    little off, which deals can't know. The bulk tells how much; a few poisoned groups don't move
    it. After B. Devlin, K. Roeder, "Genomic control for association studies", Biometrics 55 (1999).
    """
    ratio = observed / np.maximum(permuted.mean(axis=0), 1e-9)
    return np.asarray(np.clip(ratio, 1.0, _MOST_INFLATION))


def _bulk(z: Floats, place: NDArray[np.int64], kinds: int) -> Floats:
    """Return deals by kinds: the mean square of the 95 % of groups with the smallest |z|."""
    out = np.ones((len(z), kinds))
    for kind in range(kinds):
        squares = np.sort(z[:, place == kind, :].reshape(len(z), -1) ** 2, axis=1)
        if squares.shape[1] >= _BULK_GROUPS:
            out[:, kind] = squares[:, : squares.shape[1] * 19 // 20].mean(axis=1)
    return out


def _maxima(z: Floats, place: NDArray[np.int64], kinds: int) -> Floats:
    return np.stack([z[:, place == kind, :].max(axis=(1, 2)) for kind in range(kinds)], axis=1)
