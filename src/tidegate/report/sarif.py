"""SARIF 2.1.0 (OASIS): findings, denials and coverage gaps for code-scanning viewers.

Viewers may drop results whose kind is not ``fail``, so what is undecided or was not examined is
written as a failing result too: an empty SARIF file means that all was examined and allowed.
"""

from collections.abc import Iterator
from hashlib import sha256
from urllib.parse import quote

from tidegate.core.canonical import Json
from tidegate.core.finding import Location, Severity
from tidegate.core.stage import Outcome
from tidegate.report.json import dump
from tidegate.report.model import Report
from tidegate.report.style import Style
from tidegate.report.untrusted import plain

SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
GAP_RULE = "TG-COVERAGE/not-examined"

_LEVEL = {
    Severity.INFO: "note",
    Severity.LOW: "note",
    Severity.MEDIUM: "warning",
    Severity.HIGH: "error",
    Severity.CRITICAL: "error",
}
# The scale on which code-scanning viewers sort (a CVSS-like score as text).
_SCORE = {
    Severity.INFO: "0.0",
    Severity.LOW: "3.0",
    Severity.MEDIUM: "5.5",
    Severity.HIGH: "8.0",
    Severity.CRITICAL: "9.5",
}


def render(report: Report, style: Style) -> str:
    """Write one SARIF log with one run."""
    results = list(_results(report))
    rules = sorted({str(result["ruleId"]) for result in results})
    places = {rule: index for index, rule in enumerate(rules)}
    for result in results:
        result["ruleIndex"] = places[str(result["ruleId"])]
    run: dict[str, Json] = {
        "tool": {
            "driver": {
                "name": "Tidegate",
                "version": style.version,
                "rules": [_rule(rule, results) for rule in rules],
            }
        },
        "columnKind": "unicodeCodePoints",
        "invocations": [_invocation(report)],
        "results": results,
        "properties": {
            "title": plain(report.title),
            "outcome": report.outcome.value,
            "coverage": report.coverage.to_json(),
            "subjects": [subject.to_json() for subject in report.subjects],
        },
    }
    return dump({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2) + "\n"


def _results(report: Report) -> Iterator[dict[str, Json]]:
    digest = report.subjects[0].digest if report.subjects else ""
    for rule in report.decision.denials if report.decision else ():
        undecided = "undecided: " if rule.outcome is Outcome.UNDECIDED else ""
        text = f"{undecided}{rule.message}" + (f" Fix: {rule.fix}" if rule.fix else "")
        yield _result(f"{rule.control}/{rule.rule}", text, rule.severity, None, digest)
    for check in report.decision.checks if report.decision else ():
        if check.error:
            text = f"check {check.id} could not be completed: {check.error}"
            yield _result(f"{check.control}/{check.id}", text, Severity.HIGH, None, digest)
    for gap in (*report.coverage.failed, *report.coverage.skipped):
        text = f"{gap.what} was not examined: {gap.why}"
        yield _result(GAP_RULE, text, Severity.MEDIUM, Location(gap.what), digest)
    if report.outcome is not Outcome.ALLOW and report.coverage.examined == 0:
        yield _result(GAP_RULE, "nothing was examined", Severity.MEDIUM, None, digest)
    for finding in report.findings:
        text = finding.message + (f" Fix: {finding.fix}" if finding.fix else "")
        result = _result(finding.rule, text, finding.severity, finding.location, digest)
        if finding.evidence:
            result["properties"]["evidence"] = dict(finding.evidence)
        yield result


def _result(
    rule: str, text: str, severity: Severity, location: Location | None, digest: str
) -> dict[str, Json]:
    return {
        "ruleId": plain(rule),
        "level": _LEVEL[severity],
        "kind": "fail",
        "message": {"text": plain(text)},
        "locations": [_location(location)] if location else [],
        "partialFingerprints": {"tidegate/v1": _fingerprint(rule, location, digest)},
        "properties": {"severity": severity.label},
    }


def _location(location: Location) -> dict[str, Json]:
    physical: dict[str, Json] = {"artifactLocation": {"uri": _uri(location.path)}}
    region: dict[str, Json] = {}
    if location.line is not None:
        region["startLine"] = max(1, location.line)
    if location.offset is not None:
        region["byteOffset"] = max(0, location.offset)
    if region:
        physical["region"] = region
    out: dict[str, Json] = {"physicalLocation": physical}
    logical = [
        {"name": plain(f"{name} {value}"), "kind": name}
        for name in ("column", "row", "page")
        if (value := getattr(location, name)) is not None
    ]
    if logical:
        out["logicalLocations"] = logical
    return out


def _uri(path: str) -> str:
    # A relative reference may not begin with a scheme; quoting ':' rules that out (RFC 3986 4.2).
    return quote(path.encode("utf-8", "surrogatepass"), safe="/!") or "."


def _fingerprint(rule: str, location: Location | None, digest: str) -> str:
    # Stable over line moves in text, and over messages that hold counts; not over content, whose
    # digest is part of it: a changed artifact is a new case to look at.
    place = (location.path, location.column) if location else ()
    parts = "\x1f".join(
        str(part) for part in (rule, digest, *place, getattr(location, "offset", None))
    )
    return sha256(parts.encode("utf-8", "surrogatepass")).hexdigest()


def _rule(rule: str, results: list[dict[str, Json]]) -> dict[str, Json]:
    worst = max(
        Severity.parse(result["properties"]["severity"])
        for result in results
        if result["ruleId"] == rule
    )
    return {
        "id": rule,
        "name": rule.rpartition("/")[2],
        "shortDescription": {"text": rule},
        "help": {"text": f"tidegate explain {rule}"},
        "defaultConfiguration": {"level": _LEVEL[worst]},
        "properties": {"security-severity": _SCORE[worst], "tags": ["security", "ai-pipeline"]},
    }


def _invocation(report: Report) -> dict[str, Json]:
    return {
        "executionSuccessful": not report.coverage.failed
        and report.outcome is not Outcome.UNDECIDED,
        "exitCode": report.exit_code,
        "toolExecutionNotifications": [
            {"level": "error", "message": {"text": plain(f"{gap.what}: {gap.why}")}}
            for gap in report.coverage.failed
        ],
    }
