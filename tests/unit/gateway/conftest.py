"""A gateway on a real socket, in front of a small model server on another."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import anyio
import httpx
import orjson
import pytest
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from tests.proving import MODEL, TRUST, release

from tidegate.core.clock import Clock, SystemClock
from tidegate.gateway.compose import create_gateway
from tidegate.gateway.keys import Keyring, key_line, new_key
from tidegate.gateway.provenance import Deployment
from tidegate.gateway.server import server
from tidegate.gateway.settings import GatewaySettings, Limits


@dataclass
class ModelServer:
    """The model server: answers what it is told to, and remembers what it was asked."""

    status: int = 200
    chunks: list[bytes] = field(default_factory=lambda: [b'{"ok":true}'])
    headers: list[tuple[bytes, bytes]] = field(
        default_factory=lambda: [
            (b"content-type", b"application/json"),
            (b"server", b"inner/9"),
            (b"set-cookie", b"a=b"),
            (b"x-internal-node", b"node-17"),
        ]
    )
    pause: float = 0.0
    stall: bool = False
    """Never ends its answer."""
    seen: list[tuple[str, dict[bytes, bytes], bytes]] = field(default_factory=list)
    gone: threading.Event = field(default_factory=threading.Event)
    """Set when a caller went away."""
    url: str = ""

    @property
    def last(self) -> Any:
        """The body that it got last."""
        return orjson.loads(self.seen[-1][2])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        self.seen.append((scope["path"], dict(scope["headers"]), body))
        await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
        for chunk in self.chunks:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await anyio.sleep(self.pause)
        while self.stall:
            if (await receive())["type"] == "http.disconnect":
                self.gone.set()
                return
        await send({"type": "http.response.body", "body": b"", "more_body": False})


@contextmanager
def running(make: Callable[[], uvicorn.Server]) -> Iterator[str]:
    """Run a server in a thread on a free port, and give its URL."""
    held = make()
    thread = threading.Thread(target=held.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 10
    while not held.started:
        assert thread.is_alive(), "the server did not start"
        assert time.monotonic() < deadline
        time.sleep(0.005)
    port = held.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        held.should_exit = True
        thread.join(10)


def plain_server(app: ASGIApp) -> uvicorn.Server:
    """Return a server without limits."""
    return uvicorn.Server(
        uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None, lifespan="off", ws="none")
    )


@dataclass
class Bench:
    """A gateway that can be started, and what it needs."""

    settings: GatewaySettings
    token: str
    clock: Clock = field(default_factory=SystemClock)

    @contextmanager
    def client(self, *, limits: Limits | None = None, **changes: Any) -> Iterator[httpx.Client]:
        """Start the gateway, and give a client that holds a key."""
        settings = replace(self.settings, **changes)
        if limits is not None:
            settings = replace(settings, limits=limits)
        app = create_gateway(settings, self.clock)
        make = lambda: server(  # noqa: E731 - one line
            app, "127.0.0.1", 0, headers=settings.limits.headers, connections=100
        )
        headers = {"authorization": f"Bearer {self.token}"}
        with (
            running(make) as url,
            httpx.Client(base_url=url, headers=headers, timeout=10) as client,
        ):
            yield client


def make_bench(folder: Path, url: str) -> Bench:
    """Write what a gateway needs into a folder."""
    path = folder / "release.json"
    path.write_bytes(release())
    token = new_key("web-shop")
    deployment = Deployment("credit-model", MODEL, path, upstream_model="inner-name")
    settings = GatewaySettings(
        upstream=url,
        deployment=deployment,
        trust=TRUST,
        callers=Keyring.parse(key_line("web-shop", token)),
        spool=folder / "spool",
    )
    return Bench(settings, token)


@pytest.fixture(scope="session")
def model_server() -> Iterator[ModelServer]:
    app = ModelServer()
    with running(lambda: plain_server(app)) as url:
        app.url = url
        yield app


@pytest.fixture
def upstream(model_server: ModelServer) -> ModelServer:
    """The model server, as if it had just started."""
    fresh = ModelServer(url=model_server.url)
    vars(model_server).update(vars(fresh))
    return model_server


@pytest.fixture
def bench(tmp_path: Path, upstream: ModelServer) -> Bench:
    """A gateway of the test's own."""
    return make_bench(tmp_path, upstream.url)


@pytest.fixture(scope="session")
def _shared_client(
    tmp_path_factory: pytest.TempPathFactory, model_server: ModelServer
) -> Iterator[tuple[httpx.Client, str]]:
    bench = make_bench(tmp_path_factory.mktemp("gateway"), model_server.url)
    with bench.client(limits=Limits(requests_per_minute=100_000, burst=10_000)) as client:
        yield client, bench.token


@pytest.fixture
def client(_shared_client: tuple[httpx.Client, str], upstream: ModelServer) -> httpx.Client:
    """A caller of a gateway that all tests share; its settings are the usual ones."""
    return _shared_client[0]


@pytest.fixture
def token(_shared_client: tuple[httpx.Client, str]) -> str:
    """The key of ``client``."""
    return _shared_client[1]
