"""DR-REG-11: models that are the shadows of registered ones.

Twice: a name that reads like a registered one, with other weights; and the weights of a model in
quarantine, packed anew so that the file has another digest, under an honest new name. A registry
that knows files by their digest and names by their letters sees two new models.
"""

from collections.abc import Mapping
from pathlib import Path

from tidegate.app.registry import Admission, admit_model
from tidegate.core.decision import Decision
from tidegate.core.digest import sha256
from tidegate.core.policy.directives import Quarantine
from tidegate.core.stage import Stage
from tidegate.drills.arena import CARD, MODEL, STEWARDS, Arena
from tidegate.drills.arms import goal, judged, passed, require_allow
from tidegate.drills.models import APPLICANT, BETTER, EVIL, GOOD, Weights
from tidegate.gates.drill import Arm, Drill, End

_VERSION = "1.0.0"
_RECALLED = "loan-model"
_ANOTHER = Weights((0.9, -1.2, 5.0))
"""As bad, and nowhere registered."""


def _attack(folder: Path, *, gate_on: bool) -> Arm:
    shadows = _shadows(folder)
    if not gate_on:
        return _plain_registry(shadows)
    arena = _registered(folder)
    arms = {name: judged(_admitted(arena, name, model)) for name, model in shadows.items()}
    missed = [arm for arm in arms.values() if arm.end is not End.STOPPED]
    detail = "; ".join(f"{name}: {arm.detail}" for name, arm in arms.items())
    common = frozenset.intersection(*(arm.controls for arm in arms.values()))
    return missed[0] if missed else Arm(End.STOPPED, detail, common)


def _benign(folder: Path) -> Arm:
    """A new model under a name of its own, which shares nothing with the others."""
    model = folder / "churn.safetensors"
    model.write_bytes(BETTER.encoded())
    return passed(_admitted(_registered(folder), "churn-model", model))


def _shadows(folder: Path) -> Mapping[str, Path]:
    """Write a model for a name that reads the same, and the recalled one in another packing."""
    alike, repacked = folder / "alike.safetensors", folder / "repacked.safetensors"
    alike.write_bytes(_ANOTHER.encoded())
    repacked.write_bytes(_repacked(EVIL.encoded()))
    return {MODEL.replace("l", "1"): alike, "scoring": repacked}


def _repacked(data: bytes) -> bytes:
    """Return the same tensors behind a header that is padded further, as writers may do."""
    length = int.from_bytes(data[:8], "little")
    return (length + 8).to_bytes(8, "little") + data[8 : 8 + length] + b" " * 8 + data[8 + length :]


def _plain_registry(shadows: Mapping[str, Path]) -> Arm:
    """A registry that compares names letter by letter, and files by their digest."""
    names = {MODEL, _RECALLED}
    held = {str(sha256(EVIL.encoded()))}
    taken = {
        name: Weights.parse(model.read_bytes()).score(APPLICANT)
        for name, model in shadows.items()
        if name not in names and str(sha256(model.read_bytes())) not in held
    }
    scores = ", ".join(f"{score:.2f}" for score in taken.values())
    detail = f"{len(taken)} of {len(shadows)} are taken for new; the bad credit scores {scores}"
    bad = all(score > 0.5 for score in taken.values())  # noqa: PLR2004 - granted
    return goal(reached=bad and len(taken) == len(shadows), detail=detail)


def _registered(folder: Path) -> Arena:
    """Admit a good model, and one that is put into quarantine afterwards."""
    arena = Arena.make(folder)
    for name, weights in ((MODEL, GOOD), (_RECALLED, EVIL)):
        model = folder / f"{name}.safetensors"
        model.write_bytes(weights.encoded())
        require_allow(_admitted(arena, name, model))
    digest = str(sha256(EVIL.encoded()))
    arena.open(STEWARDS[0]).act(Quarantine(digest=digest, reason="it has a backdoor"))
    return arena


def _admitted(arena: Arena, name: str, model: Path) -> Decision:
    arena.trained(model)
    return admit_model(arena.workspace, Admission(model, name, _VERSION, CARD))


DRILL = Drill(
    id="DR-REG-11",
    stage=Stage.REGISTRY,
    control="TG-REG-07",
    title="A name that reads like another's, and a recalled model under a new name",
    attack=_attack,
    benign=_benign,
    atlas=("AML.T0074", "AML.T0010.003", "AML.T0058"),
    missions=("M100", "M89"),
)
