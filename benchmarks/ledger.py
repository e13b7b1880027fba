"""Measure the ledger: appends against the bare commit floor, proofs, memory, crashes.

Prints one JSON object a line (``name, value, unit, bar, ok``) and a table on standard error. An
append is entry and envelope (1,000 bytes) with leaves, tiles and signed head, durable; making
and signing the envelope is its producer's affair and is not counted.

The floor is SQLite alone in the same rounds, on the same disk: one row with the same bytes, the
same number a commit, write-ahead log, ``synchronous=FULL``. Rounds of both alternate, and the
median of the rounds' ratios counts, as other programs use the machine meanwhile.

::

    python benchmarks/ledger.py --entries 1000000 --kills 200
"""

import argparse
import json
import random
import shutil
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from sqlalchemy import Engine, create_engine, text
from tests.faults.crash_append import crash
from tests.ledgers import Ledger, pending
from tests.services import fresh_store, reachable_postgres

from tidegate.core.ledger.log import Log, PendingEntry
from tidegate.core.ledger.merkle import verify_inclusion
from tidegate.core.ledger.proof import export_proof
from tidegate.core.merkle import leaf_hash
from tidegate.store.engine import open_engine

BATCH = 256
ONE_BAR, BATCH_BAR, RATE_BAR = 0.35, 0.3, 10_000
PROOF_MS, PROOF_BYTES = 1.0, 1_200
GROWTH_BAR = 1.15
"""Resident memory at the end over that at a tenth of the entries."""

Commit = Callable[[Sequence[PendingEntry]], object]


@dataclass
class Report:
    """Figures as they come, one line each."""

    rows: list[tuple[str, float | str, str, str, bool]]

    def add(
        self, name: str, value: float, unit: str, bar: float | None = None, *, most: bool = False
    ) -> None:
        """Print a figure, and whether it reaches its bar (``most``: stays under it)."""
        ok = bar is None or (value <= bar if most else value >= bar)
        value = round(value, 4)
        line = {"name": name, "value": value, "unit": unit, "bar": bar, "ok": ok}
        print(json.dumps(line), flush=True)
        sign = "" if bar is None else f"{'≤' if most else '≥'} {bar:g}"
        self.rows.append((name, value, unit, sign, ok))

    def table(self) -> str:
        """Draw all figures."""
        lines = [
            f"{name:44} {value:>14,.4g} {unit:10} {bar:>12}  {'ok' if ok else 'MISSED'}"
            for name, value, unit, bar, ok in self.rows
        ]
        return "\n".join(lines)


@contextmanager
def sqlite_floor(folder: Path) -> Iterator[Commit]:
    """Give a commit of bare rows, as SQLite alone does it."""
    connection = sqlite3.connect(folder / "floor.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE row (id INTEGER PRIMARY KEY, data BLOB)")

    def commit(items: Sequence[PendingEntry]) -> None:
        rows = [(_record(item),) for item in items]
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany("INSERT INTO row (data) VALUES (?)", rows)
        connection.execute("COMMIT")

    yield commit
    connection.close()


@contextmanager
def postgresql_floor(url: str) -> Iterator[Commit]:
    """Give a commit of bare rows, as the server alone does it."""
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE floor_row (id BIGSERIAL PRIMARY KEY, data BYTEA)"))
    raw = engine.raw_connection()
    cursor = raw.cursor()

    def commit(items: Sequence[PendingEntry]) -> None:
        rows = [(_record(item),) for item in items]
        cursor.executemany("INSERT INTO floor_row (data) VALUES (%s)", rows)
        raw.commit()

    yield commit
    raw.close()
    engine.dispose()


def _record(item: PendingEntry) -> bytes:
    return item.entry.to_bytes() + (item.envelope or b"")


def _items(start: int, count: int) -> list[PendingEntry]:
    return [pending(f"b{n}", "acme") for n in range(start, start + count)]


def compare(report: Report, kind: str, log: Log, floor: Commit, *, rounds: int, size: int) -> None:
    """Measure appends of ``size`` entries against the floor, in alternating rounds."""
    commits = 150 if size == 1 else 12
    ours: list[float] = []
    bare: list[float] = []
    done = log.head.size
    for number in range(rounds + 1):
        batches = [_items(done + k * size, size) for k in range(commits)]
        done += commits * size
        times = [_timed(floor, batches), _timed(log.append, batches)]
        if number:  # the first round warms both up
            bare.append(times[0] / (commits * size))
            ours.append(times[1] / (commits * size))
    ratio = statistics.median(b / o for b, o in zip(bare, ours, strict=True))
    bars = {1: (ONE_BAR, None), BATCH: (BATCH_BAR, RATE_BAR)}[size]
    held = bars if kind == "sqlite" else (None, None)
    report.add(f"{kind}.floor.commit_{size}", 1 / statistics.median(bare), "entries/s")
    report.add(f"{kind}.append_{size}", 1 / statistics.median(ours), "entries/s", held[1])
    report.add(f"{kind}.append_{size}.over_floor", ratio, "ratio", held[0])


def _timed(commit: Commit, batches: list[list[PendingEntry]]) -> float:
    start = time.perf_counter()
    for batch in batches:
        commit(batch)
    return time.perf_counter() - start


def grow(report: Report, engine: Engine, folder: Path, entries: int) -> Log:
    """Fill a log, and watch memory and speed as it grows."""
    ledger = Ledger(engine, folder, workspace="large")
    log = ledger.log()
    checks = {entries // 10: "tenth", entries: "all"}
    resident: dict[str, int] = {}
    since, mark = time.perf_counter(), 0
    spent = 0.0
    while log.head.size < entries:
        size = log.head.size
        stop = next(check for check in checks if check > size)
        batch = [pending(f"g{n}", "large") for n in range(size, min(size + BATCH, stop))]
        start = time.perf_counter()
        log.append(batch)
        spent += time.perf_counter() - start
        if log.head.size in checks:
            resident[checks[log.head.size]] = _resident()
            rate = (log.head.size - mark) / spent
            report.add(f"sqlite.append_{BATCH}.up_to_{log.head.size}", rate, "entries/s")
            mark, spent = log.head.size, 0.0
            sys.stderr.write(f"{log.head.size} entries, {time.perf_counter() - since:.0f} s\n")
    report.add("memory.resident", resident["all"] / 2**20, "MiB")
    growth = resident["all"] / resident["tenth"]
    report.add("memory.growth_times_ten_entries", growth, "ratio", GROWTH_BAR, most=True)
    return log


def prove(report: Report, log: Log) -> None:
    """Measure inclusion proofs at random places, and check each."""
    size, chance = log.head.size, random.Random(1)
    root = log.head.root
    times: list[float] = []
    for _ in range(3_000):
        index = chance.randrange(size)
        start = time.perf_counter()
        path = log.prove_inclusion(index)
        times.append(1_000 * (time.perf_counter() - start))
        verify_inclusion(leaf_hash(log.entry(index)), index, size, path, root)
    times.sort()
    report.add(f"proof.p50_at_{size}", times[len(times) // 2], "ms")
    report.add(f"proof.p99_at_{size}", times[len(times) * 99 // 100], "ms", PROOF_MS, most=True)
    sizes = [len(export_proof(log, chance.randrange(size)).to_bytes()) for _ in range(50)]
    report.add(f"proof.bytes_at_{size}", max(sizes), "bytes", PROOF_BYTES, most=True)
    find(report, log)


def find(report: Report, log: Log) -> None:
    """Measure finding an entry by its leaf hash, which needs no index that grows with writes."""
    size, chance = log.head.size, random.Random(2)
    times: list[float] = []
    for _ in range(300):
        index = chance.randrange(size)
        leaf = leaf_hash(log.entry(index))
        start = time.perf_counter()
        found = log.storage.leaf_index(leaf)
        times.append(1_000 * (time.perf_counter() - start))
        if found != index:
            raise SystemExit(f"leaf {index} was found at {found}")
    report.add(f"find_leaf.p50_at_{size}", statistics.median(times), "ms")


def _resident() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096


def kill(report: Report, kind: str, url: str, folder: Path, kills: int) -> None:
    """Kill writers at every step; nothing acknowledged may be lost, no head contradicted."""
    found = crash(url, folder, kills=kills)
    for problem in found.problems[:10]:
        sys.stderr.write(f"{kind}: {problem}\n")
    report.add(f"{kind}.kills", found.total, "kills", kills)
    report.add(f"{kind}.kills.acknowledged", len(found.acknowledged), "entries")
    report.add(f"{kind}.kills.problems", len(found.problems), "problems", 0, most=True)


def measure(report: Report, kind: str, folder: Path, options: argparse.Namespace) -> None:
    """Run everything for one database."""
    with fresh_store(kind, folder) as url:
        engine = open_engine(url)
        log = Ledger(engine, folder).log()
        floor = sqlite_floor(folder) if kind == "sqlite" else postgresql_floor(url)
        with floor as commit:
            for size in (1, BATCH):
                compare(report, kind, log, commit, rounds=options.rounds, size=size)
        if kind == "sqlite" and options.entries:
            prove(report, grow(report, engine, folder, options.entries))
        engine.dispose()
    if options.kills:
        below = folder / "kills"
        below.mkdir()
        with fresh_store(kind, below) as url:
            kill(report, kind, url, below, options.kills)


def main() -> int:
    """Measure; exit 1 where a bar was missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=1_000_000, help="of the large log; 0: none")
    parser.add_argument("--kills", type=int, default=200, help="a database; 0: none")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--only", choices=["sqlite", "postgresql"])
    options = parser.parse_args()
    report = Report([])
    for kind in ("sqlite", "postgresql"):
        if options.only not in {None, kind}:
            continue
        if kind == "postgresql" and not reachable_postgres():
            sys.stderr.write("PostgreSQL: not measured, no server (TIDEGATE_TEST_POSTGRES)\n")
            continue
        folder = Path(tempfile.mkdtemp(prefix="tidegate-ledger-"))
        try:
            measure(report, kind, folder, options)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    sys.stderr.write(report.table() + "\n")
    return 0 if all(row[4] for row in report.rows) else 1


if __name__ == "__main__":
    sys.exit(main())
