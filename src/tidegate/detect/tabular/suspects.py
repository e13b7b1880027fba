"""What the poisoning test says: groups of rows whose labels nothing explains."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tidegate.core.finding import Coverage, Finding, Location
from tidegate.detect.tabular.groups import Groups
from tidegate.detect.tabular.poison_rules import RULE_OF
from tidegate.detect.tabular.residuals import Residuals
from tidegate.detect.tabular.scan import Scan


@dataclass(frozen=True, slots=True)
class Suspect:
    """A group of rows whose labels nothing explains."""

    kind: str
    """``token``, ``value``, ``novel``, ``feed`` or ``score``."""
    group: str
    """``note: cf``, ``age in [41, 47)``."""
    column: str
    """The column that it is about, or ""."""
    label: str
    """The class that is too frequent (or too rare, where ``excess`` is negative)."""
    rows: int
    """Rows of the drop in it."""
    excess: float
    """Mean residual beyond the reference's: 0.6 means sixty points too often."""
    z: float
    """The same in standard errors."""
    p: float
    """Permutation p-value, adjusted for all groups."""


@dataclass(frozen=True, slots=True)
class PoisonReport:
    """What the test saw."""

    suspects: tuple[Suspect, ...]
    """Groups at or below the level, most extreme first."""
    findings: tuple[Finding, ...]
    """At most ten, one a group."""
    coverage: Coverage
    """Unit: columns. What could not be tested is named."""
    facts: dict[str, bool | int | float | str]
    """``suspects``, ``p`` (smallest), ``level``, ``rows``, ``groups``, ``smallest_visible``."""


def suspects_of(
    groups: Groups, residuals: Residuals, result: Scan, level: float
) -> tuple[Suspect, ...]:
    """Return the groups and classes at or below a level, most extreme first."""
    out = [
        Suspect(
            groups.kinds[g],
            groups.names[g],
            groups.columns[g],
            residuals.classes[k],
            int(result.rows[g]),
            float(result.excess[g, k]),
            float(result.z[g, k]),
            float(result.p[g, k]),
        )
        for g, k in np.argwhere(result.p <= level).tolist()
    ]
    return tuple(sorted(out, key=lambda suspect: (suspect.p, -abs(suspect.z))))


def smallest_visible(residuals: Residuals, looked_at: NDArray[np.bool_], result: Scan) -> int:
    """Return how many rows of one trigger, all relabelled, would have reached the threshold.

    For the class where that takes most rows; unknown to the reference, expectation as usual.
    """
    limit = max(result.limit.get("token", 0.0), result.limit.get("value", 0.0))
    if limit <= 0 or not math.isfinite(limit):
        return 0
    worst = 0.0
    for k in range(len(residuals.classes)):
        chance = residuals.chance[looked_at, k]
        is_class = residuals.residual[looked_at, k] > 0
        for target in (chance[~is_class], 1 - chance[is_class]):
            if len(target):
                gain, noise = float((1 - target).mean()), float((target * (1 - target)).mean())
                worst = max(worst, limit**2 * noise / gain**2)
    return math.ceil(worst)


def finding_of(
    suspect: Suspect, path: str, facts: Mapping[str, bool | int | float | str]
) -> Finding:
    """Return a suspect as a finding.

    Args:
        suspect: The group.
        path: How findings call the drop.
        facts: The report's; ``level`` and ``groups`` go into the evidence.
    """
    rule = RULE_OF[suspect.kind]
    direction = "more" if suspect.excess > 0 else "less"
    points = abs(suspect.excess) * 100
    return Finding(
        rule.id,
        rule.severity,
        f"{suspect.rows} rows with {suspect.group}: label {suspect.label} is {points:.0f} points "
        f"{direction} frequent than the reference leads one to expect",
        Location(path, column=suspect.column or None),
        {
            "group": suspect.group,
            "kind": suspect.kind,
            "label": suspect.label,
            "rows": suspect.rows,
            "meanExcess": f"{suspect.excess:.4f}",
            "z": f"{suspect.z:.2f}",
            "p": f"{suspect.p:.4f}",
            "level": str(facts["level"]),
            "groupsTested": int(facts["groups"]),
        },
    )
