"""The gateway's commands: what they refuse, and a gateway that runs as a process of its own."""

import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.proving import MODEL, OLGA, TRUST, release

from tidegate.app.trust import write_chain
from tidegate.cli.gateway import app
from tidegate.core.attest.chain import sign_trust_root
from tidegate.core.errors import ConfigError, TidegateError, UsageError, VerificationError
from tidegate.gateway.keys import Keyring, key_line, new_key
from tidegate.gateway.spool_read import read_spool, segments

ModelServer = Any


def call(*words: str) -> Any:
    return app(words, exit_on_error=False, print_error=False, result_action="return_value")


def test_a_new_key_is_shown_once_and_accepted_by_its_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "callers"
    tokens = []
    for _ in range(2):
        assert call("key", "web-shop", "--file", str(file)) == 0
        tokens.append(capsys.readouterr().out.strip())
    ring = Keyring.parse(file.read_text())
    assert [ring.identify(token) for token in tokens] == ["web-shop", "web-shop"]
    assert file.stat().st_mode & 0o777 == 0o600
    assert not any(token in file.read_text() for token in tokens)
    assert call("key", "other") == 0
    shown = capsys.readouterr()
    line = shown.err.splitlines()[-1]
    assert Keyring.parse(line).identify(shown.out.strip()) == "other"


@pytest.fixture
def ground(
    tmp_path: Path,
    upstream: ModelServer,
) -> Callable[..., list[str]]:
    """Write a folder that a gateway can run in, and give the words of its command."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (tmp_path / "callers").touch(0o600)
    (tmp_path / "tidegate.toml").write_text(
        f'[gateway]\nlisten = "127.0.0.1:{port}"\nupstream = "{upstream.url}"\n'
        'token_file = "callers"\n'
    )
    write_chain(tmp_path / "trust.json", [sign_trust_root(TRUST, [OLGA])])
    (tmp_path / "release.json").write_bytes(release())

    def words(**changes: str) -> list[str]:
        given = {
            "-C": str(tmp_path),
            "--release": str(tmp_path / "release.json"),
            "--model": "credit-model",
            "--trust": str(tmp_path / "trust.json"),
            "--pin": str(TRUST.digest),
            **{f"--{name}": value for name, value in changes.items()},
        }
        flags = [word for flag, value in given.items() if value for word in (flag, value)]
        return [str(MODEL), *flags]

    return words


@pytest.mark.parametrize(
    ("changes", "error", "code"),
    [
        ({"release": "/nowhere/release.json"}, VerificationError, "TG-VER/missing"),
        ({"pin": ""}, UsageError, "TG-USE/no-pin"),
        ({"pin": "sha256:" + "0" * 64}, VerificationError, "TG-VER/wrong-anchor"),
        ({"model": ""}, UsageError, "TG-USE/no-model-name"),
        ({"upstream-key-file": "/nowhere/key"}, UsageError, "TG-USE/upstream-key"),
    ],
)
def test_a_gateway_that_could_not_serve_does_not_start(
    ground: Callable[..., list[str]],
    changes: dict[str, str],
    error: type[TidegateError],
    code: str,
) -> None:
    with pytest.raises(error) as refused:
        call(*ground(**changes))
    assert refused.value.code == code
    assert refused.value.next_step


@pytest.mark.parametrize(
    ("line", "code"),
    [("upstream", "TG-CFG/no-upstream"), ("token_file", "TG-CFG/no-callers")],
)
def test_a_gateway_without_upstream_or_callers_does_not_start(
    tmp_path: Path, ground: Callable[..., list[str]], line: str, code: str
) -> None:
    file = tmp_path / "tidegate.toml"
    file.write_text(re.sub(rf"(?m)^{line} = .*\n", "", file.read_text()))
    with pytest.raises(ConfigError) as refused:
        call(*ground())
    assert refused.value.code == code


def test_a_gateway_runs_as_a_process_and_stops_when_told(
    tmp_path: Path, ground: Callable[..., list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    token = new_key("web-shop")
    (tmp_path / "callers").write_text(key_line("web-shop", token))
    url = re.search(r'listen = "(.*)"', (tmp_path / "tidegate.toml").read_text())
    assert url is not None
    code = "import sys; from tidegate.cli.gateway import app; app(sys.argv[1:])"
    with subprocess.Popen([sys.executable, "-c", code, *ground()]) as process:
        with httpx.Client(base_url=f"http://{url[1]}") as client:
            for _ in range(200):
                try:
                    if client.get("/v2/health/ready").status_code == 200:
                        break
                except httpx.TransportError:
                    time.sleep(0.05)
            headers = {"authorization": f"Bearer {token}"}
            body = {"model": "credit-model", "messages": [{"role": "user", "content": "Hi there"}]}
            assert (
                client.post("/v1/chat/completions", json=body, headers=headers).status_code == 200
            )
        process.send_signal(signal.SIGTERM)
        process.wait(10)
    spool = tmp_path / ".tidegate" / "spool"
    assert [item.event["kind"] for item in read_spool(spool).events] == [
        "opened",
        "decided",
        "finished",
    ]
    assert call("events", str(spool)) == 0
    assert "decided passed" in capsys.readouterr().out
    segments(spool)[0].write_bytes(b"{}\n")
    assert call("events", str(spool), "--format", "json") == 5


def test_a_spool_that_is_not_there_is_refused() -> None:
    with pytest.raises(TidegateError) as refused:
        call("events", "/nowhere")
    assert refused.value.code == "TG-SUB/no-spool"
