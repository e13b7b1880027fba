"""From what happened to an arm: decisions, refusals and goals.

>>> goal(reached=True, detail="the marker is there").end
<End.SUCCEEDED: 'succeeded'>
"""

from collections.abc import Iterable

from tidegate.core.decision import Decision
from tidegate.core.errors import CheckError
from tidegate.core.finding import Finding
from tidegate.core.stage import Outcome
from tidegate.gates.drill import Arm, End


def require_allow(decision: Decision) -> Decision:
    """Return a decision that allows.

    Raises:
        CheckError: It does not, and the drill can't be staged.
    """
    if decision.outcome is Outcome.ALLOW:
        return decision
    raise CheckError(
        "the drill can't be staged",
        where=f"{decision.stage}/{decision.action}",
        cause=why(decision),
        slug="not-staged",
    )


def why(decision: Decision) -> str:
    """Say which rules refused, and on which findings."""
    rules = ", ".join(f"{rule.rule} ({rule.control})" for rule in decision.denials)
    found = ", ".join(dict.fromkeys(finding.rule for finding in decision.findings))
    gaps = ", ".join(f"{check.id}: {check.error}" for check in decision.checks if check.error)
    return "; ".join(part for part in (rules, found, gaps) if part) or decision.outcome.value


def judged(decision: Decision) -> Arm:
    """Return a treatment arm: refused by the controls of the rules that deny, or missed."""
    if decision.outcome is Outcome.ALLOW:
        return Arm(End.MISSED, f"{decision.stage}/{decision.action} allowed it")
    denying = frozenset(
        rule.control for rule in decision.denials if rule.outcome is decision.outcome
    )
    return Arm(End.STOPPED, f"{decision.outcome.value}: {why(decision)}", denying)


def passed(decision: Decision) -> Arm:
    """Return a benign arm: let through, or blocked."""
    if decision.outcome is Outcome.ALLOW:
        return Arm(End.PASSED, f"{decision.stage}/{decision.action} allowed it")
    return Arm(End.BLOCKED, f"{decision.outcome.value}: {why(decision)}")


def goal(*, reached: bool, detail: str) -> Arm:
    """Return a control arm: whether the attack did what it is for."""
    return Arm(End.SUCCEEDED if reached else End.FAILED, detail)


def controls_of(findings: Iterable[Finding]) -> frozenset[str]:
    """Return the controls whose rules the findings are: ``TG-REG-01/bad-signature``."""
    return controls_of_rules(finding.rule for finding in findings)


def controls_of_rules(rules: Iterable[str]) -> frozenset[str]:
    """Return the controls that rule ids begin with."""
    return frozenset(rule.partition("/")[0] for rule in rules)
