"""Sensitive data in tables and texts: personal, financial, network, secrets.

>>> import pyarrow as pa
>>> cards = ["4111111111111111", "5500005555555559", "340000000000009"]
>>> report = inspect_table(pa.table({"note": cards, "n": [1, 2, 3]}), path="drop.csv")
>>> print(report.findings[0].message)
3 of 3 rows of `note` hold CREDIT_CARD
>>> [finding.rule for finding in inspect_text("mail me: a.b@mail.example").findings]
['TG-ING-06/email']
"""

from collections import defaultdict
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from tidegate.core.finding import (
    Coverage,
    Finding,
    Location,
    Skipped,
)
from tidegate.detect.text.pii_columns import MAX_CELL, ColumnVerdict, decide
from tidegate.detect.text.pii_hits import Hit, find, mask
from tidegate.detect.text.pii_rules import RULE_OF

_MAX_TEXT = 20_000_000
_LEAST_NUMBER = 10**6


@dataclass(frozen=True, slots=True)
class PiiReport:
    """What was found."""

    columns: tuple[ColumnVerdict, ...]
    """Tables: one a column and type."""
    findings: tuple[Finding, ...]
    """The same as findings; of a text, one a type. Samples are masked."""
    coverage: Coverage
    """Unit: columns of a table, or texts."""
    facts: dict[str, bool | int | float | str]
    """``columns`` or ``values`` found, ``types``, and by rule ``<slug>_rows``."""


def inspect_table(table: pa.Table, *, path: str = "table") -> PiiReport:
    """Look at every column and every row of a table.

    Numbers are looked at as they are written; nested and binary columns are gaps in coverage.
    """
    verdicts: list[ColumnVerdict] = []
    skipped: list[Skipped] = []
    examined = 0
    for name in table.column_names:
        values = _as_text(table[name])
        if isinstance(values, str):
            skipped.append(Skipped(f"column {name}", values))
            continue
        examined += 1
        if values is None:
            continue
        verdicts += decide(name, values)
        longest = pc.call_function("max", [pc.call_function("utf8_length", [values])]).as_py()
        if (longest or 0) > MAX_CELL:
            skipped.append(Skipped(f"column {name}", f"cells beyond {MAX_CELL} characters"))
    coverage = Coverage(len(table.column_names), examined, tuple(skipped), unit="column")
    facts: dict[str, bool | int | float | str] = {
        "columns": len({verdict.column for verdict in verdicts}),
        "types": ",".join(sorted({verdict.kind for verdict in verdicts})),
        "rows_examined": table.num_rows,
    }
    for slug in RULE_OF:
        rows = [verdict.rows for verdict in verdicts if verdict.rule == slug]
        facts[f"{slug.replace('-', '_')}_rows"] = max(rows, default=0)
    findings = tuple(_column_finding(verdict, table.num_rows, path) for verdict in verdicts)
    return PiiReport(tuple(verdicts), findings, coverage, facts)


def inspect_text(text: str, *, path: str = "text") -> PiiReport:
    """Look at a free text: a document, a prompt, a log."""
    hits = find(text[:_MAX_TEXT])
    cut = (Skipped(path, f"text beyond {_MAX_TEXT} characters"),) if len(text) > _MAX_TEXT else ()
    by_kind: dict[str, list[Hit]] = defaultdict(list)
    for hit in hits:
        by_kind[hit.kind.name].append(hit)
    findings = tuple(_text_finding(kind, found, text, path) for kind, found in by_kind.items())
    facts: dict[str, bool | int | float | str] = {
        "values": len(hits),
        "types": ",".join(sorted(by_kind)),
    }
    for slug in RULE_OF:
        facts[f"{slug.replace('-', '_')}_values"] = sum(hit.kind.rule == slug for hit in hits)
    return PiiReport((), findings, Coverage(1, 1, cut, unit="text"), facts)


def _as_text(column: pa.ChunkedArray) -> pa.Array | str | None:
    """Return strings; None where nothing of the sort can be inside; a reason to skip."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        column = column.cast(kind.value_type)
        kind = kind.value_type
    if pa.types.is_null(kind) or pa.types.is_boolean(kind) or len(column) == 0:
        return None
    if pa.types.is_floating(kind):
        whole = pc.call_function("equal", [column, pc.call_function("floor", [column])])
        column = column.filter(whole.combine_chunks()) if whole.null_count == 0 else column
        try:
            column = column.cast(pa.int64())
        except pa.ArrowInvalid:
            return None  # fractions, or beyond 64 bits: no number of a person
        kind = column.type
    if pa.types.is_integer(kind):
        extremes = pc.call_function("min_max", [column]).as_py()
        if max(abs(extremes["min"] or 0), abs(extremes["max"] or 0)) < _LEAST_NUMBER:
            return None
    if pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return f"no scan of {kind} values"
    try:
        return column.cast(pa.large_string()).combine_chunks()
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid):
        return f"no text form of {kind} values"


def _column_finding(verdict: ColumnVerdict, rows: int, path: str) -> Finding:
    rule = RULE_OF[verdict.rule]
    return Finding(
        rule.id,
        rule.severity,
        f"{verdict.rows} of {rows} rows of `{verdict.column}` hold {verdict.kind}",
        Location(path, column=verdict.column, row=verdict.first_row),
        {
            "type": verdict.kind,
            "rows": verdict.rows,
            "share": verdict.share.to_json(),
            "distinct": verdict.distinct,
            "alike": verdict.alike,
            "passRate": f"{verdict.distinct / max(verdict.alike, 1):.4f}",
            "chance": f"{verdict.chance:.4f}",
            "p": f"{verdict.p:.2e}",
            "header": verdict.header,
            "dense": verdict.dense,
            "samples": list(verdict.samples),
        },
    )


def _text_finding(kind: str, hits: list[Hit], text: str, path: str) -> Finding:
    rule = RULE_OF[hits[0].kind.rule]
    first = hits[0]
    return Finding(
        rule.id,
        rule.severity,
        f"{len(hits)} {kind} in the text",
        Location(path, line=text.count("\n", 0, first.start) + 1),
        {
            "type": kind,
            "values": len(hits),
            "distinct": len({text[hit.start : hit.end] for hit in hits}),
            "doubt": f"{min(hit.doubt for hit in hits):.2e}",
            "samples": [mask(text[hit.start : hit.end]) for hit in hits[:3]],
        },
    )
