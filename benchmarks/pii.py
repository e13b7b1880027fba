"""Sensitive-data scan: labelled columns and texts that the rules were not made on, and speed.

The rules were made on the records with an even number; only those with an odd number are counted
here. Prints one JSON object a line, and a table on stderr.
"""

import gzip
import json
import os
import random
import sys
import time
from collections import Counter
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import pyarrow as pa

from tidegate.detect.text.pii import inspect_table
from tidegate.detect.text.pii_columns import decide
from tidegate.detect.text.pii_hits import find
from tidegate.stats.intervals import wilson

DATA = Path(__file__).resolve().parents[1] / "../shared/data/data"
COLUMN_TYPES = {
    "CREDIT_CARD": "CREDIT_CARD",
    "IBAN": "IBAN",
    "SSN": "US_SSN",
    "EMAIL": "EMAIL",
    "PHONE": "PHONE",
    "IP": "IP_ADDRESS",
    "SECRET": "SECRET",
    "FREE_TEXT_WITH_PII": "PHONE",
}
BY_HEADER = {"DATE_OF_BIRTH", "ADDRESS", "PERSON", "FIRST_NAME", "LAST_NAME"}
TEXT_TYPES = {
    "CREDIT_CARD": "CREDIT_CARD",
    "IBAN_CODE": "IBAN",
    "US_SSN": "US_SSN",
    "EMAIL_ADDRESS": "EMAIL",
    "PHONE_NUMBER": "PHONE",
    "IP_ADDRESS": "IP_ADDRESS",
}


def show(name: str, hits: int, n: int, bar: float | None, *, at_most: bool = False) -> bool:
    value = hits / n if n else 0.0
    ok = bar is None or (value <= bar if at_most else value >= bar)
    text = "" if bar is None else f"{'<=' if at_most else '>='} {bar}"
    print(
        json.dumps(
            {"name": name, "value": round(value, 4), "unit": f"of {n}", "bar": text, "ok": ok}
        )
    )
    print(
        f"{name:44s} {wilson(hits, n)!s:26s} {hits}/{n:<6d} {text:8s} {'ok' if ok else 'MISS'}",
        file=sys.stderr,
    )
    return ok


def columns() -> bool:
    lines = gzip.decompress((DATA / "pii_columns_dev.jsonl.gz").read_bytes()).splitlines()[1::2]
    right: Counter[str] = Counter()
    total: Counter[str] = Counter()
    for line in lines:
        row = json.loads(line)
        verdicts = decide(row["header"], pa.array(row["values"]))
        label = row["label"] or "harmless"
        total[label] += 1
        kinds = [verdict.kind for verdict in verdicts]
        if label == "harmless" or label in BY_HEADER:
            right[label] += bool(kinds)
        else:
            right[label] += kinds[:1] == [COLUMN_TYPES[label]]
    good = show(
        "columns: harmless flagged", right["harmless"], total["harmless"], 0.05, at_most=True
    )
    ours = sum(right[label] for label in COLUMN_TYPES), sum(total[label] for label in COLUMN_TYPES)
    good &= show("columns: right type", *ours, 0.95)
    for label in sorted(COLUMN_TYPES):
        show(f"columns: {label}", right[label], total[label], None)
    headers = sum(right[label] for label in BY_HEADER), sum(total[label] for label in BY_HEADER)
    show("columns: names, addresses, births (by header)", *headers, None)
    return good


def texts() -> bool:
    right: Counter[str] = Counter()
    wrong: Counter[str] = Counter()
    total: Counter[str] = Counter()
    for line in (DATA / "pii_text_dev.jsonl").read_text().splitlines()[1::2]:
        row = json.loads(line)
        gold = [(s, e, TEXT_TYPES[kind]) for s, e, kind in row["spans"] if kind in TEXT_TYPES]
        total.update(kind for _, _, kind in gold)
        for hit in find(row["text"]):
            match = next(
                (
                    span
                    for span in gold
                    if span[2] == hit.kind.name
                    and 2 * (min(span[1], hit.end) - max(span[0], hit.start))
                    >= max(span[1] - span[0], hit.end - hit.start)
                ),
                None,
            )
            if match is None:
                wrong[hit.kind.name] += 1
            else:
                gold.remove(match)
                right[hit.kind.name] += 1
    found = sum(right.values())
    good = show("texts: precision", found, found + sum(wrong.values()), 0.95)
    good &= show("texts: recall", found, sum(total.values()), 0.9)
    for kind in sorted(set(total) | set(wrong)):
        show(f"texts: precision {kind}", right[kind], right[kind] + wrong[kind], None)
        show(f"texts: recall {kind}", right[kind], total[kind], None)
    return good


def speed() -> bool:
    """Scan free text with a phone number in 2 % of the rows; then a column of plain numbers."""
    source = random.Random(0)
    words = [f"word{chr(97 + k % 26)}{chr(97 + k % 7)}" for k in range(2_000)]
    notes = [" ".join(source.choices(words, k=12)) for _ in range(200_000)]
    for row in range(0, len(notes), 50):
        notes[row] += f" call +49 30 {source.randrange(10**6, 10**7)}"
    good = True
    for name, table, unit, bar in (
        ("speed: free text", pa.table({"notes": notes}), "MB/s", 10.0),
        ("speed: distinct 12-digit numbers", numbers(source, 50_000), "values/s", 10_000.0),
    ):
        started = time.perf_counter()
        report = inspect_table(table)
        seconds = time.perf_counter() - started
        rate = (table.nbytes / 1e6 if unit == "MB/s" else table.num_rows) / seconds
        good &= rate >= bar and [verdict.rows for verdict in report.columns] in ([4_000], [])
        line = {"name": name, "value": round(rate, 2), "unit": unit, "bar": f">= {bar}"}
        print(json.dumps({**line, "ok": rate >= bar}))
        print(f"{name:44s} {rate:,.1f} {unit}", file=sys.stderr)
    return good


def numbers(source: random.Random, rows: int) -> pa.Table:
    return pa.table({"n": [source.randrange(10**11, 10**12) for _ in range(rows)]})


if __name__ == "__main__":
    results = [speed()]
    if DATA.is_dir():
        results += [columns(), texts()]
    else:
        print("labelled data absent, only speed was measured", file=sys.stderr)
    sys.exit(0 if all(results) else 1)
