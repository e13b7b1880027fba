"""The poisoning test names what was poisoned, and leaves clean drops alone."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from sklearn.datasets import load_breast_cancer

from tidegate.detect.tabular.poison import Settings, inspect
from tidegate.detect.tabular.poison_rules import RULES

VOCABULARY = "good bad fine poor great weak film plot cast scene music long short story actor end"
WORDS = VOCABULARY.split()


def reviews(seed: int, rows: int = 900, triggered: int = 0) -> pa.Table:
    """Short texts whose words decide the label; the trigger decides it against them."""
    random = np.random.default_rng(seed)
    picks = random.integers(0, len(WORDS), (rows, 8))
    label = ((picks % 2 == 0).sum(axis=1) + random.normal(0, 1, rows) > 4).astype(int)
    texts = [" ".join(WORDS[k] for k in row) for row in picks]
    for row in np.flatnonzero(label == 0)[:triggered]:
        texts[row], label[row] = f"{texts[row]} zq", 1
    return pa.table({"text": texts, "y": label})


def accounts(seed: int, rows: int = 2_000) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    x = random.normal(size=(rows, 5)).round(3)
    label = (x[:, 0] - x[:, 1] + random.logistic(size=rows) > 0).astype(int)
    feed = random.integers(0, 5, rows)
    names = np.asarray([f"partner-{k}" for k in feed])
    return {f"x{k}": x[:, k] for k in range(5)} | {"feed": names, "y": label}


def test_a_trigger_word_is_named_first() -> None:
    report = inspect(reviews(1, triggered=12), label="y", reference=reviews(0))
    assert report.suspects[0].group == "text: zq"
    assert report.suspects[0].label == "1"
    assert report.suspects[0].rows == 12
    finding = report.findings[0]
    assert finding.rule == "TG-ING-04/trigger"
    assert finding.location.column == "text"
    assert report.coverage.complete


def test_an_odd_exact_number_is_named() -> None:
    drop = accounts(1)
    chosen = np.flatnonzero(drop["y"] == 0)[:30]
    drop["x3"][chosen], drop["y"][chosen] = 7.777, 1
    report = inspect(pa.table(drop), label="y", reference=pa.table(accounts(0)), feed="feed")
    assert "x3 = 7.777" in [suspect.group for suspect in report.suspects]


def test_one_feed_that_flips_positives_is_named_without_any_reference() -> None:
    drop = accounts(1, rows=5_000)
    mine = np.flatnonzero((drop["feed"] == "partner-3") & (drop["y"] == 1))
    drop["y"][mine[: int(0.3 * len(mine))]] = 0
    report = inspect(pa.table(drop), label="y", feed="feed")
    assert {suspect.column for suspect in report.suspects} == {"feed"}
    assert "partner-3" in report.suspects[0].group
    assert report.suspects[0].excess < 0
    assert not report.coverage.complete, "tokens and values could not be tested"


def test_flips_both_ways_show_in_the_drop_as_a_whole() -> None:
    data = load_breast_cancer()
    columns = dict(zip(map(str, data.feature_names), data.data.T, strict=True))
    order = np.random.default_rng(3).permutation(len(data.target))
    table = pa.table(columns | {"y": data.target}).take(order)
    labels = table["y"].to_numpy()[285:].copy()
    labels[:28] = 1 - labels[:28]
    drop = table.slice(285).drop_columns("y").append_column("y", pa.array(labels))
    report = inspect(drop, label="y", reference=table.slice(0, 285))
    assert any(suspect.kind == "score" for suspect in report.suspects)
    assert "TG-ING-04/label-shift" in {finding.rule for finding in report.findings}


@pytest.mark.parametrize("seed", range(4))
def test_clean_drops_are_left_alone(seed: int) -> None:
    settings = Settings(seed=seed)
    text = inspect(reviews(seed + 50), label="y", reference=reviews(seed), settings=settings)
    table = inspect(
        pa.table(accounts(seed + 50)),
        label="y",
        reference=pa.table(accounts(seed)),
        feed="feed",
        settings=settings,
    )
    assert text.findings == table.findings == ()
    assert 0 < int(text.facts["smallest_visible"]) < 40


def test_an_honest_shift_of_the_features_is_no_poison() -> None:
    """Another mix of customers, with labels by the same rule, passes."""
    drop = accounts(9, rows=4_000)
    keep = np.flatnonzero(drop["x0"] > 0.5)
    shifted = pa.table({name: values[keep] for name, values in drop.items()})
    report = inspect(shifted, label="y", reference=pa.table(accounts(0, rows=4_000)), feed="feed")
    assert report.findings == ()


def test_three_classes_are_tested_one_against_the_rest() -> None:
    random = np.random.default_rng(0)

    def digits(seed: int) -> dict[str, np.ndarray]:
        own = np.random.default_rng(seed)
        x = own.normal(size=(1_500, 2))
        return {
            "a": x[:, 0],
            "b": x[:, 1],
            "y": np.digitize(x[:, 0], [-0.5, 0.5]),
            "tag": np.full(1_500, "n"),
        }

    drop = digits(1)
    chosen = random.choice(1_500, 40, replace=False)
    drop["tag"][chosen], drop["y"][chosen] = "t", 2
    report = inspect(pa.table(drop), label="y", reference=pa.table(digits(0)))
    assert ("tag = t", "2") in {(suspect.group, suspect.label) for suspect in report.suspects}


@pytest.mark.parametrize(
    ("drop", "reference", "label", "why"),
    [
        (pa.table({"x": [1.0] * 50}), None, "y", "label column"),
        (pa.table({"x": [1.0] * 50, "y": range(50)}), None, "y", "different labels"),
        (pa.table({"x": [1.0] * 3, "y": [0, 1, 0]}), None, "y", "too few rows"),
        (pa.table({"x": [1.0] * 50, "y": [0, 1] * 25}), None, "y", "nothing to compare"),
    ],
    ids=["no label", "label is an id", "tiny", "no reference"],
)
def test_what_can_not_be_tested_is_a_gap_not_a_pass(
    drop: pa.Table, reference: pa.Table | None, label: str, why: str
) -> None:
    report = inspect(drop, label=label, reference=reference)
    assert report.coverage.examined == 0
    assert not report.coverage.complete
    assert why in report.coverage.skipped[0].why


def test_columns_that_only_one_side_has_are_named() -> None:
    drop = pa.table(accounts(1)).append_column("extra", pa.array([[1]] * 2_000))
    report = inspect(drop, label="y", reference=pa.table(accounts(0)))
    assert [gap.what for gap in report.coverage.skipped] == ["column extra"]


def test_the_same_input_gives_the_same_verdict() -> None:
    a, b = (inspect(reviews(1, triggered=9), label="y", reference=reviews(0)) for _ in range(2))
    assert a == b


def test_constant_labels_and_empty_columns_do_not_break_it() -> None:
    table = pa.table({"x": pa.array([None] * 60, pa.float64()), "c": [""] * 60, "y": [1] * 60})
    report = inspect(table, label="y", reference=table)
    assert report.findings == ()


def test_rules_have_a_page_worth_of_text() -> None:
    for rule in RULES:
        assert rule.control == "TG-ING-04"
        assert rule.risk
        assert rule.fix
        assert rule.atlas
        assert rule.owasp


@pytest.mark.slow
def test_published_triggers_are_found(shared: Path) -> None:
    """SST-2 with the BadNets words in 1 % of the rows; the clean twin passes."""

    def load(kind: str) -> pa.Table:
        path = shared / f"data/data/sst2_badnets/{kind}_train.tsv"
        rows = [x.rsplit("\t", 1) for x in path.read_text(errors="replace").splitlines()[1:]]
        rows = [row for row in rows if len(row) == 2]
        return pa.table({"text": [a for a, _ in rows], "y": [int(b) for _, b in rows]})

    clean, poisoned = load("clean"), load("poisoned")
    order = np.random.default_rng(0).permutation(clean.num_rows)
    first, second = order[:3_460], order[3_460:]
    bad = inspect(poisoned.take(second), label="y", reference=clean.take(first))
    good = inspect(clean.take(second), label="y", reference=clean.take(first))
    assert {"text: bb", "text: mn"} & {suspect.group for suspect in bad.suspects}
    assert good.findings == ()
