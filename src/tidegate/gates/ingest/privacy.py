"""Sensitive values that the data's label does not allow.

Labels are a ladder: what one allows, the next allows too. A credential has no place in data under
any label.

>>> sorted(allowed("confidential") - allowed("internal"))
['declared-personal', 'email', 'ip-address', 'phone']
>>> "secret" in allowed("restricted")
False
"""

from collections.abc import Iterator
from pathlib import Path

from tidegate.core.canonical import Json
from tidegate.core.finding import Coverage, Finding, Skipped
from tidegate.detect.text.pii import PiiReport, inspect_table, inspect_text
from tidegate.detect.text.pii_rules import DETECTOR
from tidegate.gates.contract import Check, CheckResult, Scalar
from tidegate.gates.ingest.parts import parts
from tidegate.tables.load import TableFile

_CONTACT = frozenset({"email", "phone", "ip-address", "declared-personal"})
_IDENTITY = frozenset({"card-number", "bank-account", "national-id"})
LABELS = {
    "public": frozenset[str](),
    "internal": frozenset[str](),
    "confidential": _CONTACT,
    "restricted": _CONTACT | _IDENTITY,
}
"""By label: the rules of sensitive values that data with it may hold."""


def allowed(label: str) -> frozenset[str]:
    """Return the slugs of the rules that a label allows; none without a label."""
    return LABELS.get(label, frozenset())


def pii_check(data: TableFile | Path, *, label: str, name: str) -> Check:
    """Check a table's columns, or each file of a data set, for values above the label.

    Args:
        data: The table, or the path of other data.
        label: The data's label.
        name: How findings call a table.
    """

    def run() -> CheckResult:
        if isinstance(data, TableFile):
            return _judge([inspect_table(data.table, path=name)], label)
        return _judge(list(_reports(data)), label)

    schema = str(data.schema.digest) if isinstance(data, TableFile) else ""
    depends: dict[str, Json] = {"label": label, "schema": schema}
    return Check("pii", "TG-ING-06", DETECTOR, run, resume_key=depends)


def _reports(path: Path) -> Iterator[PiiReport]:
    for part in parts(path):
        if part.gap:
            gap = (Skipped(part.name, part.gap),)
            yield PiiReport((), (), Coverage(1, 0, gap, unit="file"), {})
        elif part.table is not None:
            yield inspect_table(part.table, path=part.name)
        else:
            yield inspect_text(part.text, path=part.name)


def _judge(reports: list[PiiReport], label: str) -> CheckResult:
    permitted = allowed(label)
    found = [finding for report in reports for finding in report.findings]
    above = [finding for finding in found if _slug(finding) not in permitted]
    facts: dict[str, Scalar] = {
        "above_label": sum(map(_values, above)),
        "within_label": sum(_values(item) for item in found if _slug(item) in permitted),
        "types": ",".join(sorted({str(item.evidence.get("type")) for item in found})),
    }
    coverage = sum((report.coverage for report in reports), Coverage(unit="file"))
    return CheckResult(coverage, tuple(above), facts)


def _slug(finding: Finding) -> str:
    return finding.rule.partition("/")[2]


def _values(finding: Finding) -> int:
    """Return how many rows of a column, or values of a text, a finding is about."""
    count = finding.evidence.get("rows", finding.evidence.get("values", 1))
    return count if isinstance(count, int) else 1
