"""The duties of who admits data: owner, source, licence, label, and another person's yes.

>>> duties = Duties(owner="Risk", source="feed-a", licence="", label="internal", tier="partner",
...                 approvers=("dana",))
>>> [finding.rule for finding in duties.result("drop.csv").findings]
['TG-ING-02/no-licence']
"""

from dataclasses import dataclass

from tidegate.core.finding import Coverage, Detector, Finding, Location, Rule, Severity
from tidegate.gates.contract import CheckResult, Scalar

UNREGISTERED = "unknown"
"""The tier of a source that is not in the register."""
_ATLAS = ("AML.T0010.002", "AML.T0019")
_OWASP = ("LLM03:2025", "LLM04:2025")


def _rule(rule: str, title: str, risk: str, fix: str) -> Rule:
    return Rule(rule, title, Severity.HIGH, risk, fix, _ATLAS, _OWASP)


RULES = (
    _rule(
        "TG-ING-02/no-owner",
        "Data that nobody answers for",
        "When the data turns out wrong, nobody can say what is right.",
        "Name who answers for the data with --owner.",
    ),
    _rule(
        "TG-ING-01/no-source",
        "Data that names no source",
        "Nobody can tell where it came from, nor what else came from there.",
        "Name the source with --source.",
    ),
    _rule(
        "TG-ING-02/no-licence",
        "Data without a licence",
        "What is trained on it may not be used, and that shows only later.",
        "Name the licence with --licence.",
    ),
    _rule(
        "TG-ING-06/no-label",
        "Data without a sensitivity label",
        "Nothing can say which personal data may be in it, nor who may read it.",
        "Label it with --label.",
    ),
    _rule(
        "TG-ING-02/no-approval",
        "Data that no steward but its owner approved",
        "One person alone can bring data into every model.",
        "Let a steward who is not the owner admit it, or run `tidegate approve`.",
    ),
    _rule(
        "TG-ING-01/unregistered-source",
        "Data of a source that is not in the register",
        "Nobody decided how far this source is trusted.",
        "Run `tidegate ingest source add`.",
    ),
)
DETECTOR = Detector("governance", "1")


@dataclass(frozen=True, slots=True)
class Duties:
    """What was stated about data, and by whom it was approved."""

    owner: str
    source: str
    licence: str
    label: str
    tier: str
    """The registered tier of the source, else :data:`UNREGISTERED`."""
    approvers: tuple[str, ...]
    """Stewards, without the owners of the data and of its source."""

    def result(self, name: str) -> CheckResult:
        """Return a finding for each duty that is not fulfilled."""
        kept = (
            bool(self.owner),
            bool(self.source),
            bool(self.licence),
            bool(self.label),
            bool(self.approvers),
            self.tier != UNREGISTERED or not self.source,
        )
        findings = tuple(
            Finding(rule.id, rule.severity, _MESSAGES[rule.id], Location(name))
            for rule, fulfilled in zip(RULES, kept, strict=True)
            if not fulfilled
        )
        facts: dict[str, Scalar] = {
            "has_owner": kept[0],
            "has_source": kept[1],
            "has_licence": kept[2],
            "has_label": kept[3],
            "has_approval": kept[4],
            "tier": self.tier,
        }
        return CheckResult(Coverage(len(kept), len(kept), unit="duty"), findings, facts)


_MESSAGES = {
    "TG-ING-02/no-owner": "the data has no owner",
    "TG-ING-01/no-source": "the data names no source",
    "TG-ING-02/no-licence": "the data has no licence",
    "TG-ING-06/no-label": "the data has no sensitivity label",
    "TG-ING-02/no-approval": "no steward but its owner approved the data",
    "TG-ING-01/unregistered-source": "the source is not registered",
}
