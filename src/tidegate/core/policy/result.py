"""What evaluating one rule gives: an outcome with the facts that it rests on."""

from dataclasses import dataclass
from enum import StrEnum

from tidegate.core.canonical import Json
from tidegate.core.finding import Severity
from tidegate.core.stage import Outcome


class Mode(StrEnum):
    """How far a rule's verdict reaches."""

    SHADOW = "shadow"
    """Recorded only."""
    WARN = "warn"
    """Shown, and does not decide."""
    ENFORCE = "enforce"
    """Decides."""


class FactState(StrEnum):
    """Whether a fact could be established."""

    PRESENT = "present"
    MISSING = "missing"
    """It never existed: a rule that needs it denies."""
    UNREADABLE = "unreadable"
    """It can't be read or checked: a rule that needs it is undecided."""


@dataclass(frozen=True, slots=True)
class FactUse:
    """A fact as a rule saw it."""

    name: str
    value: str
    """Its value in CEL notation, or empty when it is not present."""
    state: FactState
    source: str
    """Where it comes from: ``log 12``, ``check pii``, ``request``."""

    def to_json(self) -> dict[str, Json]:
        """Return the form that is signed."""
        return {
            "name": self.name,
            "value": self.value,
            "state": self.state.value,
            "source": self.source,
        }


@dataclass(frozen=True, slots=True)
class RuleResult:
    """The verdict of one rule."""

    rule: str
    """Rule id inside the policy bundle, such as ``registry.full-chain``."""
    control: str
    """The control that the rule enforces."""
    outcome: Outcome
    severity: Severity
    mode: Mode
    message: str
    """Why, for a person; empty when it allows."""
    fix: str
    """How to get to allow."""
    facts: tuple[FactUse, ...] = ()
    waived_by: str | None = None
    """The waivers' ids, where they turned a denial into an allow."""
    error: str | None = None
    """Why the rule itself could not be evaluated; told apart from a denial, and never an allow."""

    def to_json(self) -> dict[str, Json]:
        """Return the form that is signed."""
        out: dict[str, Json] = {
            "rule": self.rule,
            "control": self.control,
            "outcome": self.outcome.value,
            "severity": self.severity.label,
            "mode": self.mode.value,
            "message": self.message,
            "fix": self.fix,
            "facts": [fact.to_json() for fact in self.facts],
        }
        if self.waived_by:
            out["waivedBy"] = self.waived_by
        if self.error:
            out["error"] = self.error
        return out
