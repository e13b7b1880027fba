"""DR-SRV-01: the model file of a deployment is swapped on the serving host."""

import shutil
from pathlib import Path

from tidegate.app.registry import signature_path
from tidegate.app.serve import Deployment, check_deployment
from tidegate.core.digest import Digest
from tidegate.core.errors import VerificationError
from tidegate.core.stage import Stage
from tidegate.drills.arena import MODEL, Arena
from tidegate.drills.arms import goal, judged, passed
from tidegate.drills.models import APPLICANT, EVIL, GOOD, Weights
from tidegate.gates.drill import Arm, Drill, End
from tidegate.gates.serve import read_verified

_ALIAS = f"{MODEL}/prod"


def _attack(folder: Path, *, gate_on: bool) -> Arm:
    if not gate_on:
        served = folder / "model.safetensors"
        served.write_bytes(GOOD.encoded())
        served.write_bytes(EVIL.encoded())
        score = Weights.parse(served.read_bytes()).score(APPLICANT)
        detail = f"the server loads the swapped file; the bad credit scores {score:.2f}"
        return goal(reached=score > 0.5, detail=detail)  # noqa: PLR2004 - granted
    arena, served, digest = _deployed(folder)
    served.write_bytes(EVIL.encoded())
    arm = judged(check_deployment(arena.workspace, Deployment(served, _ALIAS)))
    try:
        read_verified(served, digest)
    except VerificationError as error:
        return Arm(arm.end, f"{arm.detail}; at load: {error.slug}", arm.controls)
    return Arm(End.MISSED, "the loader was given the swapped bytes")


def _benign(folder: Path) -> Arm:
    arena, served, digest = _deployed(folder)
    arm = passed(check_deployment(arena.workspace, Deployment(served, _ALIAS)))
    loaded = Weights.parse(read_verified(served, digest))
    return arm if loaded == GOOD else Arm(End.BLOCKED, "the loader got other bytes")


def _deployed(folder: Path) -> tuple[Arena, Path, Digest]:
    """Promote a model and copy it with its signature to where it is served."""
    arena, model, served = Arena.make(folder), folder / "model.safetensors", folder / "serving"
    model.write_bytes(GOOD.encoded())
    made = arena.promoted(model, "1.0.0")
    served.mkdir()
    for path in (model, signature_path(model)):
        shutil.copyfile(path, served / path.name)
    if made.digest is None:
        raise AssertionError
    return arena, served / model.name, made.digest


DRILL = Drill(
    id="DR-SRV-01",
    stage=Stage.SERVE,
    control="TG-SRV-01",
    title="A model file swapped on the serving host",
    attack=_attack,
    benign=_benign,
    atlas=("AML.T0010.003", "AML.T0018"),
    missions=("M94", "M103"),
)
