"""A decision: what a gate said, why, and what proves it.

A denial is data. ``Decision.exit_code`` is what a process ends with, and the report formats
render nothing but this value.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tidegate.core.canonical import Json
from tidegate.core.finding import Coverage, Finding, Severity
from tidegate.core.policy.result import Mode, RuleResult
from tidegate.core.stage import Outcome


@dataclass(frozen=True, slots=True)
class SubjectRef:
    """A subject as reports show it."""

    name: str
    kind: str
    digest: str
    """``sha256:…``"""

    def to_json(self) -> dict[str, Json]:
        """Return the three fields."""
        return {"name": self.name, "kind": self.kind, "digest": self.digest}


@dataclass(frozen=True, slots=True)
class CheckOutcome:
    """What became of one check."""

    id: str
    control: str
    outcome: Outcome
    """``deny`` here means that it has findings; policy decides what they weigh."""
    coverage: Coverage
    detector: Mapping[str, Json]
    findings: tuple[Finding, ...] = ()
    facts: Mapping[str, bool | int | str] = field(default_factory=dict[str, bool | int | str])
    """Measurements as signed; floats are decimal strings."""
    error: str | None = None
    """Why it could not be completed."""

    def to_json(self) -> dict[str, Json]:
        """Return the form that is signed."""
        out: dict[str, Json] = {
            "id": self.id,
            "control": self.control,
            "outcome": self.outcome.value,
            "coverage": self.coverage.to_json(),
            "detector": dict(self.detector),
            "findings": [finding.to_json() for finding in self.findings],
            "facts": dict(self.facts),
        }
        if self.error:
            out["error"] = self.error
        return out


@dataclass(frozen=True, slots=True)
class Decision:
    """The result of one gate run."""

    stage: str
    action: str
    outcome: Outcome
    subjects: tuple[SubjectRef, ...]
    checks: tuple[CheckOutcome, ...]
    rules: tuple[RuleResult, ...]
    policy: str
    """``name@version sha256:…`` of the bundle that decided."""
    index: int | None = None
    """Log index of the entry; ``None`` on a dry run."""
    envelope: str | None = None
    """``sha256:…`` of the DSSE envelope; ``None`` on a dry run."""
    notes: tuple[str, ...] = ()
    """What a reader should know: an unsealed key, a reached isolation tier, a resumed run."""

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All findings, worst first."""
        found = [finding for check in self.checks for finding in check.findings]
        return tuple(sorted(found, key=lambda finding: -finding.severity))

    @property
    def coverage(self) -> Coverage:
        """The sum over all checks."""
        return sum((check.coverage for check in self.checks), Coverage())

    @property
    def worst_severity(self) -> Severity | None:
        """The severity of the worst finding."""
        return max((finding.severity for finding in self.findings), default=None)

    @property
    def denials(self) -> tuple[RuleResult, ...]:
        """The enforced rules that did not allow."""
        return tuple(
            result
            for result in self.rules
            if result.outcome is not Outcome.ALLOW and result.mode is Mode.ENFORCE
        )

    @property
    def exit_code(self) -> int:
        """0 allow, 1 deny, 4 undecided."""
        return self.outcome.exit_code

    def to_json(self) -> dict[str, Json]:
        """Return the machine-readable report (schema: decision/v1)."""
        return {
            "schema": "decision/v1",
            "stage": self.stage,
            "action": self.action,
            "outcome": self.outcome.value,
            "subjects": [subject.to_json() for subject in self.subjects],
            "coverage": self.coverage.to_json(),
            "checks": [check.to_json() for check in self.checks],
            "rules": [rule.to_json() for rule in self.rules],
            "policy": self.policy,
            "index": self.index,
            "envelope": self.envelope,
            "notes": list(self.notes),
        }
