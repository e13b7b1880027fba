"""Overlap between sets is found, exact and near, and counted right."""

import numpy as np
import pyarrow as pa
import pytest

from tidegate.detect.tabular.overlap import compare


def table(seed: int, rows: int = 400) -> pa.Table:
    random = np.random.default_rng(seed)
    return pa.table(
        {
            "x": random.normal(size=rows),
            "y": random.normal(100, 20, rows),
            "c": [f"city {k}" for k in random.integers(0, 30, rows)],
        }
    )


def test_disjoint_sets_share_nothing() -> None:
    report = compare(table(0), table(1))
    assert report.exact.hits == report.near.hits == 0
    assert report.findings == ()
    assert report.coverage.complete


def test_leaked_rows_are_counted_and_named() -> None:
    train = table(0)
    validation = pa.concat_tables([table(1, 90), train.slice(50, 10)])
    report = compare(train, validation)
    assert report.exact.hits == 10
    assert report.exact.pairs[0] == (50, 90)
    assert report.exact.rate.low > 0.05
    assert [finding.rule for finding in report.findings] == ["TG-PRE-05/exact-overlap"]


def test_rows_that_differ_by_rounding_and_case_are_near() -> None:
    train = table(0)
    part = train.slice(0, 20)
    jittered = pa.table(
        {
            "x": part["x"].to_numpy() + 1e-5,
            "y": part["y"].to_numpy() - 1e-4,
            "c": [f" {text.upper()} " for text in part["c"].to_pylist()],
        }
    )
    report = compare(train, pa.concat_tables([table(1, 80), jittered]))
    assert report.exact.hits == 0
    assert report.near.hits >= 18
    assert "TG-PRE-05/near-overlap" in {finding.rule for finding in report.findings}


def test_reworded_texts_are_near() -> None:
    random = np.random.default_rng(0)
    words = [f"w{k}" for k in range(500)]
    texts = [" ".join(random.choice(words, 40)) for _ in range(120)]
    train = pa.table({"t": texts[:100]})
    validation = pa.table({"t": texts[100:] + [f"{text} indeed" for text in texts[:7]]})
    report = compare(train, validation)
    assert report.near.hits == 7
    assert {(left, right - 20) for left, right in report.near.pairs} == {(k, k) for k in range(7)}


def test_a_row_type_that_differs_between_formats_still_matches() -> None:
    report = compare(pa.table({"x": [1, 2, 3]}), pa.table({"x": [1.0, 9.0]}))
    assert report.exact.hits == 1


def test_nulls_match_nulls() -> None:
    train = pa.table({"x": pa.array([None, 2.0]), "c": pa.array([None, "a"])})
    assert compare(train, train.slice(0, 1)).exact.hits == 1


def test_repeats_within_a_set_are_reported() -> None:
    once = table(0, 50)
    report = compare(pa.concat_tables([once, once]), table(1))
    assert report.repeated_train.value == pytest.approx(0.5)
    assert "TG-PRE-05/duplicates" in {finding.rule for finding in report.findings}


def test_columns_of_one_side_are_gaps() -> None:
    report = compare(table(0), table(1).drop_columns("c"))
    assert [gap.what for gap in report.coverage.skipped] == ["column c"]


def test_empty_sets_are_not_examined_into_a_pass() -> None:
    report = compare(table(0), table(1).slice(0, 0))
    assert report.exact.hits == 0
    assert report.exact.rate.high == 1.0
