"""Mutated pickles, archives and texts through the model scanner: no crash, no hang, no execution.

A deterministic mutator works on files that the standard library, NumPy and joblib write, and on
the published files where ../shared is present. An audit hook (PEP 578) counts every import,
file, process and socket that a scan would cause, and everything that is executed. JSON lines on
stdout, a table on stderr.

    python benchmarks/fuzz_scanner.py [--count 100000] [--seed 0] [--seconds 3600]
"""

import argparse
import bz2
import gzip
import io
import json
import lzma
import pickle
import random
import resource
import struct
import sys
import tarfile
import time
import zipfile
import zlib
from collections import Counter, OrderedDict
from pathlib import Path
from typing import Any

import joblib
import numpy as np

from tidegate.detect.supply import Budget, scan_bytes
from tidegate.sandbox.scan_cell import import_all

SHARED = Path(__file__).resolve().parents[1] / "../shared/data/supply/scan"
WATCHED = ("import", "open", "exec", "os.", "subprocess.", "socket.", "ctypes.", "shutil.")
SLOW = 10.0
LARGEST = 200_000


def seeds() -> list[bytes]:
    """Return the files that are mutated."""
    values: list[Any] = [
        {"a": [1, 2.5, "x", b"y", None, True], "b": (1, (2, (3,)))},
        OrderedDict(a=1),
        {1, 2, frozenset({3})},
        "text" * 50,
        [bytearray(b"abc"), 10**40, complex(1, 2)],
        np.arange(12.0).reshape(3, 4),
        np.array([{"a": 1}, "x"], dtype=object),
    ]
    out = [pickle.dumps(value, protocol) for value in values for protocol in range(6)]
    for value in values[5:]:
        for compress in (0, 3, ("bz2", 3), ("xz", 1)):
            buffer = io.BytesIO()
            joblib.dump(value, buffer, compress=compress)
            out.append(buffer.getvalue())
    evil = b"cos\nsystem\n(S'id'\ntR."
    plain = out[3]
    out += [evil, gzip.compress(plain), bz2.compress(plain), lzma.compress(plain)]
    out += [zlib.compress(plain), archive(plain, evil), tarball(plain), saved()]
    out.append(b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + struct.pack("<Q", 4) + b"name" + bytes(12))
    header = b'{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}'
    out.append(struct.pack("<Q", len(header)) + header + bytes(8))
    out += [
        b'{"chat_template": "{{ x.y }}{% for a in b %}{% endfor %}"}',
        b"a: !!python/name:os.system",
    ]
    if SHARED.is_dir():
        files = [file for file in sorted(SHARED.rglob("*")) if file.is_file()]
        out += [file.read_bytes() for file in files if file.stat().st_size < LARGEST]
    return out


def archive(*members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as made:
        for number, member in enumerate(members):
            made.writestr(f"m/{number}.pkl", member)
    return buffer.getvalue()


def tarball(member: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as made:
        info = tarfile.TarInfo("m.pkl")
        info.size = len(member)
        made.addfile(info, io.BytesIO(member))
    return buffer.getvalue()


def saved() -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, a=np.zeros(4), b=np.array([None], dtype=object))
    return buffer.getvalue()


def mutated(rng: random.Random, pool: list[bytes]) -> bytes:
    """Return a file with one to eight changes."""
    data = bytearray(rng.choice(pool))
    for _ in range(rng.randint(1, 8)):
        at = rng.randrange(len(data) + 1)
        kind = rng.randrange(8)
        if kind == 0 and data:
            data[at % len(data)] ^= 1 << rng.randrange(8)
        elif kind == 1 and data:
            data[at % len(data)] = rng.randrange(256)
        elif kind == 2:
            data[at:at] = rng.randbytes(rng.randint(1, 8))
        elif kind == 3:
            del data[at : at + rng.randint(1, 16)]
        elif kind == 4:
            other = rng.choice(pool)
            begin = rng.randrange(len(other) + 1)
            data[at:at] = other[begin : begin + rng.randint(1, 64)]
        elif kind == 5:
            data[at : at + 4] = rng.choice(
                (b"\xff" * 4, bytes(4), b"\x7f\xff\xff\xff", b"\x80\0\0\0")
            )
        elif kind == 6:
            piece = bytes(data[at : at + rng.randint(1, 32)])
            data[at:at] = piece * rng.randint(1, 50)
        else:
            del data[at:]
    return bytes(data[:LARGEST])


def show(name: str, value: float, unit: str, bar: str, *, ok: bool) -> None:
    print(json.dumps({"name": name, "value": round(value, 4), "unit": unit, "bar": bar, "ok": ok}))
    print(f"{name:34s} {value:12.3f} {unit:9s} {bar:9s} {'ok' if ok else 'MISS'}", file=sys.stderr)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=3_600)
    options = parser.parse_args()
    pool, rng = seeds(), random.Random(options.seed)
    acts: Counter[str] = Counter()
    watching = False

    def watch(event: str, given: tuple[object, ...]) -> None:
        if watching and event.startswith(WATCHED):
            acts[f"{event} {str(given[0])[:60]}"] += 1

    import_all()
    for data in pool:  # what is imported or read once is, before anything is counted
        scan_bytes(data, "seed")
    sys.addaudithook(watch)
    statuses: Counter[str] = Counter()
    crashes: list[str] = []
    worst, done, start = 0.0, 0, time.monotonic()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    while done < options.count and time.monotonic() - start < options.seconds:
        data = mutated(rng, pool)
        began = time.monotonic()
        watching = True
        try:
            statuses[scan_bytes(data, "f", budget=Budget(seconds=60)).status.value] += 1
        except Exception as error:  # noqa: BLE001 - to find them is the purpose
            crashes.append(f"{type(error).__name__}: {error} ({done}, seed {options.seed})")
        watching = False
        worst = max(worst, time.monotonic() - began)
        done += 1
    rate = done / (time.monotonic() - start)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    for line in [*crashes[:10], f"{dict(statuses)}", f"acts: {dict(acts)}"]:
        print(line, file=sys.stderr)
    print(f"memory before the first mutation: {before / 1024:.0f} MiB", file=sys.stderr)
    show("fuzz.files", done, "files", f">= {options.count}", ok=done >= options.count)
    show("fuzz.crashes", len(crashes), "files", "= 0", ok=not crashes)
    show("fuzz.acts", acts.total(), "events", "= 0", ok=not acts)
    show("fuzz.slowest", worst, "s", f"<= {SLOW:g}", ok=worst <= SLOW)
    show("fuzz.rate", rate, "files/s", "-", ok=True)
    show("fuzz.peak_memory", peak, "MiB", "<= 200", ok=peak <= 200)
    return 0 if not crashes and not acts and done >= options.count and worst <= SLOW else 1


if __name__ == "__main__":
    sys.exit(main())
