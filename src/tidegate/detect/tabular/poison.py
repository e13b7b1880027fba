"""Poisoning test of a new drop against what was admitted before: residual association.

A cheap model learns the labels from the reference (the last admitted versions of the same source,
or other sources). Where the drop's labels differ from what that model expects, and the difference
gathers on one token, one value, one feed or the drop as a whole, somebody or something changed the
labels there. The threshold is calibrated by permutation for everything that is looked at together.

>>> import numpy as np, pyarrow as pa
>>> random = np.random.default_rng(0)
>>> def feed(rows, triggered):
...     x = random.normal(size=rows)
...     y = (x + random.normal(size=rows) > 0).astype(int)
...     mark = np.arange(rows) < triggered
...     return pa.table({"x": x, "tag": np.where(mark, "zz", "ok"), "y": np.where(mark, 1, y)})
>>> report = inspect(feed(800, 30), label="y", reference=feed(800, 0))
>>> report.suspects[0].group
'tag = zz'
>>> inspect(feed(800, 0), label="y", reference=feed(800, 0)).findings
()
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tidegate.core.finding import Coverage, Skipped
from tidegate.detect.frame import Column, Frame, labels_of
from tidegate.detect.tabular.groups import GroupBuilder, Groups, Split, add_column
from tidegate.detect.tabular.residuals import Residuals, cross_fitted
from tidegate.detect.tabular.scan import scan
from tidegate.detect.tabular.suspects import (
    PoisonReport,
    finding_of,
    smallest_visible,
    suspects_of,
)

_LIKELY = 0.5
_MOST_FEEDS = 500
_SHOWN = 10


@dataclass(frozen=True, slots=True)
class Settings:
    """How the test is calibrated."""

    level: float = 0.01
    """Share of clean drops that may be flagged."""
    permutations: int = 199
    """Deals behind the threshold; at least ``1 / level - 1``."""
    smallest: int = 5
    """Groups with fewer rows in the drop are not tested."""
    folds: int = 4
    """Models that share the reference."""
    most_classes: int = 20
    """Labels with more values than this are not tested."""
    seed: int = 0
    """Of folds and deals: the same input gives the same verdict."""


def inspect(
    drop: pa.Table,
    *,
    label: str,
    reference: pa.Table | None = None,
    feed: str | None = None,
    path: str = "drop",
    settings: Settings | None = None,
) -> PoisonReport:
    """Test a drop.

    With a reference, every token, value, feed and the drop itself are compared with it. Without
    one, feeds are compared with each other, and coverage says that nothing else was tested.

    Args:
        drop: The rows to be admitted.
        label: Its label column.
        reference: Rows admitted before, with the same label column.
        feed: The column that names where a row came from; it is no feature.
        path: How findings call the drop.
        settings: Calibration.
    """
    if reference is not None and reference.num_rows == 0:
        reference = None
    case = _Case(drop, reference, label, feed, path, settings or Settings())
    gap = _unfit(case)
    if gap is not None:
        return PoisonReport((), (), Coverage(1, 0, (gap,), unit="column"), {"rows": drop.num_rows})
    return _between_feeds(case) if reference is None else _against_reference(case, reference)


@dataclass(frozen=True, slots=True)
class _Case:
    drop: pa.Table
    reference: pa.Table | None
    label: str
    feed: str | None
    path: str
    settings: Settings


def _unfit(case: _Case) -> Skipped | None:
    settings, label = case.settings, case.label
    tables = [case.drop] if case.reference is None else [case.drop, case.reference]
    if any(label not in table.column_names for table in tables):
        return Skipped(f"column {label}", "no such label column in drop or reference")
    if any(table.num_rows < settings.smallest * settings.folds for table in tables):
        return Skipped("rows", "too few rows to fit a model and hold rows back")
    if len(np.unique(labels_of(case.drop, label))) > settings.most_classes:
        return Skipped(f"column {label}", f"more than {settings.most_classes} different labels")
    if case.reference is None and case.feed not in case.drop.column_names:
        return Skipped("drop", "no reference and no feed column: nothing to compare with")
    return None


def _against_reference(case: _Case, reference: pa.Table) -> PoisonReport:
    settings, feed = case.settings, case.feed
    tables = (reference, case.drop)
    feeds = None
    if feed and all(feed in table.column_names for table in tables):
        feeds = np.concatenate([labels_of(table, feed) for table in tables])
    without = (case.label,) if feeds is None else (case.label, str(feed))
    frame = Frame.stacked(*tables, without=without)
    looked_at = np.arange(frame.rows) >= reference.num_rows
    # The feed is a feature here: what each feed was like before is expected, only change is not.
    columns = frame.columns
    if feed and feeds is not None:
        columns = (*columns, Column(feed, "category", np.empty(0), tuple(feeds.tolist())))
    residuals = cross_fitted(
        columns,
        np.concatenate([labels_of(table, case.label) for table in tables]),
        ~looked_at,
        folds=settings.folds,
        seed=settings.seed,
    )
    builder = GroupBuilder(looked_at, settings.smallest)
    for column in frame.columns:
        add_column(builder, column, Split(~looked_at, residuals.fold))
    _add_scores(builder, residuals, looked_at, ~looked_at)
    if feed and feeds is not None:
        _add_feeds(builder, residuals, feeds, feed, looked_at)
    planned = len(frame.columns) + len(frame.skipped)
    coverage = Coverage(planned, len(frame.columns), frame.skipped, unit="column")
    return _report(case, builder.build(), residuals, looked_at, coverage)


def _between_feeds(case: _Case) -> PoisonReport:
    drop, feed = case.drop, str(case.feed)
    frame = Frame.of(drop, without=[case.label, feed])
    everyone = np.ones(drop.num_rows, dtype=np.bool_)
    residuals = cross_fitted(
        frame.columns,
        labels_of(drop, case.label),
        everyone,
        folds=case.settings.folds,
        seed=case.settings.seed,
    )
    builder = GroupBuilder(everyone, case.settings.smallest)
    _add_feeds(builder, residuals, labels_of(drop, feed), feed, everyone)
    gap = Skipped("tokens and values", "no reference to compare with: only feeds were compared")
    feeds = len(np.unique(labels_of(drop, feed)))
    coverage = Coverage(feeds, feeds, (gap, *frame.skipped), unit="feed")
    return _report(case, builder.build(), residuals, everyone, coverage)


def _add_scores(
    builder: GroupBuilder,
    residuals: Residuals,
    inside: NDArray[np.bool_],
    outside: NDArray[np.bool_],
    *,
    kind: str = "score",
    name: str = "all rows",
    column: str = "",
) -> None:
    """Add some rows as a whole, and by what was expected of them.

    Labels that are flipped both ways leave the mean residual alone, but not that of the rows of
    which one class was expected.
    """
    builder.compare(kind, name, column, np.flatnonzero(inside), np.flatnonzero(outside))
    for k, label in enumerate(residuals.classes):
        likely = residuals.chance[:, k] >= _LIKELY
        for part, word in ((likely, "expected"), (~likely, "not expected")):
            described = f"{name} where {label} is {word}"
            rows, rest = np.flatnonzero(inside & part), np.flatnonzero(outside & part)
            builder.compare(kind, described, column, rows, rest)
    if len(residuals.classes) == 1:
        # What a flip of a share of labels does to each residual, in units of its variance.
        chance = residuals.chance[:, 0]
        flip = (1 - 2 * chance) / (chance * (1 - chance))
        described = f"{name}, flips either way"
        rows, rest = np.flatnonzero(inside), np.flatnonzero(outside)
        builder.compare(kind, described, column, rows, rest, weight=flip)


def _add_feeds(
    builder: GroupBuilder,
    residuals: Residuals,
    names: NDArray[np.str_],
    feed: str,
    looked_at: NDArray[np.bool_],
) -> None:
    """Add each feed against everything else."""
    for name in np.unique(names[looked_at])[:_MOST_FEEDS].tolist():
        inside = looked_at & (names == name)
        label = f"{feed} = {name}"
        _add_scores(builder, residuals, inside, ~inside, kind="feed", name=label, column=feed)


def _report(
    case: _Case,
    groups: Groups,
    residuals: Residuals,
    looked_at: NDArray[np.bool_],
    coverage: Coverage,
) -> PoisonReport:
    settings = case.settings
    if not groups.names:
        gap = Skipped("groups", f"none has {settings.smallest} rows")
        return PoisonReport((), (), coverage + Coverage(1, 0, (gap,), unit=coverage.unit), {})
    result = scan(
        groups,
        residuals,
        looked_at,
        permutations=settings.permutations,
        level=settings.level,
        seed=settings.seed,
    )
    suspects = suspects_of(groups, residuals, result, settings.level)
    facts: dict[str, bool | int | float | str] = {
        "suspects": len(suspects),
        "p": float(result.p.min()),
        "level": settings.level,
        "rows": int(looked_at.sum()),
        "groups": len(groups.names),
        "smallest_visible": smallest_visible(residuals, looked_at, result),
    }
    findings = tuple(finding_of(suspect, case.path, facts) for suspect in suspects[:_SHOWN])
    return PoisonReport(suspects, findings, coverage, facts)
