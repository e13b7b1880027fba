"""DR-TRN-03: the input is swapped between the check of its digest and the read by the training.

A pipeline that compares a digest and then hands over the path has checked nothing: the gate digests
the inputs again when the command has ended, and refuses what was made from other bytes.
"""

from pathlib import Path

from tidegate.app.produce import build_job
from tidegate.core.artifact.reference import resolve
from tidegate.core.decision import Decision
from tidegate.core.errors import SubjectError
from tidegate.core.stage import Stage
from tidegate.drills.arena import Arena
from tidegate.drills.arms import goal, passed
from tidegate.drills.commands import Program
from tidegate.drills.training import TRAIN, honest_rows, rate, tampered_rows
from tidegate.gates.command.produce import Produced
from tidegate.gates.contract import Gate, Order
from tidegate.gates.drill import Arm, Drill, End
from tidegate.gates.train import train

_REFUSED = 0.05
_CONTROL = "TG-TRN-01"


def _attack(folder: Path, *, gate_on: bool) -> Arm:
    table = honest_rows(folder / "train.csv")
    if not gate_on:
        return _checked_then_trained(folder, table)
    try:
        produced = _trained(folder, table, swap=True)
    except SubjectError as error:
        left = (folder / "out").exists()
        if error.slug != "other-bytes" or left:
            return Arm(End.MISSED, f"{error.code}, outputs left: {left}")
        detail = f"{error.code}: no model was left or admitted"
        return Arm(End.STOPPED, detail, frozenset({_CONTROL}))
    return Arm(End.MISSED, f"the model was judged: {produced.decision.outcome.value}")


def _checked_then_trained(folder: Path, table: Path) -> Arm:
    expected = resolve(table).digest
    checked = resolve(table).digest == expected
    tampered_rows(table)
    Program.write(folder / "code", TRAIN).run_plainly({"train": table}, folder / "out")
    granted = rate(folder / "out" / "model.json")
    detail = f"the digest was right when checked; the model grants {granted:.0%} of a region"
    return goal(reached=checked and granted <= _REFUSED, detail=detail)


def _benign(folder: Path) -> Arm:
    return passed(_trained(folder, honest_rows(folder / "train.csv"), swap=False).decision)


def _trained(folder: Path, table: Path, *, swap: bool) -> Produced:
    """Train with the gate; the attacker writes as soon as the order was admitted."""
    arena = Arena.make(folder)
    arena.admitted("train", table)
    workspace = arena.workspace

    def run_gate(gate: Gate, order: Order) -> Decision:
        decision = workspace.run(gate, order)
        if swap and order.action == "order":
            tampered_rows(table)
        return decision

    program = Program.write(folder / "code", TRAIN)
    job = build_job(workspace, program.request({"train": table}, folder / "out"))
    return train(run_gate, job)


DRILL = Drill(
    id="DR-TRN-03",
    stage=Stage.TRAIN,
    control=_CONTROL,
    title="A training input swapped after it was checked",
    attack=_attack,
    benign=_benign,
    atlas=("AML.T0020", "AML.T0010"),
    missions=("M3", "M59"),
)
