"""Confinement: what a hostile command tries, and what an honest one needs."""

import os
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tidegate.core.errors import CheckError, UsageError
from tidegate.sandbox.confine import run_confined
from tidegate.sandbox.order import Completed, Limits, Order, Tier
from tidegate.sandbox.probe import host

needs_namespaces = pytest.mark.skipif(
    host().tier is Tier.NONE, reason=f"{host().reason}: {host().remedy}"
)


@dataclass(frozen=True)
class Run:
    """One program run in a confined place with one input."""

    folder: Path
    port: int

    def __call__(self, program: str, *, limits: Limits | None = None, tier: Tier) -> Completed:
        code, output = self.folder / "code", self.folder / "out"
        code.mkdir()
        output.mkdir()
        (code / "program.py").write_text(program)
        data = self.folder / "data.csv"
        data.write_text(str(self.port))
        order = Order(
            [sys.executable, "program.py"],
            code,
            {"data": data},
            output,
            limits=limits or Limits(wall_seconds=30),
            minimum_tier=tier,
        )
        return run_confined(order)


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    """A runner, beside a listening port of this host that its programs may try to reach."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield Run(tmp_path, server.getsockname()[1])


CONNECT = """
import os, socket
port = int(open(os.environ["TIDEGATE_INPUTS"] + "/data").read())
socket.create_connection(("127.0.0.1", port), 2)
"""
ESCAPES = {
    "network": CONNECT,
    "write an input": "import os; open(os.environ['TIDEGATE_INPUTS'] + '/data', 'a')",
    "change an input's mode": "import os; os.chmod(os.environ['TIDEGATE_INPUTS'] + '/data', 0o777)",
    "write code": "open('new.py', 'w')",
    "read a home folder": "import os; os.listdir('/root')",
    "read secrets of the host": "open('/etc/shadow')",
    "core pattern": "open('/proc/sys/kernel/core_pattern', 'w')",
    "mount": "import ctypes; assert ctypes.CDLL(None).mount(b'a', b'/out', b'tmpfs', 0, None) == 0",
    "new user namespace": "import ctypes; assert ctypes.CDLL(None).unshare(0x10000000) == 0",
    "trace another": "import ctypes; assert ctypes.CDLL(None).ptrace(16, 1, None, None) == 0",
    "environment of the caller": "import os; os.environ['TIDEGATE_SECRET_OF_CALLER']",
}


@needs_namespaces
@pytest.mark.parametrize("attempt", ESCAPES.values(), ids=ESCAPES.keys())
def test_an_escape_fails(run: Run, attempt: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each attempt raises inside, so that the command ends with a traceback and leaves nothing."""
    monkeypatch.setenv("TIDEGATE_SECRET_OF_CALLER", "x")
    completed = run(attempt, tier=Tier.NAMESPACES)
    assert completed.returncode == 1, (completed.stdout, completed.stderr)
    assert completed.outputs == ()


CONTROL = {
    name: ESCAPES[name]
    for name in ("network", "write an input", "write code", "read a home folder")
}


@pytest.mark.skipif(os.geteuid() != 0, reason="the control arm reads what only root may")
@pytest.mark.parametrize("attempt", CONTROL.values(), ids=CONTROL.keys())
def test_without_confinement_the_attempt_succeeds(
    run: Run, attempt: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control arm: the same program in a plain process gets what it wants."""
    monkeypatch.setattr("tidegate.sandbox.confine.host", _no_isolation)
    assert run(attempt, tier=Tier.NONE).returncode == 0


def _no_isolation() -> object:
    from tidegate.sandbox.probe import Host  # noqa: PLC0415 - only here

    return Host(None, "switched off for the control arm", "none", None)


@needs_namespaces
def test_an_honest_command_works(run: Run) -> None:
    """It reads its input, computes with numpy, uses processes, and leaves a file."""
    program = """
import os, multiprocessing, numpy
def main():
    text = open(os.environ["TIDEGATE_INPUTS"] + "/data").read()
    with multiprocessing.Pool(2) as pool:
        numbers = pool.map(abs, [-1, -2])
    os.makedirs(os.environ["TIDEGATE_OUTPUT"] + "/deep")
    open(os.environ["TIDEGATE_OUTPUT"] + "/deep/model.txt", "w").write(text + str(sum(numbers)))
if __name__ == "__main__":
    main()
"""
    completed = run(program, tier=Tier.NAMESPACES)
    assert completed.returncode == 0, completed.stderr
    assert completed.outputs == ("deep/model.txt",)
    assert (run.folder / "out/deep/model.txt").read_text() == f"{run.port}3"
    assert completed.tier >= Tier.NAMESPACES
    assert str(completed.isolation["seccomp"]).startswith("sha256:")


@needs_namespaces
@pytest.mark.skipif(os.geteuid() != 0, reason="started as root, it drops to another user")
def test_root_is_given_up(run: Run) -> None:
    """Started as root, the command runs as a per-run unprivileged user."""
    completed = run("import os; print(os.getuid(), os.geteuid())", tier=Tier.NAMESPACES)
    first, second = completed.stdout.split()
    assert int(first) == int(second) > 60_000
    assert completed.isolation["uid"] == "per-run"


@needs_namespaces
@pytest.mark.parametrize(
    ("program", "limits", "stopped"),
    [
        ("while True: pass", Limits(wall_seconds=1), "wall_seconds"),
        (
            "import time; x = bytearray(300 << 20); time.sleep(20)",
            Limits(wall_seconds=25, memory_bytes=200 << 20),
            None,
        ),
    ],
    ids=["time", "memory"],
)
def test_a_limit_ends_it(run: Run, program: str, limits: Limits, stopped: str | None) -> None:
    """Too long or too much memory ends the command, with a failure."""
    completed = run(program, limits=limits, tier=Tier.NAMESPACES)
    assert completed.returncode != 0
    assert completed.stopped == stopped
    assert completed.seconds < 15


BAD_OUTPUTS = {
    "symlink": "import os; os.symlink('/etc/passwd', '/out/x')",
    "fifo": "import os; os.mkfifo('/out/x')",
    "control character": "open('/out/a\\x1b[2J', 'w')",
    "hard link": "import os; open('/out/a', 'w'); os.link('/out/a', '/out/b')",
}


@needs_namespaces
@pytest.mark.parametrize("program", BAD_OUTPUTS.values(), ids=BAD_OUTPUTS.keys())
def test_a_strange_output_is_refused(run: Run, program: str) -> None:
    """Only plain files leave the confinement."""
    with pytest.raises(CheckError) as caught:
        run(program, tier=Tier.NAMESPACES)
    assert caught.value.code == "TG-CHK/bad-output"


def test_a_tier_that_is_not_to_be_had_is_refused(run: Run) -> None:
    """It fails closed, and says what would help."""
    if host().tier >= Tier.CGROUP:
        pytest.skip("this host gives the highest tier")
    with pytest.raises(CheckError) as caught:
        run("open('/out/x', 'w')", tier=Tier.CGROUP)
    assert caught.value.code == "TG-CHK/isolation-unavailable"
    assert caught.value.next_step


def test_a_missing_input_is_refused(tmp_path: Path) -> None:
    """A wrong path is a usage error before anything starts."""
    (tmp_path / "out").mkdir()
    order = Order(["true"], tmp_path, {"data": tmp_path / "absent"}, tmp_path / "out")
    with pytest.raises(UsageError) as caught:
        run_confined(order)
    assert caught.value.code == "TG-USE/no-such-input"
