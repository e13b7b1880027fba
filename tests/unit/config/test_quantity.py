"""Durations and sizes are read with their unit and written back the same."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.config.quantity import duration, duration_text, size, size_text

UNITS = {"us": 1, "ms": 10**3, "s": 10**6, "m": 60 * 10**6, "h": 3_600 * 10**6, "d": 86_400 * 10**6}


@given(st.integers(0, 10**5), st.sampled_from(sorted(UNITS)))
def test_durations_are_exact_and_round_trip(count: int, unit: str) -> None:
    value = duration(f"{count}{unit}")
    assert value == count * UNITS[unit]
    assert duration(duration_text(value)) == value


@given(st.integers(0, 2**40))
def test_sizes_round_trip(count: int) -> None:
    assert size(size_text(count)) == count


@given(st.text(max_size=20))
def test_other_text_is_refused_with_a_value_error(text: str) -> None:
    for read in (duration, size):
        with suppress(ValueError):  # any other exception fails
            assert read(text) >= 0


@pytest.mark.parametrize("text", ["", "15", "s", "-1s", "1.5s", "1 s ", "1S", "1e3s", "٣s", "1\ns"])
def test_near_misses_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        duration(text)
