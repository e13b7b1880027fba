r"""Markdown (GitHub flavour): for job summaries and review comments.

Every untrusted string is written so that no renderer gives it a meaning: HTML is escaped,
punctuation is backslash-escaped, and mentions and automatic links are broken by an empty comment.

>>> text("[x](http://a) @bob <b>")
'\\[x\\]\\(http:<!-- -->//a\\) @<!-- -->bob &lt;b&gt;'
"""

import re
from html import escape

from tidegate.core.policy.result import RuleResult
from tidegate.core.stage import Outcome
from tidegate.report.model import Report
from tidegate.report.style import Style
from tidegate.report.untrusted import clip

MAX_FINDINGS = 200
"""A comment has a size limit; the JSON report has all of them."""

_PUNCTUATION = re.compile(r"([\\`*_{}\[\]()#+!|~$^=-])")
_AUTOLINK = re.compile(r"(@|:(?=//)|(?i:\bwww)(?=\.))")
_MARK = {Outcome.ALLOW: "✅", Outcome.DENY: "⛔", Outcome.UNDECIDED: "⚠️"}


def text(value: str, limit: int = 500) -> str:
    """Escape an untrusted string for running text and table cells."""
    # The comment is added last, so that its own punctuation is not escaped.
    safe = _PUNCTUATION.sub(r"\\\1", escape(clip(value, limit), quote=False))
    return _AUTOLINK.sub(r"\1<!-- -->", safe)


def render(report: Report, style: Style) -> str:
    """Write headline, coverage, denials, findings and notes."""
    lines = [
        f"### {_MARK[report.outcome]} {report.outcome.value}: {text(report.title)}",
        "",
        f"**Coverage:** {text(report.coverage_line)}",
        "",
    ]
    gaps = [("failed", gap) for gap in report.coverage.failed]
    gaps += [("skipped", gap) for gap in report.coverage.skipped]
    lines += [f"- {kind}: {text(gap.what)}: {text(gap.why)}" for kind, gap in gaps[:MAX_FINDINGS]]
    lines += [""] if gaps else []
    lines += [f"- {text(s.kind)} {text(s.name)} `{_code(s.digest)}`" for s in report.subjects]
    lines += [""] if report.subjects else []
    if report.decision:
        for rule in report.decision.denials:
            lines += _denial(rule, style)
    lines += _findings(report)
    lines += [f"> {text(note)}" for note in report.notes]
    return "\n".join(lines).rstrip("\n") + "\n"


def _denial(rule: RuleResult, style: Style) -> list[str]:
    name = f"**{text(rule.control)}** {text(rule.rule)}"
    lines = [f"- {name} ({rule.severity.label}): {text(rule.message)}"]
    if style.explain:
        lines += [
            f"  - {text(fact.name)} = {text(fact.value or fact.state.value)} ({text(fact.source)})"
            for fact in rule.facts
        ]
    if rule.fix:
        lines.append(f"  - Fix: {text(rule.fix)}")
    return [*lines, ""]


def _findings(report: Report) -> list[str]:
    if not report.findings:
        return []
    lines = ["| Severity | Rule | Where | What |", "|---|---|---|---|"]
    for finding in report.findings[:MAX_FINDINGS]:
        what = finding.message + (f" Fix: {finding.fix}" if finding.fix else "")
        cells = (finding.severity.label, finding.rule, str(finding.location), what)
        lines.append("| " + " | ".join(text(cell) for cell in cells) + " |")
    hidden = len(report.findings) - MAX_FINDINGS
    lines += [f"\n{hidden} more findings are in the JSON report."] if hidden > 0 else []
    return [*lines, ""]


def _code(value: str) -> str:
    # A code span ends at a backtick and a table cell at a pipe; digests have neither.
    return clip(value, 200).replace("`", "'").replace("|", "/")
