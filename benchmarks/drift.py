"""Drift rules: false alarms where nothing changes, and the delay after a change.

Twenty columns, windows of 1,000 rows, a frozen reference of 50,000 rows. Prints one JSON object a
line, and a table on stderr. Set TIDEGATE_BENCH_RUNS and TIDEGATE_BENCH_WINDOWS for longer runs.
"""

import json
import os
import statistics
import sys
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

from tidegate.detect.drift.distances import js, ks, psi
from tidegate.detect.drift.edetector import EDetector
from tidegate.stats.intervals import wilson

COLUMNS, BINS, ROWS, REFERENCE = 20, 10, 1_000, 50_000
RUNS = int(os.environ.get("TIDEGATE_BENCH_RUNS", "20"))
WINDOWS = int(os.environ.get("TIDEGATE_BENCH_WINDOWS", "150"))
SHIFTS = (0.1, 0.3)

Rings = dict[str, NDArray[np.bool_]]


def show(name: str, value: float, unit: str, bar: str, *, ok: bool) -> None:
    print(json.dumps({"name": name, "value": round(value, 4), "unit": unit, "bar": bar, "ok": ok}))
    print(f"{name:48s} {value:9.3f} {unit:10s} {bar:10s} {'ok' if ok else 'MISS'}", file=sys.stderr)


def run(seed: int, shift: float) -> Rings:
    """Play one stream; the shift, in one column, comes at half time."""
    random = np.random.default_rng(seed)
    sample = random.normal(size=(COLUMNS, REFERENCE))
    edges = np.quantile(sample, np.arange(1, BINS) / BINS, axis=1).T

    def bins(values: NDArray[np.float64]) -> list[NDArray[np.int64]]:
        return [
            np.bincount(np.searchsorted(edges[k], values[k], side="right"), minlength=BINS)
            for k in range(COLUMNS)
        ]

    reference = bins(sample)
    share = tuple((counts + 0.5) / (counts + 0.5).sum() for counts in reference)
    tests = {f"e-detector, tolerance {t}": EDetector(share, tolerance=t) for t in (0.0, 0.02, 0.04)}
    chance = float(chi2.isf(0.001 / COLUMNS, BINS - 1) * (1 / ROWS + 1 / REFERENCE))
    rules = ["PSI over 0.1", "JS over 0.1", "PSI over chance", "KS over 5 %", *tests]
    rings = {rule: np.zeros(WINDOWS, dtype=np.bool_) for rule in rules}
    for window in range(WINDOWS):
        values = random.normal(size=(COLUMNS, ROWS))
        if window >= WINDOWS // 2:
            values[3] += shift
        live = bins(values)
        stability = max(psi(a, b) for a, b in zip(reference, live, strict=True))
        rings["PSI over 0.1"][window] = stability > 0.1
        rings["PSI over chance"][window] = stability > chance
        pairs = list(zip(reference, live, strict=True))
        rings["JS over 0.1"][window] = max(js(a, b) for a, b in pairs) > 0.1
        rings["KS over 5 %"][window] = max(ks(a, b) for a, b in pairs) > 1.358 / ROWS**0.5
        for name, test in tests.items():
            rings[name][window] = test.update(live).alarm
    return rings


def delay(rings: list[NDArray[np.bool_]]) -> tuple[float, int]:
    """Return the median delay of the runs that rang after the change, and how many did."""
    late = [ring[WINDOWS // 2 :] for ring in rings]
    found = [int(np.argmax(ring)) + 1 for ring in late if ring.any()]
    return (statistics.median(found) if found else float("nan")), len(found)


def main() -> int:
    started = time.perf_counter()
    calm = [run(seed, 0.0) for seed in range(RUNS)]
    moved = {
        shift: [run(9_000 + seed, shift) for seed in range(max(4, RUNS // 4))] for shift in SHIFTS
    }
    good = True
    for rule in calm[0]:
        ours = rule == "e-detector, tolerance 0.02"
        windows = float(np.mean([rings[rule].mean() for rings in calm]))
        runs = sum(bool(rings[rule].any()) for rings in calm)
        show(
            f"{rule}: false windows",
            windows,
            "share",
            "<= 0.001" if ours else "",
            ok=not ours or windows <= 0.001,
        )
        show(
            f"{rule}: runs with a false alarm",
            runs / RUNS,
            f"of {RUNS}",
            "<= 0.05" if ours else "",
            ok=not ours or runs / RUNS <= 0.05,
        )
        good &= not ours or (windows <= 0.001 and runs / RUNS <= 0.05)
        for shift, streams in moved.items():
            middle, found = delay([rings[rule] for rings in streams])
            bar = {0.1: 20.0, 0.3: 4.0}[shift] if ours else float("inf")
            value = middle if found else -1.0
            ok = not ours or (found == len(streams) and middle <= bar)
            label = f"<= {bar:.0f}" if ours else ""
            show(f"{rule}: delay at +{shift} sd", value, f"{found}/{len(streams)}", label, ok=ok)
            good &= ok
        if ours:
            print(f"    runs with a false alarm: {wilson(runs, RUNS)}", file=sys.stderr)
    seconds = time.perf_counter() - started
    show("seconds", seconds, "s", "< 60", ok=seconds < 60)
    return 0 if good and seconds < 60 else 1


if __name__ == "__main__":
    sys.exit(main())
