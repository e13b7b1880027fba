"""Coverages add up, in any grouping, and nothing is neutral."""

from hypothesis import given
from hypothesis import strategies as st

from tidegate.core.finding import Coverage, Skipped

_GAPS = st.lists(st.builds(Skipped, st.sampled_from("ab"), st.just("why")), max_size=2).map(tuple)
_COUNTS = st.integers(0, 2)
COVERAGES = st.builds(
    Coverage, _COUNTS, _COUNTS, _GAPS, _GAPS, st.sampled_from(["item", "file", "row"])
)


@given(COVERAGES)
def test_an_empty_coverage_is_neutral(part: Coverage) -> None:
    assert Coverage() + part == part == part + Coverage()


@given(COVERAGES, COVERAGES, COVERAGES)
def test_grouping_does_not_matter(one: Coverage, two: Coverage, three: Coverage) -> None:
    """A sum over shards is the same however they were merged."""
    assert (one + two) + three == one + (two + three)


@given(COVERAGES, COVERAGES)
def test_a_gap_stays_a_gap(one: Coverage, two: Coverage) -> None:
    both = one + two
    assert both.planned == one.planned + two.planned
    assert both.examined == one.examined + two.examined
    assert both.skipped == one.skipped + two.skipped
    assert both.failed == one.failed + two.failed
    if one.skipped or two.failed:
        assert not both.complete


def test_a_sum_keeps_the_unit_that_its_parts_share() -> None:
    files, rows = Coverage(1, 1, unit="file"), Coverage(1, 1, unit="row")
    assert sum([files, files], Coverage()).unit == "file"
    assert (files + rows).unit == "item"
    assert (Coverage() + Coverage(unit="file")).unit == "file"
