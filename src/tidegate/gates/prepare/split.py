"""Which outputs are for training and which for validation, and whether they share rows.

>>> split_of(["train.csv", "parts/valid_a.csv", "card.md"])
Split(train=('train.csv',), validation=('parts/valid_a.csv',))
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pyarrow as pa

from tidegate.core.errors import CheckError
from tidegate.core.finding import Coverage, Finding
from tidegate.detect.tabular.overlap import OverlapReport, compare
from tidegate.detect.tabular.overlap_rules import DETECTOR
from tidegate.gates.contract import Check, CheckResult, Scalar
from tidegate.tables.infer import infer_schema
from tidegate.tables.load import TableFile, is_tabular

_TRAIN = ("train",)
_VALIDATION = ("valid", "val", "test", "holdout", "held_out", "eval")


@dataclass(frozen=True, slots=True)
class Split:
    """Output files, by their paths under the output folder."""

    train: tuple[str, ...] = ()
    validation: tuple[str, ...] = ()

    @property
    def comparable(self) -> bool:
        """Whether there is something on both sides."""
        return bool(self.train and self.validation)

    def role(self, name: str) -> str:
        """Return ``train``, ``validation`` or nothing."""
        if name in self.train:
            return "train"
        return "validation" if name in self.validation else ""


def split_of(
    outputs: Sequence[str], train: Sequence[str] = (), validation: Sequence[str] = ()
) -> Split:
    """Tell the sides of a split: as they are named, else tables by the first word of their names.

    Names that begin with ``train`` are for training; ``valid``, ``val``, ``test``, ``holdout``,
    ``held_out`` and ``eval`` for validation. So a split is compared though nobody asked for it.

    Raises:
        CheckError: A named file is not among the outputs, is no table, or is on both sides.
    """
    for name in (*train, *validation):
        if name not in outputs or not is_tabular(Path(name)):
            raise CheckError(
                "the command left no such table",
                where=name[:200],
                cause=f"it left {', '.join(outputs[:8])}"[:300],
                next_step="name outputs by their path under the output folder",
                slug="no-such-output",
            )
        if name in train and name in validation:
            raise CheckError("a file is on both sides of the split", where=name, slug="both-sides")
    tables = [name for name in outputs if is_tabular(Path(name))]
    return Split(
        tuple(train) or tuple(n for n in tables if _begins(n, _TRAIN) and n not in validation),
        tuple(validation) or tuple(n for n in tables if _begins(n, _VALIDATION) and n not in train),
    )


def overlap_check(output: Path, outputs: Sequence[str], split: Split) -> Check:
    """Check that no validation row is, or nearly is, a training row.

    Each validation file is compared with all training files together. Without both sides there is
    nothing to compare, and the fact ``split`` says so; ``exact`` and ``near`` are not stated then.
    """

    def run() -> CheckResult:
        if not split.comparable:
            count = len(outputs)
            return CheckResult(Coverage(count, count, unit="output"), (), {"split": False})
        train = pa.concat_tables(
            [_table(output / name) for name in split.train], promote_options="permissive"
        )
        reports = [compare(train, _table(output / name), path=name) for name in split.validation]
        return _joined(reports)

    return Check("overlap", "TG-PRE-05", DETECTOR, run)


def _begins(name: str, words: tuple[str, ...]) -> bool:
    return PurePosixPath(name).name.lower().replace("-", "_").startswith(words)


def _table(path: Path) -> pa.Table:
    return TableFile(path, infer_schema(path)).table


def _joined(reports: list[OverlapReport]) -> CheckResult:
    findings: dict[str, Finding] = {}
    for report in reports:
        for finding in report.findings:
            # Repeats within the training set come back with every comparison.
            findings.setdefault(f"{finding.rule} {finding.location} {finding.message}", finding)
    facts: dict[str, Scalar] = {
        "split": True,
        "exact": sum(report.exact.hits for report in reports),
        "near": max(report.near.rate.value for report in reports),
        "near_rows": sum(report.near.hits for report in reports),
        "sets": len(reports),
    }
    coverage = sum((report.coverage for report in reports), Coverage(unit="column"))
    return CheckResult(coverage, tuple(findings.values()), facts)
