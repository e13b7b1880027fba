"""Decisions and findings as text, JSON, SARIF, JUnit, Markdown and workflow annotations.

::

    report = Report.of_decision(decision)
    sys.stdout.write(render(report, Format.TEXT, Style(width=100)))

Strings that come from artifacts are untrusted; each format escapes them its own way.
"""

from tidegate.report.model import FileLine, Report
from tidegate.report.render import Format, render
from tidegate.report.style import Style

__all__ = ["FileLine", "Format", "Report", "Style", "render"]
