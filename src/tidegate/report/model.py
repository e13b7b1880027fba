"""What every format renders: one decision, or the bare findings of a scan.

>>> from tidegate.core.finding import Coverage
>>> report = Report.of_findings("scan model/", (), Coverage(planned=2, examined=1))
>>> report.outcome, report.exit_code
(<Outcome.UNDECIDED: 'undecided'>, 4)
>>> Report.of_findings("scan empty/", (), Coverage()).exit_code
3
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from tidegate.core.canonical import Json
from tidegate.core.decision import Decision, SubjectRef
from tidegate.core.errors import EmptySubject, worst_exit_code
from tidegate.core.finding import Coverage, Finding, Severity
from tidegate.core.stage import Outcome


@dataclass(frozen=True, slots=True)
class FileLine:
    """One line of the table of what was looked at."""

    path: str
    format: str
    status: str
    """``clean``, ``findings`` or ``inconclusive``."""
    findings: int
    gaps: tuple[str, ...] = ()
    """Why it could not be examined in full."""

    def to_json(self) -> dict[str, Json]:
        """Return the machine-readable form."""
        return {
            "path": self.path,
            "format": self.format,
            "status": self.status,
            "findings": self.findings,
            "gaps": list(self.gaps),
        }


@dataclass(frozen=True, slots=True)
class Report:
    """A result that is shown, written or annotated; the exit code comes from nothing else."""

    title: str
    """What was done to what: ``registry promote``, ``scan model/``."""
    outcome: Outcome
    findings: tuple[Finding, ...]
    """Worst first."""
    coverage: Coverage
    subjects: tuple[SubjectRef, ...] = ()
    decision: Decision | None = None
    """The gate's decision; ``None`` for bare findings."""
    notes: tuple[str, ...] = ()
    files: tuple[FileLine, ...] = ()
    """What was looked at, in the order of paths."""
    fail_on: Severity | None = None
    """Findings at or above it end the process with 1; ``None`` leaves it to the outcome."""

    @classmethod
    def of_decision(cls, decision: Decision, *, fail_on: Severity | None = None) -> Self:
        """Wrap a gate's decision; ``fail_on`` may tighten its exit code and never relaxes it."""
        return cls(
            title=f"{decision.stage} {decision.action}",
            outcome=decision.outcome,
            findings=decision.findings,
            coverage=decision.coverage,
            subjects=decision.subjects,
            decision=decision,
            notes=decision.notes,
            fail_on=fail_on,
        )

    @classmethod
    def of_findings(
        cls,
        title: str,
        findings: Iterable[Finding],
        coverage: Coverage,
        *,
        subjects: tuple[SubjectRef, ...] = (),
        notes: tuple[str, ...] = (),
        files: tuple[FileLine, ...] = (),
        fail_on: Severity = Severity.LOW,
    ) -> Self:
        """Judge bare findings: deny from ``fail_on`` up, else undecided unless all was examined."""
        ordered = tuple(sorted(findings, key=lambda finding: -finding.severity))
        if any(finding.severity >= fail_on for finding in ordered):
            outcome = Outcome.DENY
        else:
            outcome = Outcome.ALLOW if coverage.complete else Outcome.UNDECIDED
        return cls(title, outcome, ordered, coverage, subjects, None, notes, files, fail_on)

    @property
    def exit_code(self) -> int:
        """0 allow, 1 deny, 3 nothing examined, 4 undecided; the worst that applies."""
        codes = [self.outcome.exit_code]
        if self.failing:
            codes.append(Outcome.DENY.exit_code)
        if self.decision is None and self.nothing_examined:
            # An empty folder is 3 rather than 4, as nothing went wrong; it is no pass either.
            codes = [code for code in codes if code == Outcome.DENY.exit_code]
            codes.append(EmptySubject.exit_code)
        return worst_exit_code(*codes)

    @property
    def nothing_examined(self) -> bool:
        """Whether there was nothing to look at, and nothing failed."""
        return self.coverage.examined == 0 and not self.coverage.failed

    @property
    def failing(self) -> tuple[Finding, ...]:
        """The findings at or above ``fail_on`` whose control no waiver covers."""
        if self.fail_on is None:
            return ()
        limit, waived = self.fail_on, self._waived
        return tuple(
            finding
            for finding in self.findings
            if finding.severity >= limit and finding.control not in waived
        )

    @property
    def _waived(self) -> frozenset[str]:
        rules = self.decision.rules if self.decision else ()
        return frozenset(rule.control for rule in rules if rule.waived_by)

    @property
    def coverage_line(self) -> str:
        """One sentence: what was planned, examined, skipped and failed."""
        gaps = f"{len(self.coverage.skipped)} skipped, {len(self.coverage.failed)} failed"
        return f"{examined(self.coverage)}, {gaps}"


def examined(coverage: Coverage) -> str:
    """Say how much was examined.

    >>> examined(Coverage(6, 5, unit="duty"))
    '5 of 6 duties examined'
    """
    unit = coverage.unit
    if coverage.planned != 1:
        unit = f"{unit[:-1]}ies" if unit.endswith("y") else f"{unit}s"
    return f"{coverage.examined} of {coverage.planned} {unit} examined"
