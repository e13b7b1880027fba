"""Distances equal SciPy's, windows add, and the sequential test survives a restart."""

import json

import numpy as np
import pyarrow as pa
import pytest
from scipy.spatial.distance import chebyshev, jensenshannon
from scipy.stats import chi2_contingency, entropy, ks_2samp, wasserstein_distance

from tidegate.core.errors import CheckError, VerificationError
from tidegate.detect.drift import distances
from tidegate.detect.drift.edetector import EDetector, log_ratio
from tidegate.detect.drift.judge import judge, start
from tidegate.detect.drift.profile import Profile
from tidegate.detect.drift.windows import Window

P, Q = np.array([120, 340, 80, 460]), np.array([95, 260, 190, 455])


def table(seed: int, rows: int, shift: float = 0.0) -> pa.Table:
    random = np.random.default_rng(seed)
    city = random.choice(["ulm", "bonn", "jena"], rows, p=[0.5, 0.3, 0.2])
    return pa.table(
        {"x": random.normal(shift, 1, rows), "flag": random.random(rows) < 0.3, "city": city}
    )


def test_distances_equal_reference_implementations() -> None:
    p, q = P / P.sum(), Q / Q.sum()
    ps, qs = ((counts + 0.5) / (counts + 0.5).sum() for counts in (P, Q))
    assert distances.kl(P, Q) == pytest.approx(entropy(qs, ps))
    assert distances.psi(P, Q) == pytest.approx(entropy(qs, ps) + entropy(ps, qs))
    assert distances.js(P, Q) == pytest.approx(jensenshannon(p, q, base=2))
    assert distances.chebyshev(P, Q) == pytest.approx(chebyshev(p, q))
    assert distances.total_variation(P, Q) == pytest.approx(np.abs(p - q).sum() / 2)
    statistic, value = distances.chi_square(P, Q)
    expected = chi2_contingency(np.stack([P, Q]), correction=False)
    assert (statistic, value) == pytest.approx((expected.statistic, expected.pvalue))
    places = np.array([0.0, 1.0, 2.5, 7.0])
    earth = wasserstein_distance(places, places, P, Q)
    assert distances.wasserstein(P, Q, places) == pytest.approx(earth)


def test_sample_distances_equal_scipy() -> None:
    random = np.random.default_rng(0)
    a, b = random.normal(size=700), random.normal(0.2, 1.1, 500).round(1)
    expected = ks_2samp(a, b, method="asymp")
    found = distances.ks_samples(a, b)
    assert found[0] == pytest.approx(expected.statistic)
    assert found[1] == pytest.approx(expected.pvalue, rel=0.1)
    assert distances.wasserstein_samples(a, b) == pytest.approx(wasserstein_distance(a, b))


@pytest.mark.parametrize(
    "live", [np.zeros(4, int), np.array([0, 0, 0, 9])], ids=["empty", "one bin"]
)
def test_empty_bins_give_finite_distances(live: np.ndarray) -> None:
    for name in ("psi", "kl", "js", "ks", "total_variation", "chebyshev"):
        assert np.isfinite(getattr(distances, name)(P, live))
    assert np.isfinite(distances.chi_square(P, live)[0])


def test_psi_of_no_change_is_its_noise() -> None:
    random = np.random.default_rng(0)
    law = np.full(10, 0.1)
    seen = [
        distances.psi(random.multinomial(50_000, law), random.multinomial(1_000, law))
        for _ in range(400)
    ]
    assert float(np.mean(seen)) == pytest.approx(distances.psi_noise(10, 50_000, 1_000), rel=0.1)


def test_the_profile_is_frozen_under_one_digest() -> None:
    profile = Profile.of(table(0, 5_000))
    assert Profile.of(table(0, 5_000)).digest == profile.digest
    assert Profile.of(table(1, 5_000)).digest != profile.digest
    assert Profile.from_json(json.loads(json.dumps(profile.to_json()))) == profile
    assert all(sum(column.counts) == 5_000 for column in profile.columns)


def test_levels_known_rare_and_unseen_are_kept_apart() -> None:
    levels = [f"l{k:03}" for k in range(60) for _ in range(60 - k)]
    profile = Profile.of(pa.table({"c": levels}))
    window = Window.of(profile, pa.table({"c": ["l000", "l059", "never", None]}))
    column = profile.columns[0]
    hit = {column.label(k): n for k, n in enumerate(window.counts[0]) if n}
    assert hit == {"l000": 1, "(other)": 1, "(unseen)": 2}


def test_windows_add_to_the_window_of_all_rows() -> None:
    profile = Profile.of(table(0, 5_000))
    parts = [table(seed, 300) for seed in (1, 2, 3)]
    added = (
        Window.of(profile, parts[2]) + Window.of(profile, parts[0]) + Window.of(profile, parts[1])
    )
    assert added == Window.of(profile, pa.concat_tables(parts))
    assert Window.from_json(json.loads(json.dumps(added.to_json()))) == added
    with pytest.raises(ValueError, match="profiles"):
        _ = added + Window.of(Profile.of(table(9, 100)), parts[0])


def test_a_missing_column_is_a_gap() -> None:
    profile = Profile.of(table(0, 1_000))
    window = Window.of(profile, table(1, 100).drop_columns("city"))
    assert [gap.what for gap in window.coverage.skipped] == ["column city"]
    assert not window.coverage.complete
    assert not Window.of(profile, table(1, 0)).coverage.complete, "no rows are no pass"


@pytest.mark.parametrize(
    "value", [{}, {"schema": 2}, {"schema": 1, "rows": 1, "columns": [{}], "skipped": []}]
)
def test_a_damaged_profile_is_refused(value: dict[str, object]) -> None:
    with pytest.raises(VerificationError):
        Profile.from_json(value)


def test_a_steady_stream_never_rings_and_a_shift_soon_does() -> None:
    profile = Profile.of(table(0, 20_000))
    test = start(profile)
    calm = [judge(profile, Window.of(profile, table(seed, 500)), test) for seed in range(1, 41)]
    assert not any(report.alarm for report in calm)
    moved = [
        judge(profile, Window.of(profile, table(seed, 500, 0.6)), test) for seed in range(41, 46)
    ]
    assert moved[-1].alarm
    assert moved[-1].columns[0].column == "x"
    assert moved[-1].findings[0].rule == "TG-MON-01/drift"
    assert moved[-1].facts["psi_max"] == moved[-1].columns[0].psi


def test_the_state_survives_a_restart() -> None:
    profile = Profile.of(table(0, 5_000))
    steady, stopped = start(profile), start(profile)
    for seed in range(1, 8):
        window = [np.asarray(c) for c in Window.of(profile, table(seed, 400, 0.1)).counts]
        steady.update(window)
        stopped = EDetector.from_json(json.loads(json.dumps(stopped.to_json())))
        stopped.update(window)
    assert stopped.evidence == steady.evidence
    assert stopped.evidence.windows == 7


def test_a_damaged_state_is_refused() -> None:
    state = start(Profile.of(table(0, 500))).to_json()
    for broken in ({}, state | {"seen": state["seen"][:-1]}, state | {"evidence": ["nan"] * 3}):
        with pytest.raises(VerificationError):
            EDetector.from_json(broken)


def test_the_least_favourable_law_is_within_the_tolerance() -> None:
    """Huber's clipping: under every law within the tolerance the bet is at most fair."""
    random = np.random.default_rng(0)
    for _ in range(200):
        reference, estimate = random.dirichlet(np.full(8, 5.0)), random.dirichlet(np.full(8, 5.0))
        tolerance = float(random.uniform(0, 0.1))
        ratio = np.exp(log_ratio(estimate, reference, tolerance))
        # The worst law moves up to `tolerance` mass from the smallest ratios to the largest one.
        order, worst, left = np.argsort(ratio), reference.copy(), tolerance
        for place in order:
            moved = min(left, worst[place])
            worst[place] -= moved
            worst[order[-1]] += moved
            left -= moved
        assert float(worst @ ratio) <= 1 + 1e-9


def test_a_window_of_another_profile_is_refused() -> None:
    profile, other = Profile.of(table(0, 500)), Profile.of(table(1, 500))
    with pytest.raises(CheckError):
        judge(profile, Window.of(other, table(2, 50)), start(profile))
    with pytest.raises(CheckError):
        start(Profile.of(pa.table({})))
