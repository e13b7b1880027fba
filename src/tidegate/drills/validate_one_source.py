"""DR-VAL-02: both validation sets come from the owner who wants the model to pass."""

from pathlib import Path

from tidegate.core.stage import Stage
from tidegate.drills.arms import goal, judged, passed
from tidegate.drills.judging import REGION, accuracy, honest_verdict, judged_on, right, world
from tidegate.gates.drill import Arm, Drill

_BAR = 0.85


def _attack(folder: Path, *, gate_on: bool) -> Arm:
    """Pick the rows of both sets, so that they agree with each other and with the model."""
    picked = [
        [row for row in world(seed) if row.region != REGION or right(row)] for seed in (11, 12)
    ]
    if not gate_on:
        told, true = min(map(accuracy, picked)), accuracy(world(13))
        detail = f"both sets say at least {told:.0%} right, a stranger's rows {true:.0%}"
        return goal(reached=told >= _BAR > true, detail=detail)
    return judged(judged_on(folder, {"a": ("maker", picked[0]), "b": ("maker", picked[1])}))


def _benign(folder: Path) -> Arm:
    return passed(honest_verdict(folder))


DRILL = Drill(
    id="DR-VAL-02",
    stage=Stage.VALIDATE,
    control="TG-VAL-01",
    title="Two validation sets of one owner",
    attack=_attack,
    benign=_benign,
    atlas=("AML.T0020", "AML.T0059"),
    missions=("M14", "M150"),
)
