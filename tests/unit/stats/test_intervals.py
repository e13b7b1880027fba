"""Intervals and corrections equal their reference implementations."""

import math

import numpy as np
import pytest
from scipy.stats import binom, binomtest

from tidegate.stats.evalues import BernoulliBet
from tidegate.stats.exact import binomial_tail, clopper_pearson
from tidegate.stats.intervals import newcombe, wilson
from tidegate.stats.multiple import benjamini_hochberg, holm

COUNTS = [(0, 1), (0, 256), (3, 10), (97, 100), (256, 256), (1, 100_000)]


@pytest.mark.parametrize(("hits", "n"), COUNTS)
def test_wilson_equals_scipy(hits: int, n: int) -> None:
    expected = binomtest(hits, n).proportion_ci(method="wilson")
    found = wilson(hits, n)
    assert found.low == pytest.approx(expected.low, abs=1e-12)
    assert found.high == pytest.approx(expected.high, abs=1e-12)


@pytest.mark.parametrize(("hits", "n"), COUNTS)
def test_clopper_pearson_equals_scipy(hits: int, n: int) -> None:
    expected = binomtest(hits, n).proportion_ci(method="exact")
    found = clopper_pearson(hits, n)
    assert found.low == pytest.approx(expected.low, abs=1e-9)
    assert found.high == pytest.approx(expected.high, abs=1e-9)


def test_no_hits_is_no_proof_of_zero() -> None:
    """0 of 256 leaves up to 1.5 %, unlike a bootstrap, which would say 0."""
    assert 0.014 < wilson(0, 256).high < 0.0151
    assert clopper_pearson(0, 299).high > 0.01


def test_nothing_counted_says_nothing() -> None:
    for found in (wilson(0, 0), clopper_pearson(0, 0)):
        assert math.isnan(found.value)
        assert (found.low, found.high) == (0.0, 1.0)
    assert newcombe(0, 0, 3, 4).low == -1.0


@pytest.mark.parametrize("function", [wilson, clopper_pearson])
def test_more_hits_than_trials_is_refused(function: object) -> None:
    with pytest.raises(ValueError, match="hits"):
        function(3, 2)  # type: ignore[operator]  # both are functions of two counts


def test_newcombe_equals_the_published_examples() -> None:
    """Newcombe 1998, table II, method 10: 56/70 against 48/80, and 9/10 against 3/10."""
    a, b = newcombe(56, 70, 48, 80), newcombe(9, 10, 3, 10)
    assert (round(a.low, 4), round(a.high, 4)) == (0.0524, 0.3339)
    assert (round(b.low, 4), round(b.high, 4)) == (0.1705, 0.8090)


def test_newcombe_covers() -> None:
    """At 95 %, the true difference lies inside in 95 % of samples, within simulation error."""
    random = np.random.default_rng(0)
    inside = 0
    for _ in range(1_000):
        found = newcombe(int(random.binomial(60, 0.3)), 60, int(random.binomial(90, 0.2)), 90)
        inside += found.low <= 0.1 <= found.high
    assert 0.93 <= inside / 1_000 <= 0.98


def test_binomial_tail_equals_scipy() -> None:
    for hits, n, chance in ((0, 5, 0.1), (3, 5, 0.1), (5, 5, 0.01), (40, 200, 0.1)):
        assert binomial_tail(hits, n, chance) == pytest.approx(binom.sf(hits - 1, n, chance))


def test_corrections_keep_order_and_bounds() -> None:
    p = [0.001, 0.04, 0.03, 0.5, 0.012]
    for adjusted in (holm(p), benjamini_hochberg(p)):
        assert all(a >= b for a, b in zip(adjusted, p, strict=True))
        in_order = [adjusted[k] for k in sorted(range(5), key=p.__getitem__)]
        assert in_order == sorted(adjusted)
        assert max(adjusted) <= 1.0
    assert holm(p)[0] == pytest.approx(0.005)
    assert benjamini_hochberg(p) == pytest.approx([0.005, 0.05, 0.05, 0.5, 0.03])
    assert holm([]) == benjamini_hochberg([]) == []


def test_e_value_is_a_fair_bet_under_the_claim() -> None:
    """Wealth over 20 comes up in fewer than 5 % of streams that keep to the limit."""
    random = np.random.default_rng(1)
    rang = 0
    for _ in range(300):
        bet = BernoulliBet(limit=0.05)
        rang += any(bet.update(bool(hit)) >= 20 for hit in random.random(200) < 0.05)
    assert rang / 300 <= 0.05


def test_e_value_grows_when_the_claim_is_wrong() -> None:
    random = np.random.default_rng(1)
    bet = BernoulliBet(limit=0.01)
    for hit in random.random(300) < 0.1:
        bet.update(bool(hit))
    assert bet.wealth > 1_000
