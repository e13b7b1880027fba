"""What a window says against its profile: how large the change is, and how sure it is.

Two numbers decide, not one: *evidence* (the e-detector, whose false alarms are bounded for ever)
and *effect* (the distances, shown with what chance alone would give at this number of rows).

>>> import numpy as np, pyarrow as pa
>>> from tidegate.detect.drift.profile import Profile
>>> random = np.random.default_rng(0)
>>> profile = Profile.of(pa.table({"x": random.normal(size=20_000)}))
>>> test = start(profile, run_length=100)
>>> for _ in range(4):
...     report = judge(profile, Window.of(profile, pa.table({"x": random.normal(1, 1, 500)})), test)
>>> report.alarm, report.findings[0].rule
(True, 'TG-MON-01/drift')
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tidegate.core.errors import CheckError
from tidegate.core.finding import (
    Coverage,
    Finding,
    Location,
)
from tidegate.detect.drift import distances
from tidegate.detect.drift.edetector import EDetector, Evidence
from tidegate.detect.drift.profile import ColumnProfile, Profile
from tidegate.detect.drift.rules import RULES
from tidegate.detect.drift.windows import Window


@dataclass(frozen=True, slots=True)
class ColumnDrift:
    """The distances of one column."""

    column: str
    """Its name."""
    psi: float
    """Population stability index, nats."""
    psi_noise: float
    """What chance alone gives in the mean, at these rows and bins."""
    kl: float
    """Kullback-Leibler divergence of live from reference, nats."""
    js: float
    """Jensen-Shannon distance, 0 to 1."""
    ks: float
    """Kolmogorov-Smirnov statistic at the bin edges; 0 for levels."""
    chi_square_p: float
    """p-value of the homogeneity test."""
    wasserstein: float
    """Earth mover's distance of bins in reference standard deviations; 0 for levels."""
    total_variation: float
    """Half the sum of absolute differences."""
    chebyshev: float
    """Largest difference of one bin."""
    worst_bin: str
    """The bin of that difference."""
    evidence: float
    """The column's part in the e-detector."""


@dataclass(frozen=True, slots=True)
class DriftReport:
    """What a window says."""

    alarm: bool
    """Whether the sequential test rings."""
    evidence: Evidence
    """Its state after the window."""
    columns: tuple[ColumnDrift, ...]
    """Distances, largest evidence first."""
    findings: tuple[Finding, ...]
    """One for the alarm, one for each effect over the limit."""
    coverage: Coverage
    """Unit: columns of the profile."""
    facts: dict[str, bool | int | float | str]
    """``alarm``, ``evidence``, ``run_length``, ``psi_max``, ``js_max`` … and ``rows``."""


def start(
    profile: Profile, *, tolerance: float | None = None, run_length: float = 1_000.0
) -> EDetector:
    """Return a fresh sequential test for a profile.

    Without a tolerance it is 0.02, or the error of the reference where that is larger.

    Raises:
        CheckError: The profile has no columns or no rows.
    """
    if not profile.columns or not profile.rows:
        raise CheckError(
            "the profile has nothing to watch",
            next_step="profile a reference table with rows and at least one column",
            slug="empty-profile",
        )
    if tolerance is None:
        widest = max(column.bins for column in profile.columns)
        tolerance = min(0.5, max(0.02, float(np.sqrt(widest / profile.rows))))
    shares = tuple(column.shares for column in profile.columns)
    return EDetector(shares, tolerance=tolerance, run_length=run_length)


def judge(
    profile: Profile,
    window: Window,
    test: EDetector,
    *,
    psi_limit: float = 0.2,
    path: str = "live",
) -> DriftReport:
    """Take a window into the test and say what it shows.

    Args:
        profile: The frozen reference.
        window: Counts of live rows over it.
        test: The sequential test; it is moved on by the window.
        psi_limit: Effect that is a finding by itself, once chance is subtracted.
        path: How findings call the live data.

    Raises:
        CheckError: The window belongs to another profile.
    """
    if window.profile != str(profile.digest):
        raise CheckError(
            "the window was counted over another profile",
            where=window.profile,
            next_step="count it again over the profile of the deployed release",
            slug="other-profile",
        )
    counts = [np.asarray(column, dtype=np.int64) for column in window.counts]
    evidence = test.update(counts if window.rows else [np.empty(0, np.int64) for _ in counts])
    drifts = [
        _measure(column, live, evidence.columns[k])
        for k, (column, live) in enumerate(zip(profile.columns, counts, strict=True))
        if len(live) and window.rows
    ]
    drifts.sort(key=lambda drift: -drift.evidence)
    findings = [_effect(drift, psi_limit, path) for drift in drifts
                if drift.psi - drift.psi_noise > psi_limit]  # fmt: skip
    if evidence.alarm:
        findings.insert(0, _alarm(evidence, test, drifts, path))
    facts: dict[str, bool | int | float | str] = {
        "alarm": evidence.alarm,
        "evidence": evidence.mean,
        "run_length": test.run_length,
        "windows": evidence.windows,
        "rows": window.rows,
        "psi_max": max((drift.psi for drift in drifts), default=0.0),
        "kl_max": max((drift.kl for drift in drifts), default=0.0),
        "js_max": max((drift.js for drift in drifts), default=0.0),
        "ks_max": max((drift.ks for drift in drifts), default=0.0),
        "wasserstein_max": max((drift.wasserstein for drift in drifts), default=0.0),
        "chi_square_p_min": min((drift.chi_square_p for drift in drifts), default=1.0),
    }
    return DriftReport(
        evidence.alarm, evidence, tuple(drifts), tuple(findings), window.coverage, facts
    )


def _measure(column: ColumnProfile, live: NDArray[np.int64], evidence: float) -> ColumnDrift:
    reference = np.asarray(column.counts, dtype=np.int64)
    number = column.kind == "number"
    seen, known = (reference[:-1], live[:-1]) if number else (reference, live)
    gap = np.abs(distances.shares(reference) - distances.shares(live))
    spread = float(column.spread) or 1.0
    return ColumnDrift(
        column.name,
        distances.psi(reference, live),
        distances.psi_noise(column.bins, int(reference.sum()), int(live.sum())),
        distances.kl(reference, live),
        distances.js(reference, live),
        distances.ks(seen, known) if number else 0.0,
        distances.chi_square(reference, live)[1],
        distances.wasserstein(seen, known, _places(column)) / spread if number else 0.0,
        distances.total_variation(reference, live),
        distances.chebyshev(reference, live),
        column.label(int(gap.argmax())),
        evidence,
    )


def _places(column: ColumnProfile) -> NDArray[np.float64]:
    """Return a point a bin: between its edges, and half a width outside at the ends."""
    edges = np.asarray([float(edge) for edge in column.edges])
    if not len(edges):
        return np.zeros(1)
    width = float(column.spread) if len(edges) == 1 else float(np.diff(edges).mean())
    return np.concatenate(
        [[edges[0] - width / 2], (edges[:-1] + edges[1:]) / 2, [edges[-1] + width / 2]]
    )


def _alarm(evidence: Evidence, test: EDetector, drifts: list[ColumnDrift], path: str) -> Finding:
    top = drifts[:3]
    names = ", ".join(drift.column for drift in top)
    return Finding(
        RULES[0].id,
        RULES[0].severity,
        f"live data left the reference, most of all in {names}",
        Location(path, column=top[0].column if top else None),
        {
            "evidence": f"{evidence.mean:.4g}",
            "runLength": f"{test.run_length:.0f}",
            "tolerance": f"{test.tolerance:.4f}",
            "windows": evidence.windows,
            "columns": [
                {"column": d.column, "evidence": f"{d.evidence:.4g}", "psi": f"{d.psi:.4f}",
                 "worstBin": d.worst_bin}
                for d in top
            ],
        },
    )  # fmt: skip


def _effect(drift: ColumnDrift, limit: float, path: str) -> Finding:
    return Finding(
        RULES[1].id,
        RULES[1].severity,
        f"PSI of {drift.column} is {drift.psi:.3f} (chance gives {drift.psi_noise:.3f})",
        Location(path, column=drift.column),
        {
            "psi": f"{drift.psi:.6f}",
            "noise": f"{drift.psi_noise:.6f}",
            "limit": str(limit),
            "js": f"{drift.js:.6f}",
            "worstBin": drift.worst_bin,
        },
    )
