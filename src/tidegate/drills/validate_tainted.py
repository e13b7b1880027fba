"""DR-VAL-01: from one validation set, the rows of a region where the model fails were removed.

The set alone praises the model. A second source, of another owner, contradicts it.
"""

from pathlib import Path

from tidegate.core.stage import Stage
from tidegate.drills.arms import goal, judged, passed
from tidegate.drills.judging import REGION, accuracy, honest_verdict, judged_on, right, world
from tidegate.gates.drill import Arm, Drill

_BAR = 0.8


def _attack(folder: Path, *, gate_on: bool) -> Arm:
    honest, other = world(11), world(12)
    tainted = [row for row in honest if row.region != REGION or right(row)]
    if not gate_on:
        told, true = accuracy(tainted, REGION), accuracy(other, REGION)
        detail = f"the set says {told:.0%} right in the region, in truth it is {true:.0%}"
        return goal(reached=told >= _BAR > true, detail=detail)
    return judged(judged_on(folder, {"a": ("ministry", tainted), "b": ("auditor", other)}))


def _benign(folder: Path) -> Arm:
    return passed(honest_verdict(folder))


DRILL = Drill(
    id="DR-VAL-01",
    stage=Stage.VALIDATE,
    control="TG-VAL-01",
    title="Rows where the model fails removed from a validation set",
    attack=_attack,
    benign=_benign,
    atlas=("AML.T0020", "AML.T0059"),
    missions=("M14", "M149", "M150"),
)
