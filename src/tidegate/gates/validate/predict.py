"""Ask the model, confined: the predict command runs once a set and never sees a label.

The model is scanned first and is not run when the scan finds something; it is loaded by the
command alone, in a process without network, other data or keys.
"""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tidegate.core.errors import CheckError, EmptySubject, TidegateError
from tidegate.core.finding import Severity
from tidegate.detect.frame import labels_of
from tidegate.detect.supply.engine import scan_path
from tidegate.detect.supply.report import ScanReport
from tidegate.gates.validate.sets import Texts, ValidationSet
from tidegate.sandbox.confine import run_confined
from tidegate.sandbox.order import Completed, Limits, Order, Tier
from tidegate.sandbox.scanner import ConfinedScanner
from tidegate.tables.load import load_table

OUTPUT = "predictions.csv"
MAX_OUTPUT = 1 << 30
_TAIL = 1_500


@dataclass(frozen=True, slots=True)
class Command:
    """How the model is asked."""

    argv: Sequence[str]
    code: Path
    """Exported code: the command's working directory."""
    limits: Limits = field(default_factory=Limits)
    tier: Tier = Tier.NAMESPACES


@dataclass(frozen=True, slots=True)
class Answers:
    """What the model said about one set, row by row."""

    set: ValidationSet
    predicted: Texts
    """(rows,) the predicted label."""
    score: NDArray[np.float64] | None
    """(rows,) how sure it is of the positive label, where the command says so."""
    completed: Completed

    @property
    def right(self) -> NDArray[np.bool_]:
        """Whether each prediction is the true label."""
        return np.asarray(self.predicted == self.set.truth)


class Trial:
    """The scan and the predictions, each made once, when the first check asks."""

    def __init__(self, model: Path, sets: Sequence[ValidationSet], command: Command) -> None:
        self.model = model
        self.sets = tuple(sets)
        self.command = command
        self._failure: TidegateError | None = None

    @cached_property
    def scan(self) -> ScanReport:
        """The model's scan."""
        with ConfinedScanner() as scanner:
            return scan_path(self.model, examiner=scanner)

    @property
    def answers(self) -> Mapping[str, Answers]:
        """Answers by set.

        Raises:
            CheckError: The scan forbids it, the command failed, or it wrote something else than one
                prediction a row. Every later call raises the same.
        """
        if self._failure is not None:
            raise self._failure
        try:
            return self._answers
        except TidegateError as error:
            self._failure = error
            raise

    @cached_property
    def _answers(self) -> Mapping[str, Answers]:
        worst = max((finding.severity for finding in self.scan.findings), default=None)
        if worst is not None and worst >= Severity.MEDIUM:
            raise CheckError(
                "the model was not run: its scan has findings",
                where=self.model.name,
                cause=f"{len(self.scan.findings)} findings, the worst {Severity(worst).label}",
                next_step="export the model in a format without code, or look at `tidegate scan`",
                slug="model-refused",
            )
        return {item.name: self._ask(item) for item in self.sets}

    def _ask(self, item: ValidationSet) -> Answers:
        with tempfile.TemporaryDirectory(prefix="tidegate-predict-") as name:
            output = Path(name)
            completed = run_confined(
                Order(
                    argv=self.command.argv,
                    code=self.command.code,
                    inputs={"model": self.model, "data": item.features},
                    output=output,
                    environment={"TIDEGATE_DATA_FORMAT": item.format.value},
                    limits=self.command.limits,
                    minimum_tier=self.command.tier,
                )
            )
            _check_exit(completed, self.command.argv, item.name)
            return _read(output / OUTPUT, item, completed)


def _check_exit(completed: Completed, argv: Sequence[str], name: str) -> None:
    if completed.returncode == 0 and not completed.stopped:
        return
    tail = completed.stderr.decode("utf-8", "replace").strip()[-_TAIL:]
    why = (
        f"it passed its limit {completed.stopped}"
        if completed.stopped
        else f"it exited with {completed.returncode}"
    )
    raise CheckError(
        f"the predict command failed on set {name}",
        where=" ".join(argv)[:200],
        cause=f"{why}; its last words: {tail.splitlines()[-1] if tail else '(none)'}",
        next_step="run it by hand with TIDEGATE_INPUTS and TIDEGATE_OUTPUT set",
        slug="predict-failed",
    )


def _read(path: Path, item: ValidationSet, completed: Completed) -> Answers:
    if OUTPUT not in completed.outputs:
        raise _bad(item, f"it left no {OUTPUT}")
    if path.stat().st_size > MAX_OUTPUT:
        raise _bad(item, f"it is larger than {MAX_OUTPUT >> 30} GiB")
    try:
        table = load_table(path)
    except EmptySubject:
        raise _bad(item, "it has no rows") from None
    if "prediction" not in table.column_names:
        raise _bad(item, "it has no column `prediction`")
    if table.num_rows != item.rows:
        raise _bad(item, f"{table.num_rows} predictions for {item.rows} rows")
    if table["prediction"].null_count:
        raise _bad(item, f"{table['prediction'].null_count} predictions are empty")
    return Answers(item, labels_of(table, "prediction"), _score(table, item), completed)


def _score(table: pa.Table, item: ValidationSet) -> NDArray[np.float64] | None:
    if "score" not in table.column_names:
        return None
    values = np.asarray(
        [v if isinstance(v, int | float) else float("nan") for v in table["score"].to_pylist()],
        dtype=np.float64,
    )
    if not np.isfinite(values).all():
        raise _bad(item, "a score is no finite number")
    return values


def _bad(item: ValidationSet, why: str) -> CheckError:
    return CheckError(
        f"the predict command did not answer every row of set {item.name}",
        where=OUTPUT,
        cause=why,
        next_step="write one row of `prediction` for each row of the data, in the same order",
        slug="bad-predictions",
    )
