"""Two tables as one: what they share is compared, what they do not is a gap, never a crash."""

import numpy as np
import pyarrow as pa
import pytest

from tidegate.detect.fairness import sources
from tidegate.detect.frame import Frame
from tidegate.detect.tabular import overlap, poison

ROWS = 120
NUMBERS = pa.array(range(ROWS))
LABEL = pa.array([0, 1] * (ROWS // 2))
OTHERS = {
    "another name": pa.table({"y": NUMBERS}),
    "words": pa.table({"x": [f"u{n}" for n in range(ROWS)]}),
    "records": pa.table({"x": [{"k": n} for n in range(ROWS)]}),
    "fractions": pa.table({"x": [n + 0.5 for n in range(ROWS)]}),
    "nothing": pa.table({"x": pa.nulls(ROWS)}),
}


def kinds(frame: Frame) -> dict[str, str]:
    return {column.name: column.kind for column in frame.columns}


def test_numbers_of_two_types_stay_numbers() -> None:
    frame = Frame.stacked(pa.table({"x": [1, 2]}), pa.table({"x": [2.5]}))
    assert frame.columns[0].numbers.tolist() == [1, 2, 2.5]
    assert (frame.rows, frame.skipped) == (3, ())


def test_columns_without_a_common_type_are_text_or_a_gap() -> None:
    upper, lower = pa.table({"x": [1, 2]}), pa.table({"x": ["a"]})
    assert kinds(Frame.stacked(upper, lower, as_text=True)) == {"x": "category"}
    (gap,) = Frame.stacked(upper, lower).skipped
    assert (gap.what, gap.why) == ("column x", "no common type of int64 and string")


def test_a_column_of_one_table_is_a_gap() -> None:
    frame = Frame.stacked(pa.table({"x": [1], "y": [1]}), pa.table({"x": [1], "z": [1]}))
    assert [gap.what for gap in frame.skipped] == ["column y", "column z"]
    assert kinds(Frame.stacked(pa.table({"x": [1]}), pa.table({"x": [1]}), without=["x"])) == {}


@pytest.mark.parametrize("other", OTHERS)
def test_two_sources_of_other_columns_are_compared_as_far_as_they_go(other: str) -> None:
    error = np.zeros(ROWS, dtype=np.bool_)
    report = sources.compare(pa.table({"x": NUMBERS}), error, OTHERS[other], error)
    assert report.coverage.planned > 0
    assert report.coverage.complete == (other in {"words", "fractions", "nothing"})


@pytest.mark.parametrize("other", OTHERS)
def test_sets_of_other_columns_share_nothing(other: str) -> None:
    report = overlap.compare(pa.table({"x": NUMBERS}), OTHERS[other])
    assert (report.exact.hits, report.near.hits) == (0, 0)
    assert report.coverage.complete == (other in {"words", "fractions", "nothing"})


@pytest.mark.parametrize("other", OTHERS)
def test_a_drop_of_other_columns_is_tested_as_far_as_it_goes(other: str) -> None:
    reference = pa.table({"x": NUMBERS, "label": LABEL})
    drop = OTHERS[other].append_column("label", LABEL.cast(pa.string()))
    report = poison.inspect(drop, label="label", reference=reference)
    assert report.coverage.complete == (other in {"fractions", "nothing"})
