"""Gateway: requests a second and added latency, against the bare model server in the same run.

Model server, gateway and load each have a process; all on the loopback interface. Every request has
a key, a rate limit, an input check of about 400 characters, and a durable event. Prints JSON lines,
and a table on stderr. Run: ``python benchmarks/gateway.py``.
"""

import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

SECONDS = float(os.environ.get("TIDEGATE_BENCH_SECONDS", "4"))
ANSWER = json.dumps({"choices": [{"message": {"role": "assistant", "content": "Lisbon. " * 40}}]})
QUESTION = (
    "Could you look at the quarterly figures that I pasted below and write two paragraphs for the "
    "board? The first should say how revenue moved against the plan and why; the second should "
    "list the three largest risks for the coming quarter, each with one sentence on what we do "
    "about it. Keep it plain, use no bullet points, and end with the date of the next review. "
    "Thank you; the table follows"
)


def show(name: str, value: float, unit: str, bar: str, *, ok: bool) -> None:
    print(json.dumps({"name": name, "value": round(value, 3), "unit": unit, "bar": bar, "ok": ok}))
    print(f"{name:36s} {value:10.2f} {unit:6s} {bar:12s} {'ok' if ok else 'MISS'}", file=sys.stderr)


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer every request alike, with as little work as can be."""
    whole = (
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
        f"content-length: {len(ANSWER)}\r\n\r\n"
        f"{ANSWER}"
    ).encode()
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            length = head.lower().partition(b"content-length: ")[2].partition(b"\r")[0]
            await reader.readexactly(int(length or 0))
            writer.write(whole)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def model_server() -> None:
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def gateway(upstream: str, folder: Path) -> None:
    from tidegate.core.attest import envelope as dsse  # noqa: PLC0415 - this role only
    from tidegate.core.attest.statement import Statement, Subject  # noqa: PLC0415 - same
    from tidegate.core.attest.uris import PAYLOAD_TYPE, VERIFICATION_SUMMARY  # noqa: PLC0415 - same
    from tidegate.core.clock import SystemClock  # noqa: PLC0415 - same
    from tidegate.core.digest import sha256  # noqa: PLC0415 - same
    from tidegate.core.identity.keys import PrivateKey, Scheme  # noqa: PLC0415 - same
    from tidegate.core.identity.roles import Role  # noqa: PLC0415 - same
    from tidegate.core.identity.trust import TrustedKey, TrustRoot  # noqa: PLC0415 - same
    from tidegate.core.stage import Outcome  # noqa: PLC0415 - same
    from tidegate.gateway.compose import create_gateway  # noqa: PLC0415 - same
    from tidegate.gateway.keys import Keyring, key_line, new_key  # noqa: PLC0415 - same
    from tidegate.gateway.server import server  # noqa: PLC0415 - same
    from tidegate.gateway.settings import Deployment, GatewaySettings, Limits  # noqa: PLC0415 - same
    from tidegate.interop.standard import build_verification_summary  # noqa: PLC0415 - same

    clock, digest = SystemClock(), sha256(b"model")
    key = PrivateKey.generate(Scheme.ED25519)
    trusted = TrustedKey(key.verifier, "olga", frozenset({Role.OPERATOR}))
    predicate = build_verification_summary(
        verifier="urn:tidegate:verifier", time=clock.now(), resource="bench", policy_uri="urn:p",
        policy=sha256(b"p"), outcome=Outcome.ALLOW,
    )  # fmt: skip
    statement = Statement((Subject.of("bench", digest),), VERIFICATION_SUMMARY, predicate)
    path = folder / "summary.json"
    path.write_bytes(dsse.sign(statement.to_bytes(), PAYLOAD_TYPE, [key]).to_bytes())
    token = new_key("bench")
    settings = GatewaySettings(
        upstream=upstream,
        deployment=Deployment("bench", digest, path),
        trust=TrustRoot("bench", 1, keys=(trusted,), root_keys=(key.verifier,)),
        callers=Keyring.parse(key_line("bench", token)),
        spool=folder / "spool",
        limits=Limits(requests_per_minute=10_000_000, burst=1_000_000, concurrent_each=64),
    )
    held = server(create_gateway(settings, clock), "127.0.0.1", 0, headers=16_384, connections=500)
    loop = asyncio.new_event_loop()
    task = loop.create_task(held.serve())
    while not held.started:
        loop.run_until_complete(asyncio.sleep(0.01))
    print(held.servers[0].sockets[0].getsockname()[1], token, flush=True)
    loop.run_until_complete(task)


@dataclass(frozen=True)
class Result:
    """What a load measured."""

    rate: float
    p50: float
    p99: float


async def one(port: int, token: str, until: float, *, fresh: bool, number: int) -> list[float]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    took: list[float] = []
    count = 0
    while time.perf_counter() < until:
        count += 1
        text = f"{QUESTION} {number}.{count}." if fresh else QUESTION
        asked = {"model": "bench", "messages": [{"role": "user", "content": text}]}
        body = json.dumps(asked).encode()
        began = time.perf_counter()
        writer.write(
            b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer %s\r\n"
            b"content-type: application/json\r\ncontent-length: %d\r\n\r\n%s"
            % (token.encode(), len(body), body)
        )
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        if not head.startswith(b"http/1.1 200"):
            raise SystemExit(f"not served: {head[:200]!r}")
        length = head.partition(b"content-length: ")[2].partition(b"\r")[0]
        if length:
            await reader.readexactly(int(length))
        else:
            await reader.readuntil(b"\r\n0\r\n\r\n")
        took.append(time.perf_counter() - began)
    writer.close()
    return took


async def load(port: int, token: str, connections: int, *, fresh: bool) -> Result:
    until = time.perf_counter() + SECONDS
    runs = [one(port, token, until, fresh=fresh, number=n) for n in range(connections)]
    took = sorted(took for run in await asyncio.gather(*runs) for took in run)
    return Result(
        len(took) / SECONDS,
        statistics.median(took) * 1_000,
        took[int(0.99 * len(took))] * 1_000,
    )


def start(*role: str) -> tuple[subprocess.Popen[str], list[str]]:
    process = subprocess.Popen(
        [sys.executable, __file__, *role], stdout=subprocess.PIPE, text=True, bufsize=1
    )
    if process.stdout is None:
        raise SystemExit("no output")
    return process, process.stdout.readline().split()


def main() -> None:
    model, (port, *_) = start("model")
    with tempfile.TemporaryDirectory() as folder:
        front, (gate, token) = start("gateway", f"http://127.0.0.1:{port}", folder)
        try:
            for connections in (1, 16):
                bare = asyncio.run(load(int(port), token, connections, fresh=True))
                fresh = asyncio.run(load(int(gate), token, connections, fresh=True))
                again = asyncio.run(load(int(gate), token, connections, fresh=False))
                name = f"c{connections}"
                show(f"{name}.model_server.rate", bare.rate, "req/s", "reported", ok=True)
                show(f"{name}.gateway.rate", fresh.rate, "req/s", ">= 100", ok=fresh.rate >= 100)
                show(f"{name}.gateway.rate_repeats", again.rate, "req/s", "reported", ok=True)
                added = fresh.p50 - bare.p50
                ok = connections > 1 or added <= 6
                bar = "<= 6" if connections == 1 else "reported"
                show(f"{name}.added_p50", added, "ms", bar, ok=ok)
                show(f"{name}.added_p50_repeats", again.p50 - bare.p50, "ms", "reported", ok=True)
                show(f"{name}.gateway.p99", fresh.p99, "ms", "reported", ok=True)
        finally:
            front.terminate()
            model.terminate()
            front.wait(20)
            model.wait(20)


if __name__ == "__main__":
    if sys.argv[1:2] == ["model"]:
        asyncio.run(model_server())
    elif sys.argv[1:2] == ["gateway"]:
        gateway(sys.argv[2], Path(sys.argv[3]))
    else:
        main()
