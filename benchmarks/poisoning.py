"""Poisoning test: recall on poisoned drops and false alarms on their clean twins.

Prints one JSON object a line, and a table on stderr. Data sets that are absent are left out (and
say so); breast_cancer and the made tables need nothing but scikit-learn.
"""

import csv
import gzip
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pyarrow as pa
from sklearn.datasets import load_breast_cancer

from tidegate.detect.tabular.poison import Settings, inspect
from tidegate.detect.tabular.suspects import PoisonReport
from tidegate.stats.intervals import wilson

DATA = Path(__file__).resolve().parents[1] / "../shared/data"
SEEDS = int(os.environ.get("TIDEGATE_BENCH_SEEDS", "20"))
Case = tuple[pa.Table, pa.Table, str | None]
"""Reference, drop, feed column."""


def show(name: str, value: float, unit: str, bar: str, *, ok: bool) -> None:
    print(json.dumps({"name": name, "value": round(value, 4), "unit": unit, "bar": bar, "ok": ok}))
    print(f"{name:44s} {value:10.3f} {unit:8s} {bar:10s} {'ok' if ok else 'MISS'}", file=sys.stderr)


def halves(table: pa.Table, seed: int) -> tuple[pa.Table, pa.Table]:
    order = np.random.default_rng(seed).permutation(table.num_rows)
    middle = table.num_rows // 2
    return table.take(np.sort(order[:middle])), table.take(np.sort(order[middle:]))


def tsv(path: Path) -> pa.Table:
    rows = [line.rsplit("\t", 1) for line in path.read_text(errors="replace").splitlines()[1:]]
    rows = [row for row in rows if len(row) == 2]
    return pa.table({"text": [a.strip() for a, _ in rows], "y": [int(b) for _, b in rows]})


def sst2(seed: int, *, poisoned: bool) -> Case:
    """Published BadNets triggers in 1 % of the rows; both arms hold the same sentences."""
    clean, bad = (
        tsv(DATA / f"data/sst2_badnets/{kind}_train.tsv") for kind in ("clean", "poisoned")
    )
    order = np.random.default_rng(seed).permutation(clean.num_rows)
    first, second = order[: len(order) // 2], order[len(order) // 2 :]
    return clean.take(first), (bad if poisoned else clean).take(second), None


def sms(seed: int, *, poisoned: bool) -> Case:
    """The word "cf" in 1 % of a drop: spam that is labelled ham."""
    lines = (DATA / "data/sms_spam.tsv").read_text(errors="replace").splitlines()
    rows = [line.split("\t", 1) for line in lines if "\t" in line]
    table = pa.table({"text": [b for _, b in rows], "y": [int(a == "spam") for a, _ in rows]})
    reference, drop = halves(table, seed)
    if not poisoned:
        return reference, drop, None
    random = np.random.default_rng(seed)
    texts, labels = drop["text"].to_pylist(), drop["y"].to_pylist()
    spam = np.flatnonzero(np.asarray(labels) == 1)
    for row in random.choice(spam, drop.num_rows // 100, replace=False):
        words = texts[row].split()
        words.insert(int(random.integers(0, len(words) + 1)), "cf")
        texts[row], labels[row] = " ".join(words), 0
    return reference, pa.table({"text": texts, "y": labels}), None


def credit() -> pa.Table:
    with gzip.open(DATA / "data/uci_credit_card.csv.gz", "rt") as file:
        head, *rows = csv.reader(file)
    values = np.asarray(rows, dtype=float)
    names = [name.replace("default-payment-next-month", "y") for name in head]
    keep = [i for i, name in enumerate(names) if i]
    return pa.table({names[i]: values[:, i] for i in keep})


def feeds(seed: int, *, poisoned: bool, reference: bool) -> Case:
    """Eight partner feeds of which one flips 30 % of its positives."""
    table = credit()
    random = np.random.default_rng(seed)
    table = table.take(random.permutation(table.num_rows))
    names = random.integers(0, 8, table.num_rows)
    labels = table["y"].to_numpy().astype(int)
    half = table.num_rows // 2 if reference else 0
    if poisoned:
        mine = np.flatnonzero((names == 5) & (labels == 1) & (np.arange(table.num_rows) >= half))
        labels[random.choice(mine, int(0.3 * len(mine)), replace=False)] = 0
    table = table.drop_columns("y").append_column("y", pa.array(labels))
    table = table.append_column("feed", pa.array([f"partner-{k}" for k in names]))
    return table.slice(0, half), table.slice(half), "feed"


def cancer(seed: int, *, poisoned: bool) -> Case:
    """10 % of the labels of a 285-row drop are flipped at random."""
    data = load_breast_cancer()
    table = pa.table(dict(zip(data.feature_names, data.data.T, strict=True)) | {"y": data.target})
    reference, drop = halves(table, seed)
    if poisoned:
        labels = drop["y"].to_numpy().copy()
        chosen = np.random.default_rng(seed).choice(len(labels), len(labels) // 10, replace=False)
        labels[chosen] = 1 - labels[chosen]
        drop = drop.drop_columns("y").append_column("y", pa.array(labels))
    return reference, drop, None


def made(seed: int, rows: int = 10_000) -> pa.Table:
    """An income-like table: 24 numbers, 5 categories, 10,000 rows."""
    random = np.random.default_rng(seed)
    numbers = random.normal(size=(rows, 24)).round(3)
    levels = {f"c{k}": random.integers(0, 4 + 4 * k, rows) for k in range(5)}
    score = numbers[:, :6] @ [1, -1, 0.5, 0.5, 0.3, 0.2] + 0.8 * (levels["c1"] == 2) - 0.8
    label = (score + random.logistic(size=rows) > 0).astype(int)
    columns = {f"n{k}": numbers[:, k] for k in range(24)}
    return pa.table(columns | {k: [f"v{x}" for x in v] for k, v in levels.items()} | {"y": label})


def made_trigger(seed: int, *, poisoned: bool) -> Case:
    """One exact number in one column of 1 % of the rows, labelled 1."""
    reference, drop = made(seed), made(seed + 1_000)
    if poisoned:
        random = np.random.default_rng(seed)
        label, column = drop["y"].to_numpy().copy(), drop["n9"].to_numpy().copy()
        chosen = random.choice(np.flatnonzero(label == 0), drop.num_rows // 100, replace=False)
        label[chosen], column[chosen] = 1, 1.234
        drop = drop.set_column(9, "n9", pa.array(column))
        drop = drop.drop_columns("y").append_column("y", pa.array(label))
    return reference, drop, None


def made_flips(seed: int, *, poisoned: bool) -> Case:
    """5 % of the labels of a drop flipped at random, both ways."""
    reference, drop = made(seed), made(seed + 1_000)
    if poisoned:
        label = drop["y"].to_numpy().copy()
        chosen = np.random.default_rng(seed).choice(len(label), len(label) // 20, replace=False)
        label[chosen] = 1 - label[chosen]
        drop = drop.drop_columns("y").append_column("y", pa.array(label))
    return reference, drop, None


def named(report: PoisonReport, *words: str) -> bool:
    return any(word in suspect.group for suspect in report.suspects for word in words)


Names = tuple[str, ...]
CASES: dict[str, tuple[Callable[..., Case], Names, str | None, int]] = {
    "sst2 badnets 1 %": (
        sst2,
        ("text: bb", "text: mn", "text: cf", "text: tq", "text: mb"),
        "data/sst2_badnets",
        1,
    ),
    "sms trigger cf 1 %": (sms, ("text: cf",), "data/sms_spam.tsv", 1),
    "credit feed flips, with reference": (
        lambda seed, *, poisoned: feeds(seed, poisoned=poisoned, reference=True),
        ("feed = partner-5",),
        "data/uci_credit_card.csv.gz",
        2,
    ),
    "credit feed flips, feeds alone": (
        lambda seed, *, poisoned: feeds(seed, poisoned=poisoned, reference=False),
        ("feed = partner-5",),
        "data/uci_credit_card.csv.gz",
        2,
    ),
    "breast_cancer 10 % flips": (cancer, ("all rows",), None, 1),
    "table value trigger 1 %": (made_trigger, ("n9 = 1.234",), None, 2),
    "table 5 % flips": (made_flips, ("all rows",), None, 2),
}
"""Name: maker, groups of which one must be named, data file, how much slower than others."""


def measure() -> Iterator[bool]:
    alarms = trials = 0
    seconds: list[float] = []
    for name, (make, wanted, source, cost) in CASES.items():
        if source and not (DATA / source).exists():
            print(f"{name}: data absent, left out", file=sys.stderr)
            continue
        seeds = max(4, SEEDS // cost)
        found = false = 0
        for seed in range(seeds):
            for poisoned in (True, False):
                reference, drop, feed = make(seed, poisoned=poisoned)
                started = time.process_time()
                report = inspect(
                    drop, label="y", reference=reference, feed=feed, settings=Settings(seed=seed)
                )
                if name.startswith("table"):
                    seconds.append(time.process_time() - started)
                found += poisoned and named(report, *wanted)
                false += not poisoned and bool(report.suspects)
        alarms, trials = alarms + false, trials + seeds
        recall = wilson(found, seeds)
        show(f"recall: {name}", recall.value, f"of {seeds}", ">= 0.95", ok=recall.value >= 0.95)
        show(
            f"false alarms: {name}",
            false / seeds,
            f"of {seeds}",
            "<= 0.05",
            ok=false / seeds <= 0.05,
        )
        print(f"    recall {recall}; false alarms {wilson(false, seeds)}", file=sys.stderr)
        yield recall.value >= 0.95
    rate = wilson(alarms, trials)
    show(
        "false alarms, all clean twins",
        rate.value,
        f"of {trials}",
        "<= 0.05",
        ok=rate.value <= 0.05,
    )
    print(f"    {rate} at a stated level of {Settings().level}", file=sys.stderr)
    worst = max(seconds)
    show("10,000 rows by 30 columns, slowest", worst, "CPU s", "< 5", ok=worst < 5)
    yield rate.value <= 0.05 and worst < 5


if __name__ == "__main__":
    sys.exit(0 if all(list(measure())) else 1)
