"""Text for people: coverage first, then the outcome, why, what to do, and what was found."""

from collections.abc import Iterator, Sequence
from textwrap import wrap

from tidegate.core.decision import CheckOutcome, Decision, SubjectRef
from tidegate.core.finding import Coverage, Finding, Severity
from tidegate.core.policy.result import Mode, RuleResult
from tidegate.core.stage import Outcome
from tidegate.report.model import FileLine, Report
from tidegate.report.style import Style
from tidegate.report.untrusted import clip, plain

MAX_FINDINGS = 50
"""More are counted, not listed: the other formats have all of them."""
MAX_GAPS = 10
MAX_SUBJECTS = 12
MAX_FILES = 30

_LABEL = 10
_COLOURS = {
    Outcome.ALLOW: "32",
    Outcome.DENY: "31",
    Outcome.UNDECIDED: "33",
    Severity.CRITICAL: "31",
    Severity.HIGH: "31",
    Severity.MEDIUM: "33",
    Severity.LOW: "36",
    Severity.INFO: "2",
}


def render(report: Report, style: Style) -> str:
    """Write the report as lines of at most ``style.width`` columns where words allow it."""
    return "".join(line + "\n" for line in _lines(report, style))


def _lines(report: Report, style: Style) -> Iterator[str]:
    yield from _row("coverage", report.coverage_line, style)
    yield from _gaps(report.coverage, style)
    word = report.outcome.value.upper()
    yield _paint(word.ljust(_LABEL), report.outcome, style) + " " + plain(report.title)
    yield from _subjects(report.subjects, style)
    if report.decision:
        for rule in report.decision.rules:
            yield from _rule(rule, style)
        for check in report.decision.checks:
            yield from _check(check, style)
    yield from _files(report.files, style)
    for finding in report.findings[:MAX_FINDINGS]:
        yield from _finding(finding, style)
    if hidden := len(report.findings) - MAX_FINDINGS:
        yield from (
            _row("", f"and {hidden} more; --format json has all", style) if hidden > 0 else ()
        )
    for note in report.notes:
        yield from _row("note", note, style)
    if report.failing and report.outcome is Outcome.ALLOW:
        yield from _row("fail-on", f"{len(report.failing)} findings reach --fail-on", style)
    if report.decision:
        yield from _proof(report.decision, style)


def _subjects(subjects: Sequence[SubjectRef], style: Style) -> Iterator[str]:
    for subject in subjects[:MAX_SUBJECTS]:
        yield from _row("subject", f"{subject.kind} {subject.name} {subject.digest}", style)
    if len(subjects) > MAX_SUBJECTS:
        yield from _row("subject", f"and {len(subjects) - MAX_SUBJECTS} more", style)


def _gaps(coverage: Coverage, style: Style) -> Iterator[str]:
    gaps = [("failed", gap) for gap in coverage.failed] + [("skipped", g) for g in coverage.skipped]
    for kind, gap in gaps[:MAX_GAPS]:
        yield from _row(f"  {kind}", f"{gap.what}: {gap.why}", style)
    if len(gaps) > MAX_GAPS:
        yield from _row("", f"and {len(gaps) - MAX_GAPS} more", style)


def _files(files: tuple[FileLine, ...], style: Style) -> Iterator[str]:
    """Write the table of files, what is not clean first; one clean file needs none."""
    if len(files) == 1 and files[0].status == "clean":
        return
    order = ("findings", "inconclusive", "clean")
    rows = [("file", "format", "status", "findings")]
    rows += [
        (file.path, file.format, file.status, str(file.findings))
        for file in sorted(files, key=lambda file: order.index(file.status))[:MAX_FILES]
    ]
    shown = [[clip(cell, 120 if at == 0 else 20) for at, cell in enumerate(row)] for row in rows]
    widths = [max(len(row[at]) for row in shown) for at in range(len(rows[0]))]
    widths[0] = max(len("file"), min(widths[0], style.width - sum(widths[1:]) - 6))
    for row in shown if files else ():
        row[0] = clip(row[0], widths[0])
        cells = [cell.ljust(wide) for cell, wide in zip(row, widths, strict=True)]
        yield "  ".join(cells).rstrip()
    if len(files) > MAX_FILES:
        yield from _row("", f"and {len(files) - MAX_FILES} more; --format json has all", style)


def _rule(rule: RuleResult, style: Style) -> Iterator[str]:
    if rule.waived_by:
        yield from _row("waived", f"{rule.control} {rule.rule} by waiver {rule.waived_by}", style)
    elif rule.outcome is not Outcome.ALLOW:
        verdict = "denied" if rule.outcome is Outcome.DENY else "undecided"
        label = verdict if rule.mode is Mode.ENFORCE else rule.mode.value
        text = f"{rule.control} {rule.rule} ({rule.severity.label}): {rule.message}"
        yield from _row(label, text, style)
    elif not style.explain:
        return
    else:
        yield from _row("allowed", f"{rule.control} {rule.rule}", style)
    if style.explain:
        for fact in rule.facts:
            shown = (
                f"{fact.name} = {fact.value}" if fact.value else f"{fact.name}: {fact.state.value}"
            )
            yield from _row("  fact", f"{shown} ({fact.source})", style)
    if rule.fix and rule.outcome is not Outcome.ALLOW:
        yield from _row("  fix", rule.fix, style)


def _check(check: CheckOutcome, style: Style) -> Iterator[str]:
    if check.error:
        yield from _row("no result", f"{check.control} check {check.id}: {check.error}", style)
    measured = check.detector.get("measured")
    if check.findings and isinstance(measured, dict):
        text = (
            f"{check.id}: recall {measured.get('recall')} at false-positive rate "
            f"{measured.get('falsePositiveRate')} on {measured.get('data')}, {measured.get('date')}"
        )
        yield from _row("measured", text, style)


def _finding(finding: Finding, style: Style) -> Iterator[str]:
    label = _paint(finding.severity.label.ljust(_LABEL), finding.severity, style)
    yield f"{label} {plain(finding.rule)}  {clip(str(finding.location), 200)}"
    yield from _row("", finding.message, style)
    if finding.fix:
        yield from _row("", f"fix: {finding.fix}", style)


def _proof(decision: Decision, style: Style) -> Iterator[str]:
    if decision.index is None:
        yield from _row("log", "nothing written (dry run)", style)
    else:
        yield from _row("log", f"index {decision.index}, envelope {decision.envelope}", style)
    yield from _row("policy", decision.policy, style)


def _row(label: str, text: str, style: Style) -> Iterator[str]:
    width = max(20, style.width - _LABEL - 1)
    pieces = wrap(clip(text, 2_000), width, break_long_words=False, break_on_hyphens=False) or [""]
    yield f"{label.ljust(_LABEL)} {pieces[0]}".rstrip()
    for piece in pieces[1:]:
        yield " " * (_LABEL + 1) + piece


def _paint(text: str, kind: Outcome | Severity, style: Style) -> str:
    return f"\x1b[{_COLOURS[kind]}m{text}\x1b[0m" if style.colour else text
