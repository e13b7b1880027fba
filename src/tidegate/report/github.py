"""GitHub workflow commands: findings as annotations on the changed files.

The runner reads ``::error file=…::message`` at the start of a line, so a line break inside a
value would start a command of its own; values are one line of printable text, and ``%``, ``:``
and ``,`` are percent-encoded as the runner's toolkit does.
"""

from tidegate.core.finding import Finding, Severity
from tidegate.core.stage import Outcome
from tidegate.report.model import Report
from tidegate.report.style import Style
from tidegate.report.untrusted import clip, plain

MAX_ANNOTATIONS = 50
"""The runner itself shows few of each kind; the rest is counted."""


def render(report: Report, _style: Style) -> str:
    """Write one annotation for the outcome, each denial, each gap and each finding."""
    lines = [_command(_outcome_level(report), _summary(report), title=f"tidegate {report.title}")]
    for rule in report.decision.denials if report.decision else ():
        text = f"{rule.message} Fix: {rule.fix}" if rule.fix else rule.message
        lines.append(_command("error", text, title=f"{rule.control} {rule.rule}"))
    lines.extend(
        _command("warning", f"not examined: {gap.why}", title="coverage", file=gap.what)
        for gap in (*report.coverage.failed, *report.coverage.skipped)
    )
    lines.extend(_finding(finding) for finding in report.findings)
    if len(lines) > MAX_ANNOTATIONS:
        hidden = len(lines) - MAX_ANNOTATIONS
        lines[MAX_ANNOTATIONS:] = [_command("warning", f"{hidden} more annotations not shown")]
    return "".join(line + "\n" for line in lines)


def _summary(report: Report) -> str:
    return f"{report.outcome.value}: {report.coverage_line}, findings: {len(report.findings)}"


def _outcome_level(report: Report) -> str:
    return "notice" if report.outcome is Outcome.ALLOW and report.exit_code == 0 else "error"


def _finding(finding: Finding) -> str:
    level = "error" if finding.severity >= Severity.HIGH else "warning"
    level = "notice" if finding.severity is Severity.INFO else level
    place = finding.location
    text = f"{place}: {finding.message}" + (f" Fix: {finding.fix}" if finding.fix else "")
    return _command(level, text, title=finding.rule, file=place.path, line=place.line)


def _command(
    level: str, message: str, *, title: str = "", file: str | None = None, line: int | None = None
) -> str:
    values = {"file": file, "line": line if line is None else str(line), "title": title or None}
    pairs = ",".join(f"{key}={_property(value)}" for key, value in values.items() if value)
    return (
        f"::{level} {pairs}::{_data(clip(message, 1_000))}"
        if pairs
        else f"::{level}::{_data(message)}"
    )


def _data(text: str) -> str:
    return plain(text).replace("%", "%25")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
