"""Speed of digests: files against the bare libraries in the same run, trees, and tables.

Prints one JSON object a line, and a table on stderr. ``--mib`` and ``--rows`` set the sizes.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as papq
from blake3 import blake3

from tidegate.core.artifact.hashing import BLOCK, blake3_mapped, hash_file
from tidegate.core.artifact.manifest import build_manifest, verify
from tidegate.core.clock import FixedClock
from tidegate.tables.cache import CachedHasher, MemoryCache
from tidegate.tables.chunks import build_chunks
from tidegate.tables.digest import digest_table
from tidegate.tables.infer import infer_schema
from tidegate.tables.schema import TableSchema

FAILED: list[str] = []


def show(
    name: str, value: float, unit: str, bar: float | None = None, *, most: bool = False
) -> None:
    """Report a figure; ``most`` says that the bar is an upper one."""
    ok = bar is None or (value <= bar if most else value >= bar)
    text = "" if bar is None else f"{'<=' if most else '>='} {bar:g}"
    print(json.dumps({"name": name, "value": round(value, 4), "unit": unit, "bar": text, "ok": ok}))
    print(f"{name:44s} {value:10.3f} {unit:10s} {text:10s} {'' if ok else 'MISS'}", file=sys.stderr)
    if not ok:
        FAILED.append(name)


def seconds(*works: Callable[[], object], repeat: int = 5) -> list[float]:
    """Best time of each call, made in turn so that all see the same machine."""
    times: list[list[float]] = [[] for _ in works]
    for _ in range(repeat):
        for work, mine in zip(works, times, strict=True):
            start = time.perf_counter()
            work()
            mine.append(time.perf_counter() - start)
    return [min(mine) for mine in times]


def files(folder: Path, mib: int) -> None:
    path = folder / "big.bin"
    with path.open("wb") as file:
        for _ in range(mib):
            file.write(os.urandom(1 << 20))
    size = mib * 2**20 / 1e9

    def bare_sha256() -> None:
        state, buffer = hashlib.sha256(), bytearray(BLOCK)
        with path.open("rb", buffering=0) as file:
            while count := file.readinto(buffer):
                state.update(memoryview(buffer)[:count])

    bare, mapped, both, ours, chunked = (
        size / time
        for time in seconds(
            bare_sha256,
            lambda: blake3(max_threads=blake3.AUTO).update_mmap(path),
            lambda: hash_file(path),
            lambda: blake3_mapped(path),
            lambda: build_chunks(path),
        )
    )
    show("file/bare hashlib sha256", bare, "GB/s")
    show("file/bare blake3, mapped, all cores", mapped, "GB/s")
    show("file/sha256 and blake3, one pass", both, "GB/s")
    show("file/the same, of bare sha256", both / bare, "ratio", 0.7)  # 1 with a core to spare
    show("file/blake3_mapped", ours, "GB/s")
    show("file/the same, of bare blake3", ours / mapped, "ratio", 0.9)
    show("file/chunk manifest, sha256 on all cores", chunked, "GB/s")
    path.unlink()


def trees(folder: Path, count: int) -> None:
    root = folder / "tree"
    for n in range(count):
        path = root / f"{n % 100:02d}" / f"{n}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.urandom(2_000))
    manifest = build_manifest(root)
    now = time.time_ns() // 1_000 + 10_000_000
    cached = CachedHasher(MemoryCache(count), FixedClock(now))
    build_manifest(root, hasher=cached)
    build, check, again = seconds(
        lambda: build_manifest(root),
        lambda: verify(manifest, root),
        lambda: build_manifest(root, hasher=cached),
    )
    show("tree/manifest, 2 kB files", count / build, "files/s")
    show("tree/verify", count / check, "files/s")
    show("tree/manifest through a warm cache", count / again, "files/s")


def table_of(count: int) -> pa.Table:
    random = np.random.default_rng(1)
    return pa.table(
        {
            "id": pa.array(np.arange(count)),
            "age": pa.array(random.integers(0, 100, count), pa.int32()),
            "amount": pa.array(random.normal(size=count)),
            "score": pa.array(random.random(count), mask=random.random(count) < 0.05),
            "active": pa.array(random.random(count) < 0.5),
            "at": pa.array(random.integers(1_600_000_000, 1_700_000_000, count) * 1_000_000).cast(
                pa.timestamp("us", "UTC")
            ),
            "city": pa.array(random.choice(["berlin", "paris", "rome", "oslo"], count)),
            "name": pa.array([f"customer {n}" for n in random.integers(0, count, count)]),
        }
    )


def write(table: pa.Table, folder: Path, *, with_jsonl: bool = False) -> list[Path]:
    parquet, csv, jsonl = (folder / f"t.{suffix}" for suffix in ("parquet", "csv", "jsonl"))
    papq.write_table(table, parquet)
    pacsv.write_csv(table, csv)
    if not with_jsonl:
        return [parquet, csv]
    plain = table.set_column(5, "at", table["at"].cast(pa.string()))
    with jsonl.open("w") as file:
        for batch in plain.to_batches(max_chunksize=10_000):
            file.writelines(json.dumps(row) + "\n" for row in batch.to_pylist())
    return [parquet, csv, jsonl]


def tables(folder: Path, count: int) -> None:
    paths = write(table_of(count), folder, with_jsonl=True)
    start = time.perf_counter()
    schema = infer_schema(paths[1])
    show("table/infer schema, csv", count / (time.perf_counter() - start) / 1e6, "M rows/s")
    found = set()
    for path, bar in zip(paths, (1.0, None, None), strict=True):
        kind = path.suffix[1:]
        (content,) = seconds(partial(digest_table, path, schema, row_set=False))
        start = time.perf_counter()
        found.add(digest_table(path, schema))
        both = time.perf_counter() - start
        show(f"table/content, {kind}, 8 columns", count / content / 1e6, "M rows/s", bar)
        show(f"table/content and set, {kind}", count / both / 1e6, "M rows/s")
    show("table/digests over three formats", len(found), "distinct", 1, most=True)


def memory(folder: Path, count: int) -> None:
    """Growth of the peak in a fresh process each, for a table and one four times as long."""
    peaks = list[float]()
    for rows in (count, 4 * count):
        paths = write(table_of(rows), folder)
        schema = json.dumps(infer_schema(paths[1]).to_json())
        for path in paths:
            command = [sys.executable, __file__, "--peak", str(path), schema]
            peaks.append(float(subprocess.run(command, check=True, capture_output=True).stdout))
    for kind, small, large in zip(("parquet", "csv"), peaks[:2], peaks[2:], strict=True):
        show(f"memory/{kind}, growth of the peak", large, "MB", 400, most=True)
        show(f"memory/{kind}, 4 times the rows", large / small, "ratio", 1.6, most=True)


def peak(path: Path, schema: str) -> None:
    def high_water() -> int:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))

    Path("/proc/self/clear_refs").write_text("5")  # a child starts with its parent's peak
    before = high_water()
    digest_table(path, TableSchema.from_json(json.loads(schema)))
    print((high_water() - before) / 1_000)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mib", type=int, default=512, help="size of the big file")
    parser.add_argument("--files", type=int, default=5_000, help="files of the tree")
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows of the table")
    parser.add_argument("--peak", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.peak:
        peak(Path(options.peak[0]), options.peak[1])
        return 0
    with tempfile.TemporaryDirectory() as name:
        files(Path(name), options.mib)
        trees(Path(name), options.files)
        tables(Path(name), options.rows)
        memory(Path(name), options.rows)
    return 1 if FAILED else 0


if __name__ == "__main__":
    sys.exit(main())
