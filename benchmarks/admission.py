"""The deploy gate: time of an answer at 100 reviews a second, and of verifying a release.

The load is open: reviews are sent at fixed times, whether or not earlier ones were answered, so a
slow answer is not hidden by the waiting of its sender. Prints JSON lines, and a table on stderr.
"""

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import httpx

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.proving import OLGA, TRUST, release

from tidegate.admission.compose import create_admission
from tidegate.admission.settings import AdmissionSettings
from tidegate.app.trust import write_chain
from tidegate.core.attest.chain import sign_trust_root
from tidegate.core.clock import SystemClock
from tidegate.core.digest import sha256
from tidegate.gateway.server import server
from tidegate.interop.proved import Proved
from tidegate.interop.release import read_release

RATE = 100
RELEASES = 200
FAILED: list[str] = []


def show(name: str, value: float, unit: str, bar: float | None = None) -> None:
    ok = bar is None or value <= bar
    text = "" if bar is None else f"<= {bar:g}"
    print(json.dumps({"name": name, "value": round(value, 3), "unit": unit, "bar": text, "ok": ok}))
    print(f"{name:44s} {value:10.3f} {unit:10s} {text:10s} {'' if ok else 'MISS'}", file=sys.stderr)
    if not ok:
        FAILED.append(name)


def review(number: int) -> bytes:
    """Return a review of a pod with three containers, a model, and the usual noise."""
    noise = [{"name": f"V{at}", "value": "x" * 40} for at in range(40)]
    body = {
        "metadata": {"name": f"m{number}", "labels": {"app": "m"}},
        "spec": {
            "predictor": {
                "model": {"storageUri": f"s3://models/m{number % (RELEASES + 20)}"},
                "containers": [{"name": f"c{at}", "image": "i", "env": noise} for at in range(3)],
            }
        },
    }
    request = {
        "uid": f"u{number}",
        "kind": {"group": "serving.kserve.io", "version": "v1beta1", "kind": "InferenceService"},
        "namespace": "ml",
        "operation": "CREATE",
        "userInfo": {"username": "dev"},
        "object": body,
    }
    return json.dumps(
        {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}
    ).encode()


async def load(url: str, seconds: float) -> tuple[list[float], int]:
    """Send reviews at a fixed rate; return how long each took from when it was due, and errors."""
    took: list[float] = []
    errors = 0
    limits = httpx.Limits(max_connections=64)

    async def one(client: httpx.AsyncClient, number: int, due: float) -> None:
        nonlocal errors
        answer = await client.post("/validate", content=review(number))
        took.append(time.perf_counter() - due)
        told = answer.json()["response"]
        wanted = number % (RELEASES + 20) < RELEASES
        errors += answer.status_code != 200 or told["allowed"] is not wanted

    async with httpx.AsyncClient(base_url=url, limits=limits, timeout=30) as client:
        await client.get("/readyz")
        start = time.perf_counter() + 0.1
        tasks: list[asyncio.Task[None]] = []
        for number in range(int(RATE * seconds)):
            due = start + number / RATE
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            tasks.append(asyncio.create_task(one(client, number, due)))
        await asyncio.gather(*tasks)
    return took, errors


def measure_webhook(folder: Path, seconds: float) -> None:
    """Answer times with 200 releases at hand; one in eleven reviews is to be refused."""
    releases = folder / "releases"
    releases.mkdir()
    for number in range(RELEASES):
        uri = f"s3://models/m{number}"
        data = release(resource=uri, digest=sha256(uri.encode()), index=number + 1)
        (releases / f"{number}.json").write_bytes(data)
    settings = AdmissionSettings(releases=releases, trust=TRUST, spool=folder / "spool")
    running = server(
        create_admission(settings, SystemClock()), "127.0.0.1", 0, headers=8_192, connections=128
    )
    thread = threading.Thread(target=running.run, daemon=True)
    start = time.perf_counter()
    thread.start()
    while not running.started:
        time.sleep(0.005)
    show("webhook.start with 200 releases", time.perf_counter() - start, "s")
    port = running.servers[0].sockets[0].getsockname()[1]
    took, errors = asyncio.run(load(f"http://127.0.0.1:{port}", seconds))
    running.should_exit = True
    thread.join()
    took.sort()
    show("webhook.p50 at 100/s", took[len(took) // 2] * 1e3, "ms")
    show("webhook.p99 at 100/s", took[int(len(took) * 0.99)] * 1e3, "ms", 50)
    show("webhook.max at 100/s", took[-1] * 1e3, "ms")
    show("webhook.wrong answers", errors, "reviews", 0)


def measure_release(folder: Path) -> None:
    """Verify one file of a log of 100,000: in process, and as a command."""
    model = folder / "model.bin"
    model.write_bytes(b"weights")
    data = release(digest=sha256(b"weights"), index=99_999)
    (folder / "release.json").write_bytes(data)
    show("release.size", len(data), "B")
    times: list[float] = []
    for _ in range(200):
        start = time.perf_counter()
        read_release(Proved.parse(data), TRUST, now=SystemClock().now())
        times.append(time.perf_counter() - start)
    show("release.verify in process", statistics.median(times) * 1e3, "ms", 50)
    trust = folder / "trust.json"
    write_chain(trust, [sign_trust_root(TRUST, [OLGA])])
    words = [str(model), "--release", str(folder / "release.json"), "--trust", str(trust)]
    command = [str(Path(sys.executable).with_name("tidegate")), "serve", "released", *words]
    times.clear()
    for _ in range(7):
        start = time.perf_counter()
        subprocess.run(
            [*command, "--pin", str(TRUST.digest)], check=True, stdout=subprocess.DEVNULL
        )
        times.append(time.perf_counter() - start)
    show("release.verify as a command", statistics.median(times) * 1e3, "ms", 500)


def main() -> int:
    """Measure; the exit code is 1 when a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20, help="of load")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        measure_webhook(Path(folder), given.seconds)
        measure_release(Path(folder))
    return 1 if FAILED else 0


if __name__ == "__main__":
    sys.exit(main())
