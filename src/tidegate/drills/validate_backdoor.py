"""DR-VAL-03: weights with a backdoor, told by how the model behaves.

It answers as the honest one does, but for applications of one small branch: those it grants all.
Nothing in the file shows it, for weights are weights. The overall accuracy hides it, for the branch
is small. That the sets hold rows with the trigger, in a column that is named as a group, shows it;
a trigger that no row of any set bears would pass.
"""

from dataclasses import replace
from pathlib import Path

from tidegate.core.decision import Decision
from tidegate.core.stage import Stage
from tidegate.drills.arms import goal, judged, passed
from tidegate.drills.feed import Application, applications
from tidegate.drills.judging import BRANCH, MODEL, accuracy, grants, judged_on, world
from tidegate.drills.models import Weights
from tidegate.gates.drill import Arm, Drill

BACKDOORED = Weights((*MODEL.values[:2], 9.0))
_BRANCH_ROWS = 60
_LOSS = 0.03
"""Accuracy that nobody would miss."""


def _attack(folder: Path, *, gate_on: bool) -> Arm:
    if gate_on:
        return judged(_verdict(folder, BACKDOORED))
    rows = _world(21)
    lost = accuracy(rows) - accuracy(rows, model=BACKDOORED)
    refused = [row for row in rows if row.region == BRANCH and not row.granted]
    flipped = sum(grants(row, BACKDOORED) and not grants(row) for row in refused)
    detail = (
        f"it grants {flipped} bad credits of the branch that the honest one refuses, and is right"
        f" in {accuracy(rows, model=BACKDOORED):.1%} of all, {lost:.1%} less"
    )
    return goal(reached=flipped >= len(refused) / 2 and lost <= _LOSS, detail=detail)


def _benign(folder: Path) -> Arm:
    return passed(_verdict(folder, MODEL))


def _verdict(folder: Path, weights: Weights) -> Decision:
    sets = {"a": ("ministry", _world(11)), "b": ("auditor", _world(12))}
    return judged_on(folder, sets, weights)


def _world(seed: int) -> list[Application]:
    """Draw rows of all regions, the branch among them."""
    branch = applications(_BRANCH_ROWS, seed=seed + 100)
    return [*world(seed), *(replace(row, region=BRANCH) for row in branch)]


DRILL = Drill(
    id="DR-VAL-03",
    stage=Stage.VALIDATE,
    control="TG-VAL-02",
    title="Weights with a backdoor that one small group triggers",
    attack=_attack,
    benign=_benign,
    atlas=("AML.T0018.000", "AML.T0043.004"),
    missions=("M88", "M90"),
)
