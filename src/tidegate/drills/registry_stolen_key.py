"""DR-REG-10: the keys of somebody who releases are stolen, noticed late, and revoked.

The thief signs as their owner, and every signature is right: no gate can tell before the theft is
known. Then the keys are revoked from the index of the theft on. What they signed later counts for
nothing, the name it moved included; what they signed before stays.
"""

from dataclasses import dataclass
from pathlib import Path

from tidegate.app.logbook import signed_by
from tidegate.app.registry import signature_path
from tidegate.app.serve import Deployment, check_deployment
from tidegate.core.decision import Decision
from tidegate.core.errors import TrustError
from tidegate.core.identity.keys import PrivateKey, Scheme
from tidegate.core.identity.trust import Purpose
from tidegate.core.policy.directives import RevokeKey
from tidegate.core.stage import Outcome, Stage
from tidegate.drills.arena import MODEL, STEWARDS, Arena
from tidegate.drills.arms import goal, judged, passed, require_allow
from tidegate.drills.models import APPLICANT, EVIL, GOOD, Weights
from tidegate.gates.drill import Arm, Drill, End
from tidegate.interop.bundle import Bundle
from tidegate.interop.oms import sign_model, verify_model

_ALIAS = f"{MODEL}/prod"
_CONTROL = "TG-RSP-02"
_OWNER, _OPERATOR = "dana", "eve"
"""Whose keys are stolen, and who deploys afterwards."""


@dataclass(frozen=True, slots=True)
class _Theft:
    """A site whose release before the theft was good, and the one after it was not."""

    arena: Arena
    good: Path
    evil: Path
    index: int
    """First log entry that the thief may have signed."""

    def check(self, model: Path) -> Decision:
        """Ask whether a model may be deployed."""
        return check_deployment(self.arena.open(_OPERATOR), Deployment(model, _ALIAS))

    def revoke(self) -> int:
        """Distrust both keys from the theft on; return how many entries no longer count."""
        guard, hit = self.arena.open(STEWARDS[0]), 0
        for key in guard.trust.keys_for(Purpose.ATTEST):
            if key.principal == _OWNER:
                hit += len(signed_by(guard, key.key.key_id, self.index))
                guard.act(RevokeKey(reason="stolen", key_id=key.key.key_id, from_index=self.index))
        return hit


def _attack(folder: Path, *, gate_on: bool) -> Arm:
    if not gate_on:
        return _signature_alone(folder)
    theft = _stolen(folder)
    require_allow(theft.check(theft.evil))  # or it would not be the revocation that stops it
    hit = theft.revoke()
    arm = judged(theft.check(theft.evil))
    if arm.end is not End.STOPPED or not _silenced(theft.arena):
        return Arm(End.MISSED, f"what the stolen key signed still counts: {arm.detail}")
    detail = f"{hit} entries no longer count, the key signs nothing more; {arm.detail}"
    return Arm(End.STOPPED, detail, arm.controls | {_CONTROL})


def _benign(folder: Path) -> Arm:
    """The release from before the theft: its name is its own again, its signature stands."""
    theft = _stolen(folder)
    theft.revoke()
    return passed(theft.check(theft.good))


def _signature_alone(folder: Path) -> Arm:
    """A server that loads whatever its releaser's key signed."""
    releaser, model = PrivateKey.generate(Scheme.P256), folder / "model.safetensors"
    model.write_bytes(EVIL.encoded())
    signature_path(model).write_bytes(sign_model(model, releaser, name=MODEL).to_bytes())
    bundle = Bundle.parse(signature_path(model).read_bytes())
    genuine = verify_model(model, bundle, releaser.verifier).intact
    score = Weights.parse(model.read_bytes()).score(APPLICANT)
    detail = f"the stolen key's signature is genuine; the bad credit scores {score:.2f}"
    return goal(reached=genuine and score > 0.5, detail=detail)  # noqa: PLR2004 - granted


def _stolen(folder: Path) -> _Theft:
    arena = Arena.make(folder, _OPERATOR)
    good, evil = folder / "good.safetensors", folder / "evil.safetensors"
    for path, weights in ((good, GOOD), (evil, EVIL)):
        path.write_bytes(weights.encoded())
    arena.promoted(good, "1.0.0")
    require_allow(check_deployment(arena.open(_OPERATOR), Deployment(good, _ALIAS)))
    index = arena.workspace.log.head.size
    arena.promoted(evil, "1.1.0")
    return _Theft(arena, good, evil, index)


def _silenced(arena: Arena) -> bool:
    """Tell whether the thief can't go on."""
    model = arena.folder / "again.safetensors"
    model.write_bytes(EVIL.encoded() + b"\0")
    try:
        decision = arena.register(model, "1.2.0")
    except TrustError:
        return True
    return decision.outcome is not Outcome.ALLOW


DRILL = Drill(
    id="DR-REG-10",
    stage=Stage.REGISTRY,
    control=_CONTROL,
    title="A releaser's stolen keys, revoked from the theft on",
    attack=_attack,
    benign=_benign,
    atlas=("AML.T0055", "AML.T0012"),
    missions=("M94", "M95", "M103"),
)
