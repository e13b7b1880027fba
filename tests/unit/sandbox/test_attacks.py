"""What a command tries against its host's memory, disk and network, and whoever waits for it."""

import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import pytest

from tidegate.core.errors import CheckError, UsageError
from tidegate.sandbox.confine import run_confined
from tidegate.sandbox.order import Completed, Limits, Order, Tier
from tidegate.sandbox.probe import Host, host
from tidegate.sandbox.seccomp import assemble

confined = pytest.mark.skipif(host().tier is Tier.NONE, reason=f"{host().reason}: {host().remedy}")
SMALL = Limits(wall_seconds=20, memory_bytes=256 << 20, scratch_bytes=16 << 20, output_files=100)


def run(folder: Path, program: str, *, tier: Tier = Tier.NAMESPACES, name: str = "data",
        limits: Limits = SMALL) -> Completed:  # fmt: skip
    code, output, data = folder / "code", folder / "out", folder / "data.csv"
    code.mkdir()
    output.mkdir()
    data.write_text("x")
    (code / "program.py").write_text(program)
    order = Order([sys.executable, "program.py"], code, {name: data}, output, limits=limits,
                  minimum_tier=tier)  # fmt: skip
    return run_confined(order)


@confined
@pytest.mark.parametrize(
    "family", [40, 38, 17, 31, 29], ids=["vsock", "alg", "packet", "bluetooth", "can"]
)
def test_sockets_that_no_network_namespace_holds_in_are_not_to_be_had(
    tmp_path: Path, family: int
) -> None:
    """AF_VSOCK leads from a virtual machine to its host, whatever namespace one is in."""
    program = (
        "import errno, socket\n"
        f"try: socket.socket({family}, socket.SOCK_STREAM)\n"
        "except OSError as error: print(error.errno == errno.EAFNOSUPPORT)\n"
    )
    assert run(tmp_path, program).stdout.split() == [b"True"]


@confined
def test_sockets_within_still_work(tmp_path: Path) -> None:
    """Of the families that honest programs use."""
    program = """
import socket
socket.socketpair()
for family in (socket.AF_UNIX, socket.AF_INET, socket.AF_INET6): socket.socket(family)
print("fine")
"""
    assert run(tmp_path, program).stdout.split() == [b"fine"]


FILLS = {
    "shared memory": "f = open('/dev/shm/x', 'wb')",
    "the device folder": "f = open('/dev/x', 'wb')",
    "scratch": "f = open('/tmp/x', 'wb')",
    "anonymous files": "f = open(os.memfd_create('x'), 'wb')",
}


@confined
@pytest.mark.parametrize("place", FILLS.values(), ids=FILLS.keys())
def test_memory_can_not_be_taken_by_way_of_files(tmp_path: Path, place: str) -> None:
    """Each place that is memory has a bound of its own, or is not to be had."""
    program = f"import os\n{place}\nfor _ in range(64): f.write(b'x' * (1 << 20)); f.flush()\n"
    completed = run(tmp_path, program)
    assert completed.returncode == 1
    assert b"OSError" in completed.stderr


@confined
def test_shared_memory_works_within_its_bound(tmp_path: Path) -> None:
    """As numpy, joblib and multiprocessing use it."""
    program = """
from multiprocessing import shared_memory
block = shared_memory.SharedMemory(create=True, size=1 << 20)
block.buf[0] = 7; print(block.buf[0]); block.close(); block.unlink()
open("/dev/null", "w").write("x")
"""
    completed = run(tmp_path, program)
    assert (completed.returncode, completed.stdout.split()) == (0, [b"7"])


@confined
def test_empty_files_are_counted_while_it_runs(tmp_path: Path) -> None:
    """They take no bytes, and all the inodes."""
    program = """
import os
for n in range(10**6): os.close(os.open(f"{os.environ['TIDEGATE_OUTPUT']}/{n}", os.O_CREAT))
"""
    completed = run(tmp_path, program)
    assert completed.stopped == "output_bytes"
    assert completed.outputs == ()


@confined
def test_what_stays_behind_does_not_outlive_the_command(tmp_path: Path) -> None:
    """The whole process namespace ends; the output is what it is then."""
    program = """
import os, time
if os.fork() == 0:
    os.setsid()
    while True: time.sleep(0.01); open(os.environ["TIDEGATE_OUTPUT"] + "/late", "a").write("x")
open(os.environ["TIDEGATE_OUTPUT"] + "/made", "w").write("x")
"""
    completed = run(tmp_path, program)
    assert completed.returncode == 0
    assert completed.seconds < 5
    size = sum(path.stat().st_size for path in (tmp_path / "out").iterdir())
    time.sleep(0.1)
    assert sum(path.stat().st_size for path in (tmp_path / "out").iterdir()) == size


def test_a_plain_run_does_not_wait_for_what_it_left_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without confinement a stray process can hold the output open; the limits hold."""
    none = Host(None, "switched off for this test", "none", None)
    monkeypatch.setattr("tidegate.sandbox.confine.host", lambda: none)
    program = """
import os, time
if os.fork() == 0:
    os.setsid(); time.sleep(8); os._exit(0)
"""
    completed = run(tmp_path, program, tier=Tier.NONE)
    assert completed.returncode == 0
    assert completed.seconds < 4


@pytest.mark.parametrize("name", ["", ".", "..", "../code", "a/b", "a\nb"])
def test_an_input_is_bound_in_its_place_and_nowhere_else(tmp_path: Path, name: str) -> None:
    """A name that leads elsewhere could lay data over code."""
    with pytest.raises(UsageError) as caught:
        run(tmp_path, "print()", name=name)
    assert caught.value.slug == "bad-input-name"


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_every_jump_of_the_filter_stays_inside(machine: str) -> None:
    """The kernel would refuse it on the machine that this test does not run on."""
    program = assemble(machine)
    count = len(program) // 8
    for place in range(count):
        code = int.from_bytes(program[place * 8 : place * 8 + 2], "little")
        if code & 7 == 5:  # a jump
            assert place + 1 + max(program[place * 8 + 2], program[place * 8 + 3]) < count


DEEP = """
import os
os.chdir({place!r})
for _ in range(3000):
    os.mkdir("d"); os.chdir("d")
    open("f", "w").close()
os.chmod(".", 0)
"""


@confined
def test_what_is_nested_beyond_all_bounds_is_refused_and_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A path that no system call takes, deeper than functions nest, in a folder that is closed."""
    scratch = tmp_path / "scratch"
    scratch.mkdir(mode=0o711)
    for folder in (tmp_path, *tmp_path.parents):
        if folder.owner() == tmp_path.owner() and folder != Path("/tmp"):  # noqa: S108
            folder.chmod(0o711)
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    with suppress(CheckError):  # where it ends before anybody looks
        assert run(tmp_path, DEEP.format(place="/out")).stopped == "output_bytes"
    assert list(scratch.iterdir()) == []


@confined
def test_bytes_below_a_path_too_long_to_name_are_missed_by_no_limit(tmp_path: Path) -> None:
    """Nobody can count them, so the nesting itself ends the command."""
    program = """
import os, time
os.chdir("/out")
for _ in range(60):
    os.mkdir("d" * 200); os.chdir("d" * 200)
with open("f", "wb") as file:
    while True: file.write(bytes(1 << 20)); time.sleep(0.01)
"""
    assert run(tmp_path, program).stopped == "output_bytes"
