"""JUnit XML: one test case a rule, check or finding; undecided is an error, never skipped.

CI systems read ``skipped`` as harmless, so it is not used: what was not examined is an error.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from tidegate.core.finding import Coverage, Finding
from tidegate.core.stage import Outcome
from tidegate.report.model import Report, examined
from tidegate.report.style import Style
from tidegate.report.untrusted import clip, plain


@dataclass(frozen=True, slots=True)
class _Case:
    """One test case; ``result`` is ``failure``, ``error`` or empty for a pass."""

    group: str
    name: str
    result: str = ""
    message: str = ""
    detail: tuple[str, ...] = ()
    """Lines, untrusted."""


_RESULT = {Outcome.ALLOW: "", Outcome.DENY: "failure", Outcome.UNDECIDED: "error"}


def render(report: Report, _style: Style) -> str:
    """Write one test suite."""
    cases = list(_cases(report))
    failures = sum(case.result == "failure" for case in cases)
    errors = sum(case.result == "error" for case in cases)
    counts = f'tests="{len(cases)}" failures="{failures}" errors="{errors}" skipped="0"'
    name = _attribute(f"tidegate {report.title}")
    body = "".join(_write(case) for case in cases)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<testsuites {counts}>\n  <testsuite name={name} {counts}>\n"
        f"{body}  </testsuite>\n</testsuites>\n"
    )


def _cases(report: Report) -> Iterator[_Case]:
    yield _coverage("coverage", "coverage", report.coverage)
    if report.decision is None:
        for finding in report.findings:
            yield _finding(finding, failing=finding in report.failing)
    else:
        for rule in report.decision.rules:
            deciding = rule in report.decision.denials
            result = _RESULT[rule.outcome] if deciding else ""
            yield _Case(
                rule.control, f"rule {rule.rule}", result, rule.message, (f"fix: {rule.fix}",)
            )
        for check in report.decision.checks:
            detail = tuple(_line(finding) for finding in check.findings)
            result = "error" if check.error else _RESULT[check.outcome]
            message = check.error or f"findings: {len(check.findings)}"
            yield _Case(
                check.control, f"check {check.id}", result, message if result else "", detail
            )
    result = _RESULT[report.outcome] or ("failure" if report.exit_code else "")
    yield _Case("outcome", report.title, result, report.outcome.value if result else "")


def _coverage(group: str, name: str, coverage: Coverage) -> _Case:
    if coverage.complete:
        return _Case(group, name)
    gaps = [("failed", gap) for gap in coverage.failed] + [("skipped", g) for g in coverage.skipped]
    detail = tuple(f"{kind} {gap.what}: {gap.why}" for kind, gap in gaps)
    return _Case(group, name, "error", examined(coverage), detail)


def _finding(finding: Finding, *, failing: bool) -> _Case:
    name = f"{finding.rule} {finding.location}"
    result = "failure" if failing else ""
    return _Case(finding.control, name, result, finding.message, (_line(finding),))


def _line(finding: Finding) -> str:
    text = f"{finding.severity.label} {finding.rule} {finding.location}: {finding.message}"
    return text + (f" fix: {finding.fix}" if finding.fix else "")


def _write(case: _Case) -> str:
    head = f"    <testcase classname={_attribute(case.group)} name={_attribute(case.name)}"
    if not case.result:
        return head + "/>\n"
    from xml.sax.saxutils import escape  # noqa: PLC0415 - it brings an HTTP client along

    message = _attribute(case.message)
    detail = escape("\n".join(plain(line) for line in case.detail))
    return (
        f"{head}>\n      <{case.result} message={message}>"
        f"{detail}</{case.result}>\n    </testcase>\n"
    )


def _attribute(text: str) -> str:
    from xml.sax.saxutils import quoteattr  # noqa: PLC0415 - as above

    # plain() leaves no character that XML 1.0 forbids.
    return quoteattr(clip(text, 1_000))
