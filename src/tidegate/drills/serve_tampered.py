"""DR-SRV-04: twenty-three ways to deploy what was not released, of which none may work.

The model and its signature are judged by the deployment check, the release file by its reader, as
an init container, a gateway and a cluster's webhook use it.
"""

import shutil
from pathlib import Path

from tidegate.app.registry import signature_path
from tidegate.app.release import publish_summary, write_proved
from tidegate.app.serve import Deployment, check_deployment
from tidegate.core.errors import TidegateError
from tidegate.core.stage import Outcome, Stage
from tidegate.drills.arena import MODEL, Arena
from tidegate.drills.arms import goal
from tidegate.drills.models import BETTER, GOOD
from tidegate.drills.tampers import (
    MODEL_FILE,
    MODEL_TAMPERS,
    RELEASE_FILE,
    RELEASE_TAMPERS,
    Place,
    believes,
)
from tidegate.gates.drill import Arm, Drill, End
from tidegate.interop.proved import Proved
from tidegate.interop.release import Recalls, check_released, read_release

_ALIAS = f"{MODEL}/prod"
_RESOURCE = "s3://models/credit"


def _attack(folder: Path, *, gate_on: bool) -> Arm:
    arena = _staged(folder)
    tampers = {**MODEL_TAMPERS, **RELEASE_TAMPERS}
    taken: list[str] = []
    for number, (name, tamper) in enumerate(tampers.items()):
        place = _copy(folder, f"case-{number:02d}")
        tamper(place)
        if _deploys(arena, place) if gate_on else believes(place):
            taken.append(name)
    if not gate_on:
        detail = f"a deployer who believes files takes {len(taken)} of {len(tampers)}"
        return goal(reached=len(taken) == len(tampers), detail=detail)
    if taken:
        return Arm(End.MISSED, f"deployed: {', '.join(taken)}")
    return Arm(End.STOPPED, f"none of {len(tampers)} deploys", frozenset({"TG-SRV-01"}))


def _benign(folder: Path) -> Arm:
    arena = _staged(folder)
    if _deploys(arena, _copy(folder, "case")):
        return Arm(End.PASSED, "the untouched deployment passes, by its release too")
    return Arm(End.BLOCKED, "the untouched deployment does not pass")


def _staged(folder: Path) -> Arena:
    """Promote an old version and the present one, each deployed with its release."""
    arena = Arena.make(folder)
    for name, weights, version in (("old", GOOD, "1.0.0"), ("new", BETTER, "1.1.0")):
        place = folder / name
        place.mkdir()
        model = place / MODEL_FILE
        model.write_bytes(weights.encoded())
        arena.promoted(model, version)
        workspace = arena.workspace
        decision = check_deployment(workspace, Deployment(model, _ALIAS))
        receipt = publish_summary(workspace, decision, _ALIAS, resource=_RESOURCE)
        write_proved(workspace, receipt.index, place / RELEASE_FILE)
    return arena


def _copy(folder: Path, name: str) -> Place:
    place = folder / name
    place.mkdir()
    for file in (MODEL_FILE, signature_path(Path(MODEL_FILE)).name, RELEASE_FILE):
        shutil.copyfile(folder / "new" / file, place / file)
    return Place(place, folder / "old")


def _deploys(arena: Arena, place: Place) -> bool:
    """Tell whether both doors would let it through: the check with a log, and without one."""
    workspace = arena.workspace
    checked = check_deployment(workspace, Deployment(place.model, _ALIAS, dry_run=True))
    return checked.outcome is Outcome.ALLOW and _released(arena, place)


def _released(arena: Arena, place: Place) -> bool:
    workspace = arena.workspace
    try:
        proved = Proved.parse(place.release.read_bytes())
        found = read_release(proved, workspace.trust, now=workspace.clock.now())
        check_released(place.model, found, Recalls(frozenset()))
    except TidegateError:
        return False
    return found.resource == _RESOURCE


DRILL = Drill(
    id="DR-SRV-04",
    stage=Stage.SERVE,
    control="TG-SRV-01",
    title="Twenty-three ways to deploy what was not released",
    attack=_attack,
    benign=_benign,
    atlas=("AML.T0010.003", "AML.T0018", "AML.T0058"),
    missions=("M18", "M94", "M96", "M103"),
)
