"""Reports that the format tests render."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from tidegate.core.decision import CheckOutcome, Decision, SubjectRef
from tidegate.core.finding import Coverage, Finding, Location, Severity, Skipped
from tidegate.core.policy.result import FactState, FactUse, Mode, RuleResult
from tidegate.core.stage import Outcome
from tidegate.report import Report

HOSTILE = (
    "line\nbreak\r\nand\x1b[31mred\x1b]0;title\x07 \u202egnp.exe\u2066 zero\u200bwidth\u2028sep "
    "</script><img src=x onerror=alert(1)> ]]> & \"quote' `tick` |pipe| [a](http://evil.example) "
    "@maintainer www.evil.example ::error file=x::gotcha %0A =cmd|' /C calc'!A0 \x00\x7f\x9b "
    "\ud800 \U000e0041"
)
"""Everything that some format or terminal gives a meaning to."""


def _finding(text: str = "a call to posix.system", severity: Severity = Severity.HIGH) -> Finding:
    return Finding(
        "TG-REG-03/pickle-call",
        severity,
        text,
        Location(text if text == HOSTILE else "model/weights.pkl", offset=12, column="c"),
        {"callable": text},
        fix=f"convert it {text}",
    )


def _decision(text: str = "the evidence of train is missing", **changes: object) -> Decision:
    rule = RuleResult(
        rule="registry.full-chain",
        control="TG-REG-02",
        outcome=Outcome.DENY,
        severity=Severity.CRITICAL,
        mode=Mode.ENFORCE,
        message=text,
        fix=f"run the gate {text}",
        facts=(
            FactUse("train.verified", "", FactState.MISSING, f"log 12 {text}"),
            FactUse("check.scan.findings", "1", FactState.PRESENT, "check scan"),
        ),
    )
    measured = {
        "recall": "0.97 [0.94, 0.99]",
        "falsePositiveRate": "0.01",
        "data": "a corpus",
        "date": "2026-01-01",
    }
    checks = (
        CheckOutcome(
            "scan",
            "TG-REG-03",
            Outcome.DENY,
            Coverage(2, 1, (Skipped(text, text),), unit="file"),
            {"name": "scan", "version": "1", "measured": measured},
            (_finding(text),),
        ),
        CheckOutcome(
            "bom",
            "TG-REG-04",
            Outcome.UNDECIDED,
            Coverage(1, 0, (), (Skipped("bom", text),), unit="file"),
            {"name": "bom", "version": "1"},
            error=text,
        ),
    )
    made = Decision(
        stage="registry",
        action="promote",
        outcome=Outcome.DENY,
        subjects=(SubjectRef(text, "model", "sha256:" + "ab" * 32),),
        checks=checks,
        rules=(rule,),
        policy="default@1 sha256:" + "cd" * 32,
        index=17,
        envelope="sha256:" + "ef" * 32,
        notes=(text,),
    )
    return replace(made, **changes)  # type: ignore[arg-type]  # names are checked at run time


@pytest.fixture
def hostile() -> list[Report]:
    """A decision and a scan whose every string is hostile."""
    gaps = Coverage(2, 1, (Skipped(HOSTILE, HOSTILE),), unit=HOSTILE)
    scan = Report.of_findings(HOSTILE, [_finding(HOSTILE)], gaps, notes=(HOSTILE,))
    return [Report.of_decision(_decision(HOSTILE)), scan]


@pytest.fixture
def finding() -> Callable[..., Finding]:
    """Make a finding: text, severity."""
    return _finding


@pytest.fixture
def decision() -> Callable[..., Decision]:
    """Make a denied promotion: text, and any field of it."""
    return _decision
