"""Properties of profiles, windows, distances and overlap."""

from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from tidegate.core.errors import VerificationError
from tidegate.detect.drift import distances
from tidegate.detect.drift.edetector import EDetector, log_ratio
from tidegate.detect.drift.profile import Profile
from tidegate.detect.drift.windows import Window
from tidegate.detect.tabular.overlap import compare

NUMBERS = st.lists(st.one_of(st.none(), st.floats(allow_infinity=False)), min_size=1, max_size=60)
LEVELS = st.lists(st.one_of(st.none(), st.text(max_size=6)), min_size=1, max_size=60)
COUNTS = st.lists(st.integers(0, 10_000), min_size=5, max_size=5).map(np.asarray)
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=5)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=8), inner)
    ),
    max_leaves=12,
)


@given(NUMBERS, LEVELS, st.integers(1, 59))
@settings(max_examples=60, deadline=None)
def test_windows_of_the_parts_add_to_the_whole(
    numbers: list[float | None], levels: list[str | None], cut: int
) -> None:
    rows = min(len(numbers), len(levels))
    table = pa.table(
        {"x": pa.array(numbers[:rows], pa.float64()), "c": pa.array(levels[:rows], pa.string())}
    )
    profile = Profile.of(table)
    whole = Window.of(profile, table)
    parts = Window.of(profile, table.slice(cut)) + Window.of(profile, table.slice(0, cut))
    if profile.columns:
        assert parts == whole
    assert all(sum(counts) == rows for counts in whole.counts)
    assert [column.counts for column in profile.columns] == list(whole.counts)
    assert Profile.from_json(profile.to_json()).digest == profile.digest


@given(COUNTS, COUNTS)
def test_distances_are_nonnegative_and_zero_for_equals(a: np.ndarray, b: np.ndarray) -> None:
    for function in (
        distances.psi,
        distances.kl,
        distances.js,
        distances.ks,
        distances.total_variation,
        distances.chebyshev,
    ):
        assert np.isfinite(function(a, b))
        assert function(a, b) >= -1e-12
        assert abs(function(a, a)) < 1e-7
    assert distances.ks(a, b) <= 1 + 1e-9
    assert distances.chebyshev(a, b) <= 2 * distances.total_variation(a, b) + 1e-9


@given(COUNTS, COUNTS, st.floats(0, 0.3))
def test_bets_on_the_reference_itself_are_at_most_fair(
    a: np.ndarray, b: np.ndarray, tolerance: float
) -> None:
    p, q = distances.smoothed(a), distances.smoothed(b)
    assert float(p @ np.exp(log_ratio(q, p, tolerance))) <= 1 + 1e-9


@given(JSON)
def test_arbitrary_json_is_refused_with_a_typed_error(value: Any) -> None:
    for read in (Profile.from_json, Window.from_json, EDetector.from_json):
        try:
            read(value)
        except VerificationError:
            continue
        raise AssertionError("accepted")


@given(LEVELS, LEVELS)
@settings(max_examples=60, deadline=None)
def test_exact_overlap_is_set_membership(left: list[str | None], right: list[str | None]) -> None:
    report = compare(
        pa.table({"c": pa.array(left, pa.string())}), pa.table({"c": pa.array(right, pa.string())})
    )
    known = {text or "" for text in left}
    assert report.exact.hits == sum((text or "") in known for text in right)
