"""One dispatch from format to renderer.

>>> from tidegate.core.finding import Coverage
>>> report = Report.of_findings("scan a.csv", (), Coverage(1, 1, unit="file"))
>>> print(render(report, Format.TEXT), end="")
coverage   1 of 1 file examined, 0 skipped, 0 failed
ALLOW      scan a.csv
"""

from collections.abc import Callable
from enum import StrEnum

from tidegate.report import github, json, junit, markdown, sarif, text
from tidegate.report.model import Report
from tidegate.report.style import Style


class Format(StrEnum):
    """How a report can be written."""

    TEXT = "text"
    JSON = "json"
    JSONL = "jsonl"
    SARIF = "sarif"
    JUNIT = "junit"
    MARKDOWN = "markdown"
    GITHUB = "github"


def render(report: Report, form: Format, style: Style | None = None) -> str:
    """Write a report in one format, ending with a line break."""
    return _RENDERERS[form](report, style or Style())


_RENDERERS: dict[Format, Callable[[Report, Style], str]] = {
    Format.TEXT: text.render,
    Format.JSON: json.render,
    Format.JSONL: json.render_lines,
    Format.SARIF: sarif.render,
    Format.JUNIT: junit.render,
    Format.MARKDOWN: markdown.render,
    Format.GITHUB: github.render,
}
