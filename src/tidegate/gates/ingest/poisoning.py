"""Is a new drop poisoned? Compared with what was admitted of its source before.

A source's first drop is compared with other sources' tables of the same columns. Where there is
nothing to compare with, or no label column, only repetition within the drop is measured, and the
fact ``compared`` is false: a policy that wants more can ask for it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pyarrow as pa

from tidegate.core.canonical import Json
from tidegate.core.finding import Coverage, Skipped
from tidegate.detect.tabular.poison import inspect
from tidegate.detect.tabular.poison_rules import DETECTOR
from tidegate.gates.contract import Check, CheckResult, Scalar
from tidegate.tables.load import TableFile


@dataclass(frozen=True, slots=True)
class Reference:
    """A version that was admitted before."""

    name: str
    digest: str
    """``sha256:…`` of its bytes."""
    read: Callable[[], pa.Table]
    """Reads the kept bytes, verified by that digest.

    Raises:
        TidegateError: They are gone or damaged; the check is undecided then.
    """


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a drop is compared with, and by which columns."""

    references: tuple[Reference, ...] = ()
    """Newest first."""
    target: str | None = None
    """The label column."""
    feed: str | None = None
    """The column that says which feed a row came from."""


def poison_check(drop: TableFile, comparison: Comparison, *, name: str) -> Check:
    """Check a drop for labels that nothing before it leads one to expect.

    Args:
        drop: The table to be admitted.
        comparison: With what.
        name: How findings call the drop.
    """

    def run() -> CheckResult:
        target, feed = comparison.target, comparison.feed
        if target is None or not (comparison.references or feed):
            return _alone(drop.table)
        reference = _pooled(comparison.references)
        report = inspect(drop.table, label=target, reference=reference, feed=feed, path=name)
        coverage = report.coverage if reference else _of_feeds(report.coverage)
        facts = {
            **report.facts,
            "compared": reference is not None,
            "references": len(comparison.references),
            "tested": "labels" if reference else "feeds",
        }
        return CheckResult(coverage, report.findings, facts)

    depends: dict[str, Json] = {
        "schema": str(drop.schema.digest),
        "references": [item.digest for item in comparison.references],
        "target": comparison.target,
        "feed": comparison.feed,
    }
    return Check("poison", "TG-ING-04", DETECTOR, run, resume_key=depends)


def folder_check(tables: Mapping[str, tuple[TableFile, Comparison]]) -> Check:
    """Check each table of a folder as if it came alone: a folder is no way round the test.

    Args:
        tables: By the name that findings call it: the table, and with what it is compared.
    """
    single = {
        name: poison_check(drop, comparison, name=name)
        for name, (drop, comparison) in tables.items()
    }

    def run() -> CheckResult:
        results = [check.run() for check in single.values()]
        facts: dict[str, Scalar] = {
            "compared": all(result.facts.get("compared") is True for result in results),
            "references": max(len(item.references) for _, item in tables.values()),
            "tested": ",".join(sorted({str(result.facts.get("tested")) for result in results})),
            "tables": len(results),
        }
        return CheckResult(
            sum((result.coverage for result in results), Coverage()),
            tuple(finding for result in results for finding in result.findings),
            facts,
        )

    depends: Json = {name: check.resume_key for name, check in single.items()}
    return Check("poison", "TG-ING-04", DETECTOR, run, resume_key={"tables": depends})


def _pooled(references: tuple[Reference, ...]) -> pa.Table | None:
    """Return the newest version, and older ones as far as they have its columns and types."""
    tables = [reference.read() for reference in references]
    if not tables:
        return None
    alike = [table for table in tables if table.schema == tables[0].schema]
    return pa.concat_tables(alike)


def _alone(drop: pa.Table) -> CheckResult:
    """Measure repetition: all that can be said of a drop without labels or a reference."""
    distinct = drop.group_by(drop.column_names).aggregate([]).num_rows
    facts: dict[str, Scalar] = {
        "compared": False,
        "references": 0,
        "tested": "repeats",
        "rows": drop.num_rows,
        "repeated": (drop.num_rows - distinct) / drop.num_rows,
    }
    columns = len(drop.column_names)
    return CheckResult(Coverage(columns, columns, unit="column"), (), facts)


def _of_feeds(coverage: Coverage) -> Coverage:
    """Leave out what the fact ``compared`` says already: there was no reference."""
    gaps: tuple[Skipped, ...] = tuple(
        gap for gap in coverage.skipped if gap.what != "tokens and values"
    )
    return Coverage(coverage.planned, coverage.examined, gaps, coverage.failed, coverage.unit)
