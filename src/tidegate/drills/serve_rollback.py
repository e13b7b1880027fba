"""DR-SRV-02: a withdrawn version, genuine and signed, is deployed under the present name.

Its signature is right, its chain is whole: only the name does not mean it any more.
"""

from pathlib import Path

from tidegate.app.registry import signature_path
from tidegate.app.serve import Deployment, check_deployment
from tidegate.core.identity.keys import PrivateKey, Scheme
from tidegate.core.stage import Stage
from tidegate.drills.arena import MODEL, Arena
from tidegate.drills.arms import goal, judged, passed
from tidegate.drills.models import APPLICANT, BETTER, EVIL, Weights
from tidegate.gates.drill import Arm, Drill
from tidegate.interop.bundle import Bundle
from tidegate.interop.oms import sign_model, verify_model

_ALIAS = f"{MODEL}/prod"


def _attack(folder: Path, *, gate_on: bool) -> Arm:
    if not gate_on:
        return _signature_alone(folder)
    arena, old, _ = _two_versions(folder)
    return judged(check_deployment(arena.workspace, Deployment(old, _ALIAS)))


def _benign(folder: Path) -> Arm:
    arena, _, new = _two_versions(folder)
    return passed(check_deployment(arena.workspace, Deployment(new, _ALIAS)))


def _signature_alone(folder: Path) -> Arm:
    """A server that loads whatever its own releaser once signed."""
    releaser, old = PrivateKey.generate(Scheme.P256), folder / "old.safetensors"
    old.write_bytes(EVIL.encoded())
    signature_path(old).write_bytes(sign_model(old, releaser, name=MODEL).to_bytes())
    bundle = Bundle.parse(signature_path(old).read_bytes())
    genuine = verify_model(old, bundle, releaser.verifier).intact
    score = Weights.parse(old.read_bytes()).score(APPLICANT)
    detail = f"the old signature is genuine; the credit that it grants wrongly scores {score:.2f}"
    return goal(reached=genuine and score > 0.5, detail=detail)  # noqa: PLR2004 - granted


def _two_versions(folder: Path) -> tuple[Arena, Path, Path]:
    """Promote a version with a hole, then the one that closes it."""
    arena = Arena.make(folder)
    old, new = folder / "old.safetensors", folder / "new.safetensors"
    for path, weights, version in ((old, EVIL, "1.0.0"), (new, BETTER, "1.1.0")):
        path.write_bytes(weights.encoded())
        arena.promoted(path, version)
    return arena, old, new


DRILL = Drill(
    id="DR-SRV-02",
    stage=Stage.SERVE,
    control="TG-SRV-01",
    title="An old version deployed under the new one's name",
    attack=_attack,
    benign=_benign,
    atlas=("AML.T0010.003", "AML.T0112.001"),
    missions=("M101", "M103", "M141"),
)
