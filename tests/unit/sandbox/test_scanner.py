"""Model files are examined by a process that can do nothing but examine them."""

import json
import os
import pickle
import signal
import socket
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.models import golden, golden_names

from tidegate.core.errors import VerificationError
from tidegate.detect.supply import Budget, Entry, Status, scan_path
from tidegate.detect.supply.allow.packs import Allowlist, Pack, load_packs
from tidegate.sandbox import cell
from tidegate.sandbox import scanner as module
from tidegate.sandbox.scanner import CellLimits, ConfinedScanner

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="Linux alone")]

EVIL = b"cos\nsystem\n(S'id'\ntR."
CLEAN = pickle.dumps({"weights": [1, 2, 3]})
TEMPLATE = b'{"chat_template": "{{ messages[0].content }}"}'

INSIDE = """
import json, os, socket, sys, mmap
from tidegate.sandbox.cell import confine
end = socket.fromfd(int(sys.argv[1]), socket.AF_UNIX, socket.SOCK_STREAM)
confine(parent=os.getppid(), memory=64 << 20, cpu_seconds=60)
def tried(what):
    try:
        what()
    except BaseException as error:
        return type(error).__name__
    return "done"
acts = {
    "open": lambda: open("/etc/passwd"),
    "write": lambda: open("/tmp/made-by-a-parser", "w"),
    "list": lambda: os.listdir("/"),
    "fork": os.fork,
    "kill": lambda: os.kill(os.getppid(), 0),
    "import": lambda: __import__("wave"),
    "memory": lambda: bytearray(128 << 20),
    "code": lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_EXEC),
}
out = {name: tried(act) for name, act in acts.items()}
end.sendall(json.dumps(out).encode())
if sys.argv[2] == "exec":
    os.execv("/bin/true", ["true"])
if sys.argv[2] == "socket":
    socket.socket()
"""


def inside(last: str) -> tuple[dict[str, str], int]:
    ours, theirs = socket.socketpair()
    with ours:
        process = subprocess.Popen(
            [sys.executable, "-c", INSIDE, str(theirs.fileno()), last], pass_fds=[theirs.fileno()]
        )
        theirs.close()
        said = json.loads(ours.recv(1 << 16) or b"{}")
    return said, process.wait(30)


@pytest.mark.parametrize("last", ["exec", "socket"])
def test_a_cell_has_no_files_no_network_and_no_programs(last: str) -> None:
    said, code = inside(last)
    assert said.pop("memory") == "MemoryError"
    assert said.pop("import") in {"ModuleNotFoundError", "PermissionError"}
    assert set(said.values()) == {"PermissionError"}, said
    assert -code == signal.SIGSYS


@pytest.fixture
def scanner() -> Generator[ConfinedScanner]:
    with ConfinedScanner() as made:
        yield made


def folder(place: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        (place / name).write_bytes(data)
    return place


def test_the_report_is_the_one_that_this_process_makes(
    tmp_path: Path, scanner: ConfinedScanner
) -> None:
    files = {"a.pkl": CLEAN, "b.pkl": EVIL, "c.json": TEMPLATE, "d": b"\x89PNG", "e": CLEAN[:-3]}
    files["big.bin"] = b"\x80\x04B" + (20 << 20).to_bytes(4, "little") + bytes(20 << 20) + b"."
    place = folder(tmp_path, files)
    assert scan_path(place, examiner=scanner) == scan_path(place)
    assert (scanner.started, scanner.confinement.confined) == (1, True)


def test_nothing_that_an_examiner_needs_is_out_of_its_reach(
    tmp_path: Path, scanner: ConfinedScanner
) -> None:
    place = folder(tmp_path, {name: golden(name) for name in golden_names()})
    confined, plain = scan_path(place, examiner=scanner), scan_path(place)
    assert confined.files == plain.files
    assert {file.format for file in plain.files} > {"zip", "onnx", "hdf5"}


def test_what_a_person_approved_holds_inside(tmp_path: Path) -> None:
    place = folder(tmp_path, {"a.pkl": b"\x80\x04cmy.models\nNet\n)\x81."})
    entry = Entry.approve("my.models:Net", "read by me")
    own = Pack.from_json({"name": "own", "entries": []})
    assert scan_path(place).status is Status.FINDINGS
    with ConfinedScanner(Allowlist((*load_packs(), own), [entry])) as scanner:
        assert scan_path(place, examiner=scanner).status is Status.CLEAN


def test_a_file_that_takes_too_much_memory_costs_itself_alone(tmp_path: Path) -> None:
    many = b"\x80\x04(" + b"M\xff\x7f" * 1_900_000 + b"l."
    place = folder(tmp_path, {"a.pkl": many, "b.pkl": CLEAN})
    with ConfinedScanner(limits=CellLimits(memory=24 << 20)) as scanner:
        first, second = scan_path(place, examiner=scanner).files
    assert (first.status, first.failed, second.status) == (Status.INCONCLUSIVE, True, Status.CLEAN)


@pytest.mark.parametrize(
    ("how", "why"), [(signal.SIGSEGV, "SIGSEGV"), (signal.SIGSTOP, "no answer in time")]
)
def test_a_process_that_ends_or_hangs_costs_one_file(
    how: signal.Signals, why: str, tmp_path: Path, scanner: ConfinedScanner,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    place = folder(tmp_path, {"a.pkl": CLEAN, "b.pkl": CLEAN, "c.pkl": CLEAN})
    assert scan_path(place / "a.pkl", examiner=scanner).status is Status.CLEAN
    struck: list[int] = []

    def strike(channel: socket.socket, message: Any, handle: int | None = None) -> None:
        if handle is not None and not struck:
            assert scanner._cell is not None
            struck.append(scanner._cell._process.pid)
            os.kill(struck[0], how)
        cell.send(channel, message, handle)

    monkeypatch.setattr(module, "cell", SimpleNamespace(**{**vars(cell), "send": strike}))
    budget = Budget(seconds=300, file_seconds=2)
    reports = scan_path(place, examiner=scanner, budget=budget).files
    assert [report.status.value for report in reports] == ["inconclusive", "clean", "clean"]
    assert why in reports[0].gaps[0]
    assert (reports[0].failed, scanner.started) == (True, 2)


def test_a_process_is_replaced_after_a_number_of_files(tmp_path: Path) -> None:
    place = folder(tmp_path, {f"{n}.pkl": CLEAN for n in range(5)})
    with ConfinedScanner(limits=CellLimits(files=2)) as scanner:
        assert scan_path(place, examiner=scanner).status is Status.CLEAN
        assert scanner.started == 3


def test_the_budget_is_shared_over_all_files(tmp_path: Path, scanner: ConfinedScanner) -> None:
    place = folder(tmp_path, {"a.pkl": CLEAN, "b.pkl": CLEAN})
    once = scan_path(place / "a.pkl", examiner=scanner, budget=Budget(opcodes=20))
    twice = scan_path(place, examiner=scanner, budget=Budget(opcodes=20))
    assert (once.status, twice.status) == (Status.CLEAN, Status.INCONCLUSIVE)


LIES: dict[str, dict[str, Any]] = {
    "another file": {"report": {"path": "b"}},
    "clean with gaps": {"report": {"gaps": ["one"]}},
    "no report": {"report": None},
    "budget given back": {"spent": [0, 0, 0, -1]},
    "no counts": {"spent": [True, 0, 0, 0]},
    "another status": {"report": {"status": "fine"}},
}


@pytest.mark.parametrize("lie", LIES)
def test_an_answer_that_makes_no_sense_is_not_believed(lie: str) -> None:
    report = {
        "path": "a", "format": "pickle", "status": "clean", "size": 1, "findings": [], "gaps": [],
        "failed": False, "names": [], "namesCut": False,
    }  # fmt: skip
    honest: dict[str, Any] = {"report": report, "spent": [1, 0, 3, 0]}
    assert module._believe(honest, "a", Budget().meter()).status is Status.CLEAN
    told = {**honest, **LIES[lie]}
    if isinstance(told["report"], dict):
        told["report"] = {**report, **told["report"]}
    with pytest.raises(VerificationError):
        module._believe(told, "a", Budget().meter())


def test_no_answer_is_longer_than_a_message_may_be() -> None:
    with pytest.raises(OSError, match="message"):
        cell.length((1 << 30).to_bytes(4))
