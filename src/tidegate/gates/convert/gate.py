"""A conversion as a transform: the prepare stage's gate, which also scans what came out.

What is converted is loaded, and loading runs what is in it: it happens confined, without a network,
and with nothing in sight but the model and this program. A hostile model can decide what the
converted one holds; it can't make it run anything, as that is scanned and must be clean.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from tidegate.core.errors import CheckError
from tidegate.core.stage import Stage
from tidegate.detect.supply.engine import scan_path
from tidegate.detect.supply.report import FileReport, ScanReport, Status
from tidegate.gates.command.checks import isolation_check, transform_check
from tidegate.gates.command.produce import Prepared
from tidegate.gates.contract import Check, GateRequest
from tidegate.gates.prepare.split import overlap_check, split_of
from tidegate.gates.registry.gate import scan_check
from tidegate.sandbox.order import Completed
from tidegate.sandbox.scanner import ConfinedScanner

PROGRAM: Final = Path(__file__).parent / "program"
"""Folder of the program that runs confined."""
INPUT: Final = "model"


class Form(StrEnum):
    """What a model can be converted to."""

    SAFETENSORS = "safetensors"
    SKOPS = "skops"

    @property
    def file(self) -> str:
        """How the program calls what it leaves."""
        return f"model.{self.value}"

    @property
    def scanned_as(self) -> str:
        """How the scanner calls the format."""
        return "zip" if self is Form.SKOPS else self.value


@dataclass(frozen=True, slots=True)
class ConvertGate:
    """The checks around a conversion: those of a transform, and a scan of what came out."""

    prepared: Prepared
    completed: Completed | None
    """``None`` while the order is judged."""
    form: Form
    scanner: ConfinedScanner

    @property
    def stage(self) -> Stage:
        """Prepare."""
        return Stage.PREPARE

    def checks(self, request: GateRequest) -> Sequence[Check]:  # noqa: ARG002 - the protocol's
        """Return the checks: transform and isolation; the scan once there is something."""
        checks = [transform_check(self.prepared), isolation_check(self.completed)]
        if self.completed is not None:
            output, files = self.prepared.job.output, self.completed.outputs
            checks.append(overlap_check(output, files, split_of(files, (), ())))
            checks.append(scan_check(output / self.form.file, self.scanner))
        return checks


def check_source(path: Path, scanner: ConfinedScanner, *, despite: bool) -> ScanReport:
    """Scan what is to be converted, and refuse it unless it is clean or somebody insists.

    Args:
        path: The model file.
        scanner: Examines it.
        despite: Whether it may be loaded, confined, whatever was found.

    Raises:
        CheckError: It is not clean.
        SubjectError: There is no such file.
    """
    report = scan_path(path, examiner=scanner)
    if report.status is not Status.CLEAN and not despite:
        raise CheckError(
            "the model is not converted: it is not clean, and converting loads it",
            where=str(path),
            cause=_said(report.files),
            next_step="look at it with `tidegate scan`; --despite-findings loads it confined",
            slug="not-clean",
        )
    return report


def check_converted(
    folder: Path, files: Sequence[str], form: Form, scanner: ConfinedScanner
) -> ScanReport:
    """Scan what the program left, and refuse it unless it is one clean file of the format.

    Raises:
        CheckError: It is something else.
    """
    if list(files) != [form.file]:
        raise _refused(f"it left {len(files)} files: {', '.join(map(ascii, files[:4]))}")
    report = scan_path(folder / form.file, examiner=scanner)
    if report.status is not Status.CLEAN:
        raise _refused(_said(report.files))
    if report.files[0].format != form.scanned_as:
        raise _refused(f"it is no {form.value} file but {report.files[0].format}")
    return report


def _said(files: Sequence[FileReport]) -> str:
    said = [finding.message for file in files for finding in file.findings]
    return "; ".join((said or [gap for file in files for gap in file.gaps])[:3])


def _refused(why: str) -> CheckError:
    return CheckError(
        "the conversion did not leave what it should",
        cause=why,
        next_step="nothing was kept; ask the producer for a file in this format",
        slug="bad-conversion",
    )
