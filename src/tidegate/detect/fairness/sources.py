"""Do two validation sources agree on where a model errs? Slice errors of A against B.

Whoever taints one validation set, to hide that a model fails a subgroup, leaves the other set
telling the truth. The overall accuracy hardly moves; the error rate of the slices does. All slices
of one and of two conditions are compared at once, with four matrix products.

>>> import numpy as np, pyarrow as pa
>>> random = np.random.default_rng(0)
>>> rows = pa.table({"g": random.integers(0, 4, 8000), "h": random.integers(0, 3, 8000)})
>>> error = random.random(8000) < 0.15
>>> error[:4000] &= rows["g"].to_numpy()[:4000] != 2  # A says that group 2 has no errors
>>> report = compare(rows.slice(0, 4000), error[:4000], rows.slice(4000), error[4000:])
>>> report.worst[0].slice
'g = 2'
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy.special import ndtr

from tidegate.core.finding import (
    Coverage,
    Finding,
    Location,
)
from tidegate.detect.fairness.source_rules import RULES
from tidegate.detect.frame import Column, Frame
from tidegate.stats.intervals import Interval, newcombe
from tidegate.stats.multiple import holm

_QUINTILES = (0.2, 0.4, 0.6, 0.8)
_MOST_LITERALS = 300
_LEVELS = 40
_SHOWN = 10


@dataclass(frozen=True, slots=True)
class SliceGap:
    """A slice on which A and B differ."""

    slice: str
    """One or two conditions."""
    what: str
    """``error`` or ``mass``."""
    rows_a: int
    """Rows of the slice in A."""
    rows_b: int
    """Rows of the slice in B."""
    difference: Interval
    """Error rate (or share of rows) of A minus that of B, with its Newcombe interval."""
    z: float
    """In standard errors."""
    p: float
    """Holm-adjusted over all slices and both questions."""


@dataclass(frozen=True, slots=True)
class SourceReport:
    """How two sources compare."""

    worst: tuple[SliceGap, ...]
    """At most ten a question, most extreme first, whether or not they are significant."""
    findings: tuple[Finding, ...]
    """Slices at or below the level."""
    coverage: Coverage
    """Unit: columns."""
    facts: dict[str, bool | int | float | str]
    """``slices``, ``accuracy_gap`` with bounds, ``error_p``, ``mass_p``."""


def compare(
    a: pa.Table,
    error_a: NDArray[np.bool_],
    b: pa.Table,
    error_b: NDArray[np.bool_],
    *,
    level: float = 0.01,
    smallest: int = 30,
    paths: tuple[str, str] = ("source A", "source B"),
) -> SourceReport:
    """Compare where a model errs on two sources, row by row of features.

    Args:
        a: Features of the first source (and its label, if that is to define slices).
        error_a: Whether the model errs on each row of ``a``.
        b: The second source; columns that only one has are gaps.
        error_b: Whether the model errs on each row of ``b``.
        level: Share of honest pairs of sources that may be flagged.
        smallest: Slices with fewer rows in either source are not compared for errors.
        paths: How findings call the two.
    """
    frame = Frame.stacked(a, b, as_text=True)
    literals, described = _literals(frame, smallest)
    in_a = np.arange(frame.rows) < a.num_rows
    error = np.concatenate([error_a, error_b]).astype(np.bool_)
    tables = _Tables(literals, in_a, error)
    gaps = [*_errors(tables, described, smallest), *_mass(tables, described, smallest)]
    adjusted = holm([gap.p for gap in gaps])
    gaps = [_with_p(gap, p) for gap, p in zip(gaps, adjusted, strict=True)]
    gaps.sort(key=lambda gap: (gap.p, -abs(gap.z)))
    worst = tuple(
        gap for what in ("error", "mass") for gap in [g for g in gaps if g.what == what][:_SHOWN]
    )
    overall = newcombe(int(error_b.sum()), len(error_b), int(error_a.sum()), len(error_a))
    facts: dict[str, bool | int | float | str] = {
        "slices": len(gaps),
        "accuracy_gap": overall.value,
        "accuracy_gap_low": overall.low,
        "accuracy_gap_high": overall.high,
        "error_p": min((gap.p for gap in gaps if gap.what == "error"), default=1.0),
        "mass_p": min((gap.p for gap in gaps if gap.what == "mass"), default=1.0),
    }
    return SourceReport(
        worst,
        tuple(_finding(gap, level, paths) for gap in worst if gap.p <= level),
        Coverage(
            len(frame.columns) + len(frame.skipped),
            len(frame.columns),
            frame.skipped,
            unit="column",
        ),
        facts,
    )


class _Tables:
    """Rows and errors of every pair of literals, in each source."""

    def __init__(
        self, literals: NDArray[np.float32], in_a: NDArray[np.bool_], error: NDArray[np.bool_]
    ) -> None:
        def gram(mask: NDArray[np.bool_]) -> NDArray[np.float64]:
            chosen = literals[mask]
            return np.asarray(chosen.T @ chosen, dtype=np.float64)

        self.rows = gram(in_a), gram(~in_a)
        self.errors = gram(in_a & error), gram(~in_a & error)
        self.totals = int(in_a.sum()), int((~in_a).sum())


def _literals(frame: Frame, smallest: int) -> tuple[NDArray[np.float32], list[str]]:
    columns: list[NDArray[np.bool_]] = []
    names: list[str] = []
    for column in frame.columns:
        for name, rows in _conditions(column):
            if smallest <= rows.sum() < frame.rows and len(columns) < _MOST_LITERALS:
                columns.append(rows)
                names.append(name)
    if not columns:
        return np.zeros((frame.rows, 0), dtype=np.float32), []
    return np.column_stack(columns).astype(np.float32), names


def _conditions(column: Column) -> list[tuple[str, NDArray[np.bool_]]]:
    if column.kind == "text":
        return []
    if column.kind == "number":
        values = column.numbers
        levels = np.unique(values[~np.isnan(values)])
        few = len(levels) <= _LEVELS // 2
        out = [(f"{column.name} = {level:g}", values == level) for level in levels if few]
        if len(levels) > len(_QUINTILES):
            for edge in np.unique(np.quantile(values[~np.isnan(values)], _QUINTILES)):
                out.append((f"{column.name} <= {edge:g}", values <= edge))
                out.append((f"{column.name} > {edge:g}", values > edge))
        return out
    texts = np.asarray(column.texts, dtype=object)
    levels, counts = np.unique(texts, return_counts=True)
    often = levels[np.argsort(-counts, kind="stable")[:_LEVELS]]
    return [(f"{column.name} = {level}", texts == level) for level in often]


def _errors(tables: _Tables, names: list[str], smallest: int) -> list[SliceGap]:
    (rows_a, rows_b), (bad_a, bad_b) = tables.rows, tables.errors
    both = np.triu((rows_a >= smallest) & (rows_b >= smallest))
    i, j = np.nonzero(both)
    n_a, n_b, e_a, e_b = rows_a[i, j], rows_b[i, j], bad_a[i, j], bad_b[i, j]
    rate = (e_a + e_b + 1) / (n_a + n_b + 2)
    z = (e_a / n_a - e_b / n_b) / np.sqrt(rate * (1 - rate) * (1 / n_a + 1 / n_b))
    counts = np.stack([e_a, n_a, e_b, n_b])
    return _gaps("error", names, (i, j), counts=counts, rows=(n_a, n_b), z=z)


def _mass(tables: _Tables, names: list[str], smallest: int) -> list[SliceGap]:
    rows_a, rows_b = tables.rows
    i, j = np.nonzero(np.triu(rows_a + rows_b >= 4 * smallest))
    n_a, n_b = rows_a[i, j], rows_b[i, j]
    total_a, total_b = (np.full(len(i), float(total)) for total in tables.totals)
    share = (n_a + n_b) / (total_a + total_b)
    spread = np.sqrt(np.maximum(share * (1 - share), 1e-12) * (1 / total_a + 1 / total_b))
    z = (n_a / total_a - n_b / total_b) / spread
    counts = np.stack([n_a, total_a, n_b, total_b])
    return _gaps("mass", names, (i, j), counts=counts, rows=(n_a, n_b), z=z)


def _gaps(
    what: str,
    names: list[str],
    pairs: tuple[NDArray[np.intp], NDArray[np.intp]],
    *,
    counts: NDArray[np.float64],
    rows: tuple[NDArray[np.float64], NDArray[np.float64]],
    z: NDArray[np.float64],
) -> list[SliceGap]:
    (i, j), p = pairs, 2 * ndtr(-np.abs(z))
    unknown = Interval(float("nan"), -1.0, 1.0)
    exact = set(np.argsort(-np.abs(z))[:_SHOWN].tolist())  # intervals only for what is shown
    out: list[SliceGap] = []
    for k in range(len(z)):
        hits_a, n_a, hits_b, n_b = (int(value) for value in counts[:, k])
        name = names[i[k]] if i[k] == j[k] else f"{names[i[k]]} & {names[j[k]]}"
        interval = newcombe(hits_a, n_a, hits_b, n_b) if k in exact else unknown
        size = int(rows[0][k]), int(rows[1][k])
        out.append(SliceGap(name, what, *size, interval, float(z[k]), float(p[k])))
    return out


def _with_p(gap: SliceGap, p: float) -> SliceGap:
    return SliceGap(gap.slice, gap.what, gap.rows_a, gap.rows_b, gap.difference, gap.z, p)


def _finding(gap: SliceGap, level: float, paths: tuple[str, str]) -> Finding:
    rule = RULES[0] if gap.what == "error" else RULES[1]
    what = "error rate" if gap.what == "error" else "share of rows"
    return Finding(
        rule.id,
        rule.severity,
        f"{gap.slice}: {what} in {paths[0]} minus {paths[1]} is {gap.difference}",
        Location(paths[0]),
        {
            "slice": gap.slice,
            "rowsA": gap.rows_a,
            "rowsB": gap.rows_b,
            "difference": gap.difference.to_json(),
            "z": f"{gap.z:.2f}",
            "p": f"{gap.p:.2e}",
            "level": str(level),
        },
    )
