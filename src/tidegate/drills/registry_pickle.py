"""DR-REG-01: a model file that runs a program when it is loaded.

Unpickling calls whatever callable the stream names. The payload here writes one marker file; it is
loaded in a process of its own, never in this one.
"""

import pickle
from pathlib import Path
from textwrap import dedent

from tidegate.core.decision import Decision
from tidegate.core.stage import Stage
from tidegate.drills.arena import Arena
from tidegate.drills.arms import goal, judged, passed
from tidegate.drills.victims import marking, run_victim
from tidegate.gates.drill import Arm, Drill, End

_LOADER = dedent(
    """
    import pickle, sys
    with open(sys.argv[1], "rb") as file:
        pickle.load(file)
    """
)


class _Payload:
    """Pickles as a call that creates a file."""

    def __init__(self, marker: Path) -> None:
        self._marker = marker

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        # What a loader calls: `eval` of one expression, as public exploits do.
        return eval, (marking(self._marker),)


def _attack(folder: Path, *, gate_on: bool) -> Arm:
    marker, model = folder / "marker", folder / "model.pkl"
    model.write_bytes(pickle.dumps({"weights": [0.1, 0.2], "extra": _Payload(marker)}))
    if not gate_on:
        run_victim(_LOADER, model, home=folder)
        return goal(reached=marker.exists(), detail="loading the model ran its code")
    arm = judged(_admit(folder, model))
    if marker.exists():
        return Arm(End.MISSED, f"the scan ran the code of the model; {arm.detail}")
    return arm


def _benign(folder: Path) -> Arm:
    model = folder / "model.pkl"
    model.write_bytes(pickle.dumps({"weights": [0.1, 0.2], "bias": 0.3}))
    return passed(_admit(folder, model))


def _admit(folder: Path, model: Path) -> Decision:
    arena = Arena.make(folder)
    arena.trained(model)
    return arena.register(model, "1.0.0")


DRILL = Drill(
    id="DR-REG-01",
    stage=Stage.REGISTRY,
    control="TG-REG-03",
    title="A pickle that runs code when it is loaded",
    attack=_attack,
    benign=_benign,
    atlas=("AML.T0011.000", "AML.T0010.003"),
    missions=("M17", "M90"),
)
