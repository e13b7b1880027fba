"""What the answers are worth: metrics a set, gaps between sets, subgroups, agreement of sources."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import isnan

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tidegate.core.errors import CheckError
from tidegate.core.finding import Coverage, Finding, Location, Skipped
from tidegate.detect.fairness import sources
from tidegate.detect.fairness.rates import Metrics, count, metrics
from tidegate.detect.fairness.subgroups import evaluate
from tidegate.gates.contract import CheckResult, Scalar
from tidegate.gates.validate.predict import Answers
from tidegate.gates.validate.rules import SMALL_GROUP
from tidegate.gates.validate.sets import Roles, Texts
from tidegate.stats.intervals import Interval, newcombe, wilson

SMALLEST = 30
"""Rows that a subgroup needs to be judged."""
LEVEL = 0.01
"""Share of honest pairs of sources that the agreement test may flag."""


@dataclass(frozen=True, slots=True)
class SetMetrics:
    """One set's figures."""

    name: str
    rows: int
    accuracy: Interval
    rates: Metrics
    """Of the positive label against all others."""
    auc: float | None
    """Area under the ROC curve, where the command wrote scores."""


@dataclass(frozen=True, slots=True)
class Group:
    """One subgroup in one set."""

    set: str
    name: str
    """``sex = f``, or ``sex = f & age = old``."""
    rows: int
    accuracy: Interval
    judged: bool
    """Whether it has enough rows."""


def by_set(answers: Mapping[str, Answers], roles: Roles) -> tuple[SetMetrics, ...]:
    """Return the metrics of every set, with Wilson intervals."""
    out: list[SetMetrics] = []
    for name, item in answers.items():
        actual = item.set.truth == roles.positive
        rates = metrics(count(actual, item.predicted == roles.positive))
        accuracy = wilson(int(item.right.sum()), item.set.rows)
        auc = None if item.score is None else _auc(actual, item.score)
        out.append(SetMetrics(name, item.set.rows, accuracy, rates, auc))
    return tuple(out)


def metrics_result(answers: Mapping[str, Answers], roles: Roles) -> CheckResult:
    """Return the worst set's lower bound and the largest difference between two sets.

    The main metric is accuracy. With one set there is no gap, and no fact that says so.
    """
    found = by_set(answers, roles)
    facts: dict[str, Scalar] = {
        "sets": len(found),
        "lower": min(item.accuracy.low for item in found),
    }
    for item in found:
        rates = item.rates
        for what, interval in (
            ("accuracy", item.accuracy),
            ("tpr", rates.tpr),
            ("fpr", rates.fpr),
            ("selection", rates.selection),
        ):
            if not isnan(interval.value):
                facts[f"{what}_{item.name}"] = interval.value
                facts[f"{what}_low_{item.name}"] = interval.low
                facts[f"{what}_high_{item.name}"] = interval.high
        facts[f"rows_{item.name}"] = item.rows
        if item.auc is not None:
            facts[f"auc_{item.name}"] = item.auc
    if len(found) > 1:
        facts |= _gaps(answers, found)
    rows = sum(item.rows for item in found)
    return CheckResult(Coverage(rows, rows, unit="row"), (), facts)


def _gaps(answers: Mapping[str, Answers], found: Sequence[SetMetrics]) -> dict[str, Scalar]:
    high = max(found, key=lambda item: item.accuracy.value)
    low = min(found, key=lambda item: item.accuracy.value)
    hits = {name: int(item.right.sum()) for name, item in answers.items()}
    bounds = newcombe(hits[high.name], high.rows, hits[low.name], low.rows)
    out: dict[str, Scalar] = {
        "gap": bounds.value,
        "gap_low": bounds.low,
        "gap_high": bounds.high,
        "best": high.name,
        "worst": low.name,
    }
    for what in ("tpr", "fpr", "selection"):
        values = [getattr(item.rates, what).value for item in found]
        known = [value for value in values if not isnan(value)]
        if len(known) > 1:
            out[f"{what}_gap"] = max(known) - min(known)
    return out


def subgroups(answers: Mapping[str, Answers], roles: Roles) -> Iterator[Group]:
    """Yield every subgroup of every set: each value of each column, and each combination."""
    for name, item in answers.items():
        columns = {column: texts(item.set.table, column) for column in roles.groups}
        kinds: list[tuple[str, ...]] = [(column,) for column in columns]
        if len(columns) > 1:
            kinds.append(tuple(columns))
        for kind in kinds:
            labels = np.asarray(
                [
                    " & ".join(f"{c} = {v}" for c, v in zip(kind, row, strict=True))
                    for row in zip(*(columns[c].tolist() for c in kind), strict=True)
                ],
                dtype=object,
            )
            for label in np.unique(labels).tolist():
                inside = np.asarray(labels == label, dtype=np.bool_)
                rows, hits = int(inside.sum()), int((item.right & inside).sum())
                yield Group(name, label, rows, wilson(hits, rows), rows >= SMALLEST)


def subgroups_result(answers: Mapping[str, Answers], roles: Roles) -> CheckResult:
    """Return the worst subgroup's lower bound; groups that are too small are findings, not gaps.

    Raises:
        CheckError: No group column was named.
    """
    if not roles.groups:
        raise CheckError(
            "no subgroup was judged",
            cause="no group column was named",
            next_step="name the columns whose values are subgroups with --group-column",
            slug="no-groups",
        )
    groups = list(subgroups(answers, roles))
    judged = [group for group in groups if group.judged]
    small = [group for group in groups if not group.judged]
    facts: dict[str, Scalar] = {"groups": len(judged), "small": len(small)}
    if judged:
        worst = min(judged, key=lambda group: group.accuracy.low)
        facts |= {"lower": worst.accuracy.low, "worst": f"{worst.set}: {worst.name}"[:200]}
    facts |= _disparities(answers, roles)
    # A small group was looked at and is named; where all are small, nothing was judged.
    coverage = Coverage(
        len(groups),
        len(groups) if judged else 0,
        () if judged else tuple(Skipped(group.name[:200], "too small") for group in small),
        unit="group",
    )
    return CheckResult(coverage, tuple(map(_small, small[:100])), facts)


def _small(group: Group) -> Finding:
    return Finding(
        SMALL_GROUP.id,
        SMALL_GROUP.severity,
        f"{group.name[:200]} has {group.rows} rows in set {group.set}, {SMALLEST} are needed",
        Location(group.set),
        {"group": group.name[:200], "rows": group.rows, "accuracy": group.accuracy.to_json()},
    )


def _disparities(answers: Mapping[str, Answers], roles: Roles) -> dict[str, Scalar]:
    """Return the largest parity, opportunity and false-alarm differences over the sets."""
    out: dict[str, Scalar] = {}
    for item in answers.values():
        report = evaluate(
            item.set.truth,
            item.predicted,
            {column: texts(item.set.table, column) for column in roles.groups},
            positive=roles.positive,
            smallest=SMALLEST,
            path=item.set.name,
        )
        for name in ("parity_gap", "opportunity_gap", "false_alarm_gap"):
            for suffix in ("", "_low"):
                value, known = report.facts[name + suffix], out.get(name + suffix, 0.0)
                out[name + suffix] = max(float(value), float(known))
    return out


def agreement_result(answers: Mapping[str, Answers]) -> CheckResult:
    """Ask of each pair of sets whether the model errs on the same slices in both.

    Findings are slices on which they differ more than chance allows, corrected over pairs.
    """
    pairs = list(combinations(answers.values(), 2))
    if not pairs:
        gap = Skipped("agreement", "there is one set only")
        return CheckResult(Coverage(1, 0, (gap,), unit="pair"))
    findings: list[Finding] = []
    coverage = Coverage(unit="column")
    facts: dict[str, Scalar] = {"pairs": len(pairs), "error_p": 1.0, "mass_p": 1.0, "slices": 0}
    for a, b in pairs:
        report = sources.compare(
            a.set.table, ~a.right, b.set.table, ~b.right,
            level=LEVEL / len(pairs), paths=(a.set.name, b.set.name),
        )  # fmt: skip
        findings += report.findings
        coverage += report.coverage
        for name in ("error_p", "mass_p"):
            facts[name] = min(float(facts[name]), float(report.facts[name]))
        facts["slices"] = int(facts["slices"]) + int(report.facts["slices"])
    if not facts["slices"]:
        gap = Skipped("slices", "no slice has enough rows in both sets")
        coverage += Coverage(1, 0, (gap,), unit="column")
    return CheckResult(coverage, tuple(findings), facts)


def texts(table: pa.Table, name: str) -> Texts:
    """Return a column's values as strings, null as "null"."""
    values = table[name].to_pylist()
    return np.asarray(["null" if value is None else str(value) for value in values], dtype=np.str_)


def _auc(actual: NDArray[np.bool_], score: NDArray[np.float64]) -> float | None:
    """Return the share of (positive, negative) pairs that the score orders rightly, ties half."""
    positives, negatives = int(actual.sum()), int((~actual).sum())
    if not positives or not negatives:
        return None
    _, place, counts = np.unique(score, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[place]
    above = float(ranks[actual].sum()) - positives * (positives + 1) / 2
    return above / (positives * negatives)
