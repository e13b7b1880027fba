"""Classification metrics overall and by subgroup, each with its interval.

A subgroup is decided on the bounds of its intervals, never on bare rates, and one that is too
small to say anything is reported as too small, never dropped.

>>> import numpy as np
>>> truth = np.array([1, 0] * 60); groups = np.array(["a", "b"] * 30 + ["c", "c"] * 30)
>>> report = evaluate(truth, truth, {"team": groups}, smallest=20)
>>> report.overall.accuracy.value, report.gaps["team"].parity.difference.value
(1.0, 1.0)
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from tidegate.core.finding import (
    Coverage,
    Finding,
    Location,
    Skipped,
)
from tidegate.detect.fairness.rates import Metrics, count, metrics
from tidegate.detect.fairness.subgroup_rules import RULES
from tidegate.stats.intervals import CONFIDENCE, Interval, newcombe


@dataclass(frozen=True, slots=True)
class Gap:
    """The largest difference of a rate between two groups, with its Newcombe interval."""

    high: str
    """The group with the higher rate."""
    low: str
    """The group with the lower rate."""
    difference: Interval
    """Rate of ``high`` minus that of ``low``, at a confidence that is Bonferroni-corrected for
    the number of pairs."""


@dataclass(frozen=True, slots=True)
class Gaps:
    """The gaps of one attribute; None where fewer than two groups are large enough."""

    parity: Gap | None
    """Demographic parity difference: selection rates."""
    opportunity: Gap | None
    """Equal opportunity difference: true-positive rates."""
    false_alarms: Gap | None
    """False-positive rates; with ``opportunity``, equalised odds."""


@dataclass(frozen=True, slots=True)
class FairnessReport:
    """Metrics and gaps."""

    overall: Metrics
    """All rows."""
    groups: Mapping[str, Mapping[str, Metrics]]
    """By attribute, then by value."""
    gaps: Mapping[str, Gaps]
    """By attribute."""
    findings: tuple[Finding, ...]
    """By the limits that were handed in; decided on the bounds."""
    coverage: Coverage
    """Unit: groups."""
    facts: dict[str, bool | int | float | str]
    """``accuracy``, ``accuracy_low``, ``worst_accuracy_low``, ``opportunity_gap``, ``parity_gap``
    and their ``…_low`` bounds."""


def evaluate(
    truth: NDArray[np.generic],
    predicted: NDArray[np.generic],
    attributes: Mapping[str, NDArray[np.generic]],
    *,
    positive: object = 1,
    smallest: int = 30,
    confidence: float = CONFIDENCE,
    most_opportunity_gap: float | None = None,
    most_parity_gap: float | None = None,
    least_accuracy: float | None = None,
    path: str = "validation",
) -> FairnessReport:
    """Compute metrics overall and by every value of every attribute.

    Args:
        truth: True labels, one a row.
        predicted: Predicted labels.
        attributes: Sensitive attributes by name, one value a row.
        positive: The label that means "selected".
        smallest: Groups with fewer rows are too small to be judged.
        confidence: Of intervals; corrected for the number of pairs in gaps.
        most_opportunity_gap: Limit on the gap of true-positive rates.
        most_parity_gap: Limit on the gap of selection rates.
        least_accuracy: Floor on the accuracy of every group.
        path: How findings call the set.

    A gap is a finding when even its lower bound is over the limit; a group is below the floor when
    even its upper bound is. What can't be told apart from the limit is visible in the facts, for
    policy to decide on the other bound.

    Raises:
        ValueError: The arrays differ in length.
    """
    if any(len(values) != len(truth) for values in (predicted, *attributes.values())):
        raise ValueError("labels, predictions and attributes differ in length")
    actual, chosen = truth == positive, predicted == positive
    overall = metrics(count(actual, chosen), smallest, confidence)
    groups: dict[str, dict[str, Metrics]] = {}
    for name, values in attributes.items():
        groups[name] = {
            str(value): metrics(
                count(actual[values == value], chosen[values == value]), smallest, confidence
            )
            for value in np.unique(values)
        }
    gaps = {name: _gaps(members, confidence) for name, members in groups.items()}
    limits = _Limits(most_opportunity_gap, most_parity_gap, least_accuracy, path)
    return FairnessReport(
        overall,
        groups,
        gaps,
        tuple(_findings(groups, gaps, limits)),
        _coverage(groups, smallest),
        _facts(overall, groups, gaps),
    )


@dataclass(frozen=True, slots=True)
class _Limits:
    opportunity: float | None
    parity: float | None
    accuracy: float | None
    path: str


def _gaps(members: Mapping[str, Metrics], confidence: float) -> Gaps:
    judged = {name: group.counts for name, group in members.items() if not group.too_small}
    return Gaps(
        _gap({name: counts.selection for name, counts in judged.items()}, confidence),
        _gap({name: counts.tpr for name, counts in judged.items()}, confidence),
        _gap({name: counts.fpr for name, counts in judged.items()}, confidence),
    )


def _gap(rates: Mapping[str, tuple[int, int]], confidence: float) -> Gap | None:
    rates = {name: rate for name, rate in rates.items() if rate[1]}
    pairs = len(rates) * (len(rates) - 1) // 2
    if not pairs:
        return None
    strict = 1 - (1 - confidence) / pairs
    found: list[Gap] = []
    for a, b in combinations(sorted(rates), 2):
        ordered = sorted((a, b), key=lambda name: rates[name][0] / rates[name][1])
        low, high = ordered
        found.append(Gap(high, low, newcombe(*rates[high], *rates[low], confidence=strict)))
    return max(found, key=lambda gap: gap.difference.value)


def _findings(
    groups: Mapping[str, Mapping[str, Metrics]], gaps: Mapping[str, Gaps], limits: _Limits
) -> list[Finding]:
    out: list[Finding] = []
    for name, found in gaps.items():
        checks = ((RULES[0], found.opportunity, limits.opportunity),
                  (RULES[1], found.parity, limits.parity))  # fmt: skip
        for rule, gap, limit in checks:
            if gap is None or limit is None or gap.difference.low <= limit:
                continue
            out.append(
                Finding(
                    rule.id,
                    rule.severity,
                    f"{name}: {gap.high} over {gap.low} by {gap.difference}",
                    Location(limits.path, column=name),
                    {
                        "high": gap.high,
                        "low": gap.low,
                        "difference": gap.difference.to_json(),
                        "limit": str(limit),
                    },
                )
            )
    for name, members in groups.items():
        for value, group in members.items():
            floor = limits.accuracy
            if floor is not None and not group.too_small and group.accuracy.high < floor:
                out.append(
                    Finding(
                        RULES[2].id,
                        RULES[2].severity,
                        f"{name} = {value}: accuracy {group.accuracy} is below {floor}",
                        Location(limits.path, column=name),
                        {"group": value, "rows": group.counts.n, "floor": str(floor),
                         "accuracy": group.accuracy.to_json()},
                    )
                )  # fmt: skip
    return out


def _coverage(groups: Mapping[str, Mapping[str, Metrics]], smallest: int) -> Coverage:
    small = tuple(
        Skipped(f"{name} = {value}", f"too small: {group.counts.n} rows of {smallest}")
        for name, members in groups.items()
        for value, group in members.items()
        if group.too_small
    )
    planned = sum(len(members) for members in groups.values())
    return Coverage(planned, planned - len(small), small, unit="group")


def _facts(
    overall: Metrics, groups: Mapping[str, Mapping[str, Metrics]], gaps: Mapping[str, Gaps]
) -> dict[str, bool | int | float | str]:
    judged = [
        group for members in groups.values() for group in members.values() if not group.too_small
    ]
    facts: dict[str, bool | int | float | str] = {
        "rows": overall.counts.n,
        "groups": len(judged),
        "accuracy": overall.accuracy.value,
        "accuracy_low": overall.accuracy.low,
        "worst_accuracy": min((group.accuracy.value for group in judged), default=0.0),
        "worst_accuracy_low": min((group.accuracy.low for group in judged), default=0.0),
    }
    for name, found in (
        ("opportunity_gap", [gap.opportunity for gap in gaps.values()]),
        ("parity_gap", [gap.parity for gap in gaps.values()]),
        ("false_alarm_gap", [gap.false_alarms for gap in gaps.values()]),
    ):
        known = [gap.difference for gap in found if gap is not None]
        facts[name] = max((gap.value for gap in known), default=0.0)
        facts[f"{name}_low"] = max((gap.low for gap in known), default=0.0)
        facts[f"{name}_high"] = max((gap.high for gap in known), default=1.0)
    return facts
