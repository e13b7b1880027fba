"""Prompt check: recall at fixed false-alarm rates on texts that it never learnt from.

``val`` is held out of the sources that were learnt, ``dev`` are sources kept apart. Prints one JSON
object a line, and a table on stderr. The corpus lies beside the checkout; without it only the speed
is measured. Run: ``OMP_NUM_THREADS=1 python benchmarks/prompt_check.py``.
"""

import json
import os
import statistics
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

from tidegate.detect.prompt.check import inspect_prompt
from tidegate.detect.prompt.head import Kind
from tidegate.stats.intervals import wilson

DATA = Path(__file__).resolve().parents[1] / "../shared/data/prompts/prompts.jsonl.zst"
LIMIT = int(os.environ.get("TIDEGATE_BENCH_ROWS", "0"))
Scored = tuple[dict[str, Any], float, bool]
SAMPLE = (
    "Could you look at the quarterly figures that I pasted below and write two paragraphs for the "
    "board? The first should say how revenue moved against the plan and why; the second should "
    "list the three largest risks for the coming quarter, each with one sentence on what we do "
    "about it. Keep it plain, use no bullet points, and end with the date of the next review. "
    "Thank you; the table follows in the next message."
)


def show(name: str, value: float, unit: str, bar: str, *, ok: bool, note: str = "") -> None:
    print(json.dumps({"name": name, "value": round(value, 4), "unit": unit, "bar": bar, "ok": ok}))
    mark = "ok" if ok else "MISS"
    print(f"{name:44s} {value:10.4f} {unit:6s} {bar:10s} {mark:5s} {note}", file=sys.stderr)


def read(splits: set[str]) -> list[dict[str, Any]]:
    import pyarrow as pa  # noqa: PLC0415 - only where the corpus is

    with pa.CompressedInputStream(str(DATA), "zstd") as stream:
        lines = stream.read().decode("utf-8").split("\n")
    rows = [row for row in map(json.loads, filter(None, lines)) if row["split"] in splits]
    return rows[:: max(1, len(rows) // LIMIT)] if LIMIT else rows


def at_rate(scored: list[Scored], rate: float) -> tuple[int, int, float]:
    """Return attacks caught and attacks in all where so many of the benign are flagged."""
    benign = sorted((score for row, score, _ in scored if row["label"] == "benign"), reverse=True)
    bound = benign[int(rate * len(benign))]
    attacks = [score for row, score, _ in scored if row["label"] != "benign"]
    return sum(score > bound for score in attacks), len(attacks), bound


def report(split: str, kind: Kind, scored: list[Scored]) -> None:
    name = f"{split}.{kind.value}"
    hits, n, bound = at_rate(scored, 0.01)
    recall = wilson(hits, n)
    show(
        f"{name}.tpr_at_1pct",
        recall.value,
        "share",
        "reported",
        ok=True,
        note=f"{recall}, bound {bound:.2f}",
    )
    hits, n, bound = at_rate(scored, 0.001)
    recall = wilson(hits, n)
    show(f"{name}.tpr_at_0.1pct", recall.value, "share", "reported", ok=True, note=str(recall))
    attacks = [flagged for row, _, flagged in scored if row["label"] != "benign"]
    benign = [flagged for row, _, flagged in scored if row["label"] == "benign"]
    own, alarms = wilson(sum(attacks), len(attacks)), wilson(sum(benign), len(benign))
    show(f"{name}.own_tpr", own.value, "share", "reported", ok=True, note=str(own))
    show(
        f"{name}.own_fpr",
        alarms.value,
        "share",
        "<= 0.02",
        ok=alarms.value <= 0.02,
        note=str(alarms),
    )


def by_source(scored: list[Scored]) -> None:
    found: dict[tuple[str, bool], list[bool]] = defaultdict(list)
    for row, _, flagged in scored:
        found[row["source"], row["label"] != "benign"].append(flagged)
    for (source, attack), flags in sorted(found.items()):
        what = "attacks" if attack else "benign"
        print(f"    {source:32s} {what:8s} {wilson(sum(flags), len(flags))} of {len(flags)}",
              file=sys.stderr)  # fmt: skip


def speed() -> None:
    text = SAMPLE[:400]
    for kind in Kind:
        inspect_prompt(text, kind)
        times = []
        for number in range(300):
            fresh = f"{text[:-4]}{number:04d}"
            began = time.perf_counter()
            inspect_prompt(fresh, kind)
            times.append(time.perf_counter() - began)
        value = statistics.median(times) * 1_000
        show(f"speed.{kind.value}.400_characters", value, "ms", "<= 1", ok=value <= 1)


def main() -> None:
    speed()
    if not DATA.is_file():
        print("the corpus is absent: nothing more was measured", file=sys.stderr)
        return
    rows = read({"val", "dev"})
    for split in ("val", "dev"):
        for kind in Kind:
            scored: list[Scored] = []
            for row in rows:
                if row["split"] == split and row["kind"] == kind.value:
                    seen = inspect_prompt(row["text"], kind)
                    scored.append((row, seen.score, seen.flagged))
            report(split, kind, scored)
            by_source(scored)


if __name__ == "__main__":
    main()
