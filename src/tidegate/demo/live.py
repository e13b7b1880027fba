"""Processes and requests of the live scenes: the model server, the gateway, and their callers."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from tidegate.demo.release_scenes import ALIAS, NAME, Released
from tidegate.gateway.keys import key_line, new_key

_START_SECONDS = 30
_EXIT_SECONDS = 20


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    body: dict[str, Any]
    headers: Mapping[str, str]

    @property
    def text(self) -> str:
        """The body as text."""
        return json.dumps(self.body)


@dataclass(frozen=True, slots=True)
class Site:
    """A running gateway with a model server behind it."""

    gateway: str
    upstream: str
    token: str


def post(url: str, body: Mapping[str, Any], token: str | None = None) -> Answer:
    """Send JSON and return the answer, whatever its status."""
    headers = {"content-type": "application/json"}
    if token:
        headers["authorization"] = f"Bearer {token}"
    request = Request(url, json.dumps(body).encode(), headers)  # noqa: S310 - loopback only
    try:
        with urlopen(request, timeout=10) as response:  # noqa: S310 - loopback only
            return Answer(response.status, json.load(response), dict(response.headers))
    except HTTPError as error:
        with error:
            return Answer(error.code, json.load(error), dict(error.headers))


def start_refused(released: Released, folder: Path) -> subprocess.CompletedProcess[bytes]:
    """Start the model server on a file that should be refused, and wait for its end."""
    argv = _server_argv(released, folder / "never")
    return subprocess.run(  # noqa: S603 - our own program
        argv, capture_output=True, timeout=_EXIT_SECONDS, check=False
    )


@contextmanager
def site(
    workspace: Path, released: Released, folder: Path, environ: Mapping[str, str]
) -> Generator[Site]:
    """Run the model server and the gateway until the block ends."""
    port_file = folder / "upstream-port"
    keys, token = folder / "gateway-keys", new_key("app")
    keys.write_text(f"{key_line('app', token)}\n", "ascii")
    keys.chmod(0o600)
    with _process(_server_argv(released, port_file), {}) as server:
        upstream = f"http://127.0.0.1:{_port(port_file, server)}"
        listen = f"127.0.0.1:{_free_port()}"
        settings = {
            **environ,
            "TIDEGATE_GATEWAY__LISTEN": listen,
            "TIDEGATE_GATEWAY__UPSTREAM": upstream,
            "TIDEGATE_GATEWAY__TOKEN_FILE": str(keys),
        }
        argv = [sys.executable, "-m", "tidegate", "serve", "gateway", ALIAS]
        argv += ["--model", NAME, "--release", str(released.release), "-C", str(workspace)]
        with _process(argv, settings) as gateway:
            _wait(f"http://{listen}/v2/health/live", gateway)
            yield Site(f"http://{listen}", upstream, token)


def _server_argv(released: Released, port_file: Path) -> list[str]:
    module = "tidegate.demo.upstream"
    return [sys.executable, "-m", module, str(released.model), released.digest, str(port_file)]


@contextmanager
def _process(argv: list[str], settings: Mapping[str, str]) -> Generator["subprocess.Popen[bytes]"]:
    # What is set for a real workspace is not meant for this one.
    plain = {name: text for name, text in os.environ.items() if not name.startswith("TIDEGATE_")}
    process = subprocess.Popen(  # noqa: S603 - our own programs
        argv,
        env={**plain, **settings},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.communicate(timeout=_EXIT_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()


def _port(file: Path, process: "subprocess.Popen[bytes]") -> int:
    deadline = time.monotonic() + _START_SECONDS
    while not (file.exists() and file.read_text("ascii")):
        _check_alive(process, deadline)
        time.sleep(0.05)
    return int(file.read_text("ascii"))


def _wait(url: str, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        _check_alive(process, deadline)
        try:
            with urlopen(url, timeout=2):  # noqa: S310 - loopback only
                return
        except HTTPError:
            return  # it answers
        except (URLError, OSError):
            time.sleep(0.05)


def _check_alive(process: "subprocess.Popen[bytes]", deadline: float) -> None:
    if process.poll() is not None:
        said = process.stderr.read().decode("utf-8", "replace")[-500:] if process.stderr else ""
        raise RuntimeError(f"a server of the demonstration ended: {said}")
    if time.monotonic() > deadline:
        raise RuntimeError("a server of the demonstration did not start")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])
