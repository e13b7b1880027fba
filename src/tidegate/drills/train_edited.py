"""DR-TRN-02: a prepared table is edited after its admission, before the training reads it."""

from pathlib import Path

from tidegate.app.train import train_model
from tidegate.core.decision import Decision
from tidegate.core.stage import Stage
from tidegate.drills.arena import Arena
from tidegate.drills.arms import goal, judged, passed
from tidegate.drills.commands import Program
from tidegate.drills.training import TRAIN, honest_rows, other_rows, rate, tampered_rows
from tidegate.gates.contract import Target
from tidegate.gates.drill import Arm, Drill

_FALL = 0.3


def _attack(folder: Path, *, gate_on: bool) -> Arm:
    table = honest_rows(folder / "train.csv")
    if not gate_on:
        return _trained_plainly(folder, table)
    arena = _prepared(folder, table)
    tampered_rows(table)
    return judged(_ordered(arena, table))


def _trained_plainly(folder: Path, table: Path) -> Arm:
    rates = []
    for name in ("before", "after"):
        program = Program.write(folder / f"{name}-code", TRAIN)
        program.run_plainly({"train": table}, folder / name)
        rates.append(rate(folder / name / "model.json"))
        tampered_rows(table)
    detail = f"the model grants {rates[1]:.0%} of a region's credits, before {rates[0]:.0%}"
    return goal(reached=rates[0] - rates[1] >= _FALL, detail=detail)


def _benign(folder: Path) -> Arm:
    table = honest_rows(folder / "train.csv")
    return passed(_ordered(_prepared(folder, table), table))


def _prepared(folder: Path, table: Path) -> Arena:
    arena = Arena.make(folder)
    raw = arena.admitted("raw.csv", other_rows(folder / "raw.csv"))
    arena.stand_in(Stage.PREPARE, Target("train.csv", "table", table), [raw])
    return arena


def _ordered(arena: Arena, table: Path) -> Decision:
    program = Program.write(arena.folder / "code", TRAIN)
    request = program.request({"train": table}, arena.folder / "out")
    return train_model(arena.workspace, request).decision


DRILL = Drill(
    id="DR-TRN-02",
    stage=Stage.TRAIN,
    control="TG-TRN-01",
    title="A prepared table edited after its admission",
    attack=_attack,
    benign=_benign,
    atlas=("AML.T0020",),
    missions=("M11", "M59"),
)
