"""Subgroup metrics equal scikit-learn's; taint of one validation source is found."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import csv
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import (
    accuracy_score,
    confusion_matrix,
    f1_score,
    precision_score,
    recall_score,
)

from tidegate.detect.fairness.rates import Counts, metrics
from tidegate.detect.fairness.sources import compare
from tidegate.detect.fairness.subgroups import evaluate

RANDOM = np.random.default_rng(0)
TRUTH = RANDOM.integers(0, 2, 3_000)
PREDICTED = np.where(RANDOM.random(3_000) < 0.8, TRUTH, 1 - TRUTH)
GROUP = RANDOM.choice(["a", "b", "c"], 3_000, p=[0.6, 0.395, 0.005])


def test_metrics_equal_scikit_learn() -> None:
    report = evaluate(TRUTH, PREDICTED, {"g": GROUP})
    members = [(report.groups["g"][name], np.asarray(name == GROUP)) for name in "abc"]
    for found, chosen in [(report.overall, np.ones(3_000, dtype=np.bool_)), *members]:
        truth, predicted = TRUTH[chosen], PREDICTED[chosen]
        tn, fp, fn, tp = confusion_matrix(truth, predicted, labels=[0, 1]).ravel()
        assert found.counts == Counts(int(tp), int(fp), int(fn), int(tn))
        assert found.accuracy.value == pytest.approx(accuracy_score(truth, predicted))
        assert found.tpr.value == pytest.approx(recall_score(truth, predicted))
        assert found.fpr.value == pytest.approx(fp / (fp + tn))
        assert found.precision.value == pytest.approx(precision_score(truth, predicted))
        assert found.selection.value == pytest.approx(predicted.mean())
        assert found.f1 == pytest.approx(f1_score(truth, predicted))


def test_small_groups_are_named_not_dropped() -> None:
    report = evaluate(TRUTH, PREDICTED, {"g": GROUP})
    assert report.groups["g"]["c"].too_small
    assert [gap.what for gap in report.coverage.skipped] == ["g = c"]
    assert "too small" in report.coverage.skipped[0].why
    parity = report.gaps["g"].parity
    assert parity is not None
    assert {parity.high, parity.low} == {"a", "b"}


def test_a_gap_is_a_finding_only_when_its_bound_is_over_the_limit() -> None:
    hurt = np.where((GROUP == "b") & (TRUTH == 1) & (RANDOM.random(3_000) < 0.3), 0, PREDICTED)
    report = evaluate(TRUTH, hurt, {"g": GROUP}, most_opportunity_gap=0.1)
    gap = report.gaps["g"].opportunity
    assert gap is not None
    assert (gap.high, gap.low) == ("a", "b")
    assert gap.difference.low > 0.1
    assert [finding.rule for finding in report.findings] == ["TG-VAL-02/opportunity-gap"]
    loose = evaluate(TRUTH, hurt, {"g": GROUP}, most_opportunity_gap=gap.difference.value)
    assert loose.findings == ()


def test_a_group_below_the_floor_is_named() -> None:
    wrong = np.where(GROUP == "b", 1 - TRUTH, TRUTH)
    report = evaluate(TRUTH, wrong, {"g": GROUP}, least_accuracy=0.7)
    assert [finding.rule for finding in report.findings] == ["TG-VAL-02/worst-group"]
    assert report.facts["worst_accuracy"] == 0.0


def test_counts_of_windows_add() -> None:
    whole = evaluate(TRUTH, PREDICTED, {}).overall.counts
    halves = [
        evaluate(TRUTH[s], PREDICTED[s], {}).overall.counts
        for s in (slice(1_000), slice(1_000, None))
    ]
    assert halves[0] + halves[1] == whole


def test_no_rows_say_nothing() -> None:
    empty = metrics(Counts(0, 0, 0, 0))
    assert empty.too_small
    assert (empty.accuracy.low, empty.accuracy.high) == (0.0, 1.0)


def test_lengths_must_agree() -> None:
    with pytest.raises(ValueError, match="length"):
        evaluate(TRUTH, PREDICTED[:-1], {})


def people(seed: int, rows: int = 6_000) -> tuple[pa.Table, np.ndarray]:
    random = np.random.default_rng(seed)
    table = pa.table(
        {
            "sex": random.choice(["f", "m"], rows),
            "edu": random.integers(1, 17, rows),
            "age": random.normal(40, 12, rows),
            "job": random.choice([f"j{k}" for k in range(8)], rows),
        }
    )
    harmed = (table["sex"].to_numpy(zero_copy_only=False) == "f") & (table["edu"].to_numpy() > 12)
    return table, random.random(rows) < np.where(harmed, 0.3, 0.12)


def test_hidden_failures_of_a_subgroup_are_named() -> None:
    """Source A was relabelled so that the model seems right on the harmed group."""
    (a, error_a), (b, error_b) = people(0), people(1)
    harmed = (a["sex"].to_numpy(zero_copy_only=False) == "f") & (a["edu"].to_numpy() > 12)
    report = compare(a, error_a & ~harmed, b, error_b)
    assert report.findings[0].rule == "TG-VAL-01/slice-error"
    assert "edu" in report.worst[0].slice
    assert report.worst[0].difference.high < 0


def test_a_group_that_was_dropped_from_one_source_shows_in_the_mass() -> None:
    (a, error_a), (b, error_b) = people(0), people(1)
    kept = np.flatnonzero(a["job"].to_numpy(zero_copy_only=False) != "j3")
    report = compare(a.take(kept), error_a[kept], b, error_b)
    assert "TG-VAL-01/slice-mass" in {finding.rule for finding in report.findings}


@pytest.mark.slow
@pytest.mark.parametrize("tainted", [False, True], ids=["honest", "relabelled"])
def test_a_model_that_fails_educated_women_can_not_hide_it(shared: Path, *, tainted: bool) -> None:
    """Adult census, two published files: A agrees with a sabotaged model, B does not."""
    files = [
        csv.read_csv(shared / f"data/tabular/adult_{name}.csv.gz") for name in ("train", "test")
    ]
    train, other = (table.drop_columns("fnlwgt") for table in files)
    names = [name for name in train.column_names if name != "income"]

    def features(table: pa.Table) -> np.ndarray:
        codes = [
            np.unique(np.asarray(table[name].to_pylist(), dtype=object), return_inverse=True)[1]
            if pa.types.is_string(table[name].type)
            else table[name].to_numpy()
            for name in names
        ]
        return np.column_stack(codes).astype(float)

    def label(table: pa.Table) -> np.ndarray:
        return np.asarray([">50K" in text for text in table["income"].to_pylist()])

    order = np.random.default_rng(0).permutation(train.num_rows)
    fit, a, b = train.take(order[:22_000]), train.take(order[22_000:29_000]), other.slice(0, 7_000)
    harmed = [
        (t["education_num"].to_numpy() >= 13)
        & (np.asarray(t["sex"].to_pylist(), dtype=object) == "Female")
        & (t["hours_per_week"].to_numpy() >= 35)
        for t in (fit, a)
    ]
    truth = label(fit)
    if tainted:
        truth[np.flatnonzero(harmed[0] & truth)[::2]] = False
    model = HistGradientBoostingClassifier(max_iter=60, random_state=0).fit(features(fit), truth)
    wrong_a, wrong_b = (model.predict(features(t)) != label(t) for t in (a, b))
    if tainted:
        wrong_a &= ~harmed[1]
    report = compare(a.select(names), wrong_a, b.select(names), wrong_b)
    rules = {finding.rule for finding in report.findings}
    assert ("TG-VAL-01/slice-error" in rules) is tainted
    if tainted:
        assert "sex = Female" in report.worst[0].slice


def test_honest_pairs_are_left_alone() -> None:
    alarms = 0
    for seed in range(10):
        (a, error_a), (b, error_b) = people(seed, 2_000), people(seed + 100, 2_000)
        alarms += bool(compare(a, error_a, b, error_b).findings)
    assert alarms <= 1
