r"""JSON and JSON lines: the whole result, for programs (schemas in ``report/schemas``).

Strings are written in ASCII with ``<`` escaped: no terminal escape, bidi control or closing
script tag of an artifact's name survives verbatim, wherever the text is pasted.

>>> dump({"name": "</script>\x1b"})
'{"name": "\\u003c/script>\\u001b"}'
"""

import json
from collections.abc import Iterator

from tidegate.core.canonical import Json
from tidegate.report.model import Report
from tidegate.report.style import Style


def dump(value: Json, *, indent: int | None = None) -> str:
    """Serialise to JSON that is safe to print and to embed."""
    text = json.dumps(value, ensure_ascii=True, indent=indent, allow_nan=False)
    return text.replace("<", "\\u003c").replace("\x7f", "\\u007f")


def document(report: Report) -> dict[str, Json]:
    """Return ``decision/v1`` for a gate's decision, ``report/v1`` for bare findings."""
    if report.decision is not None:
        return {**report.decision.to_json(), "exitCode": report.exit_code}
    return {
        "schema": "report/v1",
        "title": report.title,
        "outcome": report.outcome.value,
        "exitCode": report.exit_code,
        "subjects": [subject.to_json() for subject in report.subjects],
        "coverage": report.coverage.to_json(),
        "files": [file.to_json() for file in report.files],
        "findings": [finding.to_json() for finding in report.findings],
        "notes": list(report.notes),
    }


def render(report: Report, _style: Style) -> str:
    """Write one indented JSON document."""
    return dump(document(report), indent=2) + "\n"


def render_lines(report: Report, _style: Style) -> str:
    """Write one JSON object a line: coverage first, the outcome last."""
    return "".join(dump(record) + "\n" for record in _records(report))


def _records(report: Report) -> Iterator[dict[str, Json]]:
    yield {"type": "coverage", **report.coverage.to_json()}
    for subject in report.subjects:
        yield {"type": "subject", **subject.to_json()}
    for rule in report.decision.rules if report.decision else ():
        yield {"type": "rule", **rule.to_json()}
    for file in report.files:
        yield {"type": "file", **file.to_json()}
    for finding in report.findings:
        yield {"type": "finding", **finding.to_json()}
    for note in report.notes:
        yield {"type": "note", "message": note}
    decision = report.decision
    yield {
        "type": "outcome",
        "title": report.title,
        "outcome": report.outcome.value,
        "exitCode": report.exit_code,
        "index": decision.index if decision else None,
        "envelope": decision.envelope if decision else None,
    }
