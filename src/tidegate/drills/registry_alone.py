"""DR-REG-03: one person makes, approves and releases a model alone."""

import json
from pathlib import Path

from tidegate.core.stage import Stage
from tidegate.drills.arena import MODEL, Arena, honest_release
from tidegate.drills.arms import goal, judged, passed
from tidegate.drills.models import APPLICANT, EVIL, Weights
from tidegate.gates.drill import Arm, Drill

_VERSION = "1.0.0"


def _attack(folder: Path, *, gate_on: bool) -> Arm:
    model = folder / "model.safetensors"
    model.write_bytes(EVIL.encoded())
    if not gate_on:
        return _plain_registry(folder, model)
    arena = Arena.make(folder)
    made = arena.registered(model, _VERSION)
    arena.approve(made, people=("dana",))
    return judged(arena.promote(model, _VERSION))


def _plain_registry(folder: Path, model: Path) -> Arm:
    """Whoever can write the list of names decides what production loads."""
    names = folder / "names.json"
    names.write_text(json.dumps({f"{MODEL}/prod": str(model)}), "utf-8")
    meant = Path(json.loads(names.read_text("utf-8"))[f"{MODEL}/prod"])
    score = Weights.parse(meant.read_bytes()).score(APPLICANT)
    detail = f"production loads what its maker alone released; the bad credit scores {score:.2f}"
    return goal(reached=score > 0.5, detail=detail)  # noqa: PLR2004 - granted


def _benign(folder: Path) -> Arm:
    return passed(honest_release(folder, _VERSION))


DRILL = Drill(
    id="DR-REG-03",
    stage=Stage.REGISTRY,
    control="TG-GOV-05",
    title="A model released by the one who made it",
    attack=_attack,
    benign=_benign,
    atlas=("AML.T0012",),
    missions=("M48", "M97"),
)
