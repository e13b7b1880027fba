"""The exit code and outcome of a report follow from what was found and examined."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from tidegate.core.decision import Decision
from tidegate.core.finding import Coverage, Finding, Severity, Skipped
from tidegate.core.policy.result import Mode, RuleResult
from tidegate.core.stage import Outcome
from tidegate.report import Report

MakeFinding = Callable[..., Finding]
MakeDecision = Callable[..., Decision]

GAP = (Skipped("b.bin", "encrypted"),)


@dataclass(frozen=True)
class Case:
    name: str
    coverage: Coverage
    severities: tuple[Severity, ...]
    outcome: Outcome
    code: int
    fail_on: Severity = Severity.LOW


CASES = (
    Case("all examined and clean", Coverage(2, 2), (), Outcome.ALLOW, 0),
    Case("a skip is no pass", Coverage(2, 1, GAP), (), Outcome.UNDECIDED, 4),
    Case("a failed check is no pass", Coverage(1, 0, (), GAP), (), Outcome.UNDECIDED, 4),
    Case("fewer than planned is no pass", Coverage(2, 1), (), Outcome.UNDECIDED, 4),
    Case("nothing there", Coverage(), (), Outcome.UNDECIDED, 3),
    Case("nothing but skips", Coverage(1, 0, GAP), (), Outcome.UNDECIDED, 3),
    Case("a finding denies", Coverage(1, 1), (Severity.HIGH,), Outcome.DENY, 1),
    Case("deny beats undecided", Coverage(2, 1, GAP), (Severity.HIGH,), Outcome.DENY, 1),
    Case("deny beats nothing examined", Coverage(1, 0, GAP), (Severity.HIGH,), Outcome.DENY, 1),
    Case(
        "below the limit",
        Coverage(1, 1),
        (Severity.HIGH,),
        Outcome.ALLOW,
        0,
        fail_on=Severity.CRITICAL,
    ),
    Case("at the limit", Coverage(1, 1), (Severity.HIGH,), Outcome.DENY, 1, fail_on=Severity.HIGH),
    Case("information only", Coverage(1, 1), (Severity.INFO,), Outcome.ALLOW, 0),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_bare_findings_are_judged(case: Case, finding: MakeFinding) -> None:
    findings = [finding("x", severity) for severity in case.severities]
    report = Report.of_findings("scan", findings, case.coverage, fail_on=case.fail_on)
    assert (report.outcome, report.exit_code) == (case.outcome, case.code)


def test_a_decisions_exit_code_is_its_own(decision: MakeDecision) -> None:
    for outcome in Outcome:
        report = Report.of_decision(decision(outcome=outcome))
        assert report.exit_code == outcome.exit_code


def test_fail_on_tightens_a_decision_and_never_relaxes_it(decision: MakeDecision) -> None:
    allowed = decision(outcome=Outcome.ALLOW)
    assert Report.of_decision(allowed, fail_on=Severity.HIGH).exit_code == 1
    assert Report.of_decision(allowed, fail_on=Severity.CRITICAL).exit_code == 0
    assert Report.of_decision(decision(), fail_on=Severity.CRITICAL).exit_code == 1


def test_a_waived_control_does_not_fail_on(decision: MakeDecision) -> None:
    """What is printed, signed and exited with agree about waivers."""
    rule = RuleResult(
        "registry.scan",
        "TG-REG-03",
        Outcome.ALLOW,
        Severity.HIGH,
        Mode.ENFORCE,
        "",
        "",
        waived_by="w-1",
    )
    waived = decision(outcome=Outcome.ALLOW, rules=(rule,))
    assert Report.of_decision(waived, fail_on=Severity.HIGH).exit_code == 0


def test_findings_are_worst_first(finding: MakeFinding) -> None:
    low, high = finding("x", Severity.LOW), finding("y", Severity.CRITICAL)
    assert Report.of_findings("scan", [low, high], Coverage(1, 1)).findings == (high, low)
