"""Signing a model against the bare hash of its bytes, in one run; and what a part costs.

Makes a model of ``--mib`` in four shards, reads it once so that all see the same page cache, and
times each pair in turn. Prints JSON lines, and a table on stderr.
"""

import argparse
import hashlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from blake3 import blake3

from tidegate.core.identity.keys import PrivateKey, Scheme
from tidegate.interop.modelfiles import HashType, Serialization
from tidegate.interop.oms import sign_model, verify_model
from tidegate.tensors.manifest import build, verify_shard

FAILED: list[str] = []
SHARDS = 4
TENSORS = 8
BLOCK = 1 << 22


def show(
    name: str, value: float, unit: str, bar: float | None = None, *, least: bool = False
) -> None:
    ok = bar is None or (value >= bar if least else value <= bar)
    text = "" if bar is None else f"{'>=' if least else '<='} {bar:g}"
    print(json.dumps({"name": name, "value": round(value, 4), "unit": unit, "bar": text, "ok": ok}))
    print(f"{name:48s} {value:10.3f} {unit:8s} {text:10s} {'' if ok else 'MISS'}", file=sys.stderr)
    if not ok:
        FAILED.append(name)


def write_model(folder: Path, mib: int) -> None:
    """Write shards of pseudo-random tensors."""
    size = (mib << 20) // SHARDS // TENSORS // 4 * 4
    for shard in range(SHARDS):
        header: dict[str, object] = {}
        for number in range(TENSORS):
            header[f"layer.{shard * TENSORS + number}.weight"] = {
                "dtype": "F32",
                "shape": [size // 4],
                "data_offsets": [number * size, (number + 1) * size],
            }
        text = json.dumps(header).encode()
        with (folder / f"model-{shard}.safetensors").open("wb") as file:
            file.write(len(text).to_bytes(8, "little") + text)
            for _ in range(TENSORS):
                file.write(os.urandom(size))


def raw(files: list[Path], make: Callable[[], "hashlib._Hash | blake3"]) -> None:
    """Hash files and nothing else: the floor."""
    for path in files:
        hasher = make()
        with path.open("rb", buffering=0) as file:
            while block := file.read(BLOCK):
                hasher.update(block)
        hasher.hexdigest()


def best(*works: Callable[[], object], repeat: int = 3) -> list[float]:
    """Best time of each, made in turn so that all see the same machine."""
    times = [float("inf")] * len(works)
    for _ in range(repeat):
        for at, work in enumerate(works):
            start = time.perf_counter()
            work()
            times[at] = min(times[at], time.perf_counter() - start)
    return times


def main() -> int:
    """Measure; the exit code is 1 when a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mib", type=int, default=2_048)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place, "model")
        folder.mkdir()
        write_model(folder, given.mib)
        measure(folder)
    return 1 if FAILED else 0


def measure(folder: Path) -> None:
    """Time signing and verifying by each algorithm beside its bare hash."""
    files = sorted(folder.iterdir())
    gib = sum(path.stat().st_size for path in files) / (1 << 30)
    key = PrivateKey.generate(Scheme.P256)
    floors: dict[str, float] = {}
    for name, make, kind in (
        ("sha256", hashlib.sha256, HashType.SHA256),
        ("blake3", lambda: blake3(max_threads=blake3.AUTO), HashType.BLAKE3),
    ):
        how = Serialization(kind)
        bundle = sign_model(folder, key, how=how)

        def check(bundle: object = bundle) -> None:
            verify_model(folder, bundle, key.verifier).require_intact()  # type: ignore[arg-type]

        floor, signed, verified = best(
            lambda make=make: raw(files, make),  # type: ignore[misc]
            lambda how=how: sign_model(folder, key, how=how),  # type: ignore[misc]
            check,
        )
        floors[name] = floor
        show(f"{name}: bare hash", gib / floor, "GiB/s")
        show(f"{name}: sign / bare hash", signed / floor, "x", 1.1)
        show(f"{name}: verify / bare hash", verified / floor, "x", 1.1)
    show("blake3 / sha256", floors["sha256"] / floors["blake3"], "x", 2, least=True)
    manifest = build(folder)
    whole, part = best(lambda: build(folder), lambda: verify_shard(files[0], manifest))
    show("tensors: build / bare blake3", whole / floors["blake3"], "x")
    show("tensors: one shard of four / whole", part / whole, "x", 0.3)


if __name__ == "__main__":
    sys.exit(main())
