"""Permutation thresholds hold their level, and sketches estimate what they say."""

import numpy as np
import pytest

from tidegate.stats.minhash import MinHash, jaccard
from tidegate.stats.permutation import exceedance, maxT, threshold


def test_the_largest_of_many_is_flagged_at_the_stated_rate() -> None:
    random = np.random.default_rng(0)
    flagged = 0
    for _ in range(400):
        flagged += bool((maxT(random.normal(size=50), random.normal(size=(99, 50))) <= 0.05).any())
    assert 0.02 <= flagged / 400 <= 0.085


def test_threshold_and_p_value_agree() -> None:
    maxima = np.random.default_rng(0).normal(size=199)
    bar = threshold(maxima, 0.05)
    assert exceedance(np.array([bar]), maxima)[0] <= 0.05
    assert exceedance(np.array([bar - 0.2]), maxima)[0] > 0.05


def test_a_level_finer_than_the_permutations_can_never_be_reached() -> None:
    assert threshold(np.arange(9.0), 0.05) == np.inf


@pytest.mark.parametrize("shared", [10, 50, 90])
def test_sketches_estimate_similarity(shared: int) -> None:
    a = {f"w{k}" for k in range(100)}
    b = {f"w{k}" for k in range(100 - shared, 200 - shared)}
    left, right = MinHash(size=256, bands=32).sketch([a, b])
    assert float((left == right).mean()) == pytest.approx(jaccard(a, b), abs=0.12)


def test_sketches_are_the_same_for_ever() -> None:
    """Sketches that were stored yesterday are compared with today's."""
    sketch = MinHash(size=4, bands=2).sketch([{"a", "b"}])[0].tolist()
    assert sketch == [2661076519, 989589686, 376819321, 191769758]


def test_empty_sets_meet_nothing_and_copies_cost_little() -> None:
    hasher = MinHash()
    left = hasher.sketch([set(), *({"same", "text"} for _ in range(500))])
    right = hasher.sketch([set(), {"same", "text"}])
    pairs = list(hasher.similar(left, right))
    assert {b for _, b in pairs} == {1}
    assert len(pairs) == 64
