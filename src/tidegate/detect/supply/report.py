"""What a scan says: one report a file, and the sum with its coverage.

>>> report = ScanReport((FileReport("a.pkl", "pickle", Status.CLEAN, 10),))
>>> report.status.value, dict(report.facts())["clean"], report.coverage.complete
('clean', 1, True)
>>> ScanReport(()).status.value
'inconclusive'
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from tidegate.core.canonical import Json
from tidegate.core.errors import VerificationError
from tidegate.core.finding import Coverage, Finding, Severity, Skipped

MAX_NAMES = 2_000
"""Names of code that are kept of one file."""
MAX_NAME = 200
"""Characters that are kept of one name."""


class Status(StrEnum):
    """The three results of a scan."""

    CLEAN = "clean"
    """All of it was examined, and nothing was found."""
    FINDINGS = "findings"
    """Something was found."""
    INCONCLUSIVE = "inconclusive"
    """Nothing was found, in a file that could not be examined in full."""


@dataclass(frozen=True, slots=True)
class FileReport:
    """The result for one file."""

    path: str
    """Path below the scanned folder, or the file's own name."""
    format: str
    """What its content is: ``pickle``, ``zip``, ``safetensors``, ``text``, ``unknown``…"""
    status: Status
    size: int
    """Bytes."""
    findings: tuple[Finding, ...] = ()
    gaps: tuple[str, ...] = ()
    """Why it could not be examined in full."""
    failed: bool = False
    """Whether the gap came from an error or a spent budget rather than an unsupported format."""
    names: tuple[str, ...] = ()
    """Code that loading it would look up, allowed or not: ``module:name``, sorted."""
    names_cut: bool = False
    """Whether there are more names than these."""

    def to_json(self) -> dict[str, Json]:
        """Return the machine-readable form."""
        return {
            "path": self.path,
            "format": self.format,
            "status": self.status.value,
            "size": self.size,
            "findings": [finding.to_json() for finding in self.findings],
            "gaps": list(self.gaps),
            "failed": self.failed,
            "names": list(self.names),
            "namesCut": self.names_cut,
        }

    @classmethod
    def from_json(cls, value: Json) -> Self:
        """Read what :meth:`to_json` wrote; its status must follow from its findings and gaps.

        Raises:
            VerificationError: A field is missing, of another type, or contradicts another.
        """
        try:
            findings = tuple(Finding.from_json(item) for item in value["findings"])
            gaps = tuple(str(gap) for gap in value["gaps"])
            report = cls(
                path=str(value["path"]),
                format=str(value["format"]),
                status=Status(value["status"]),
                size=int(value["size"]),
                findings=findings,
                gaps=gaps,
                failed=value["failed"] is not False,
                names=_names(value["names"]),
                names_cut=value["namesCut"] is not False,
            )
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise VerificationError("not a file's report", cause=str(error)[:200]) from None
        if report.status is not _status(findings, gaps):
            raise VerificationError("a file's report contradicts itself", slug="bad-report")
        return report


def _names(value: Json) -> tuple[str, ...]:
    """Read names; a process that was taken over must not fill the store with them."""
    names = tuple(map(str, value))
    if len(names) > MAX_NAMES or any(len(name) > MAX_NAME for name in names):
        raise ValueError("more names than are kept")
    return names


def _status(findings: Sequence[Finding], gaps: Sequence[str]) -> Status:
    if findings:
        return Status.FINDINGS
    return Status.INCONCLUSIVE if gaps else Status.CLEAN


@dataclass(frozen=True, slots=True)
class ScanReport:
    """The result for a file, a folder, or bytes."""

    files: tuple[FileReport, ...]
    """In the order of their paths."""

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All findings, in the order of files and offsets."""
        return tuple(finding for file in self.files for finding in file.findings)

    @property
    def coverage(self) -> Coverage:
        """Files planned, examined in full, skipped (unsupported) and failed (errors, budgets)."""
        whole = sum(1 for file in self.files if not file.gaps)
        gaps = [(Skipped(f.path, "; ".join(f.gaps[:4])), f.failed) for f in self.files if f.gaps]
        return Coverage(
            planned=len(self.files),
            examined=whole,
            skipped=tuple(gap for gap, failed in gaps if not failed),
            failed=tuple(gap for gap, failed in gaps if failed),
            unit="file",
        )

    @property
    def status(self) -> Status:
        """Findings beat inconclusive beats clean; nothing at all is inconclusive."""
        found = {file.status for file in self.files}
        if Status.FINDINGS in found:
            return Status.FINDINGS
        if Status.INCONCLUSIVE in found or not found:
            return Status.INCONCLUSIVE
        return Status.CLEAN

    def facts(self) -> Mapping[str, bool | int | float | str]:
        """Return what policy decides on: counts of files, and the highest severity."""
        counts = dict.fromkeys(Status, 0)
        for file in self.files:
            counts[file.status] += 1
        highest = max((finding.severity for finding in self.findings), default=None)
        return {
            "files": len(self.files),
            "clean": counts[Status.CLEAN],
            "malicious": counts[Status.FINDINGS],
            "inconclusive": counts[Status.INCONCLUSIVE],
            "findings": len(self.findings),
            "highest": "none" if highest is None else Severity(highest).label,
        }

    def to_json(self) -> dict[str, Json]:
        """Return the machine-readable form."""
        return {
            "schema": "model-scan/v1",
            "status": self.status.value,
            "coverage": self.coverage.to_json(),
            "files": [file.to_json() for file in self.files],
        }
