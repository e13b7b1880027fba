"""DR-REG-02: a model that was swapped after signing, and signed again by a stranger.

A reader who takes the key that lies beside the model for the right one sees a valid signature. What
counts is whether the trust root names the key.
"""

from pathlib import Path

from tidegate.app.registry import signature_path
from tidegate.core.errors import SubjectError
from tidegate.core.identity.keys import PrivateKey, PublicKey, Scheme
from tidegate.core.stage import Stage
from tidegate.drills.arena import MODEL, Arena, honest_release
from tidegate.drills.arms import controls_of, goal, passed
from tidegate.drills.models import APPLICANT, EVIL, GOOD, Weights
from tidegate.gates.drill import Arm, Drill, End
from tidegate.gates.signature import SignedModel, signature_check
from tidegate.interop.bundle import Bundle
from tidegate.interop.oms import sign_model, verify_model

_VERSION = "1.0.0"


def _attack(folder: Path, *, gate_on: bool) -> Arm:
    model = folder / "model.safetensors"
    model.write_bytes(GOOD.encoded())
    if not gate_on:
        _swap(model)
        key = PublicKey.from_pem(_key_beside(model).read_bytes())
        bundle = Bundle.parse(signature_path(model).read_bytes())
        valid = verify_model(model, bundle, key).intact
        score = Weights.parse(model.read_bytes()).score(APPLICANT)
        detail = f"its signature verifies by the key beside it; the bad credit scores {score:.2f}"
        return goal(reached=valid and score > 0.5, detail=detail)  # noqa: PLR2004 - granted
    arena = Arena.make(folder)
    arena.approve(arena.registered(model, _VERSION))
    _swap(model)
    return _treated(arena, model)


def _treated(arena: Arena, model: Path) -> Arm:
    try:
        arena.promote(model, _VERSION)
    except SubjectError as error:
        refusal = error.slug
    else:
        return Arm(End.MISSED, "the swapped model was promoted")
    signed = SignedModel(model, signature_path(model))
    findings = signature_check(signed, arena.workspace.trust).run().findings
    rules = ", ".join(finding.rule for finding in findings)
    return Arm(End.STOPPED, f"promotion refused: {refusal}; {rules}", controls_of(findings))


def _benign(folder: Path) -> Arm:
    return passed(honest_release(folder, _VERSION))


def _swap(model: Path) -> None:
    stranger = PrivateKey.generate(Scheme.P256)
    model.write_bytes(EVIL.encoded())
    signature_path(model).write_bytes(sign_model(model, stranger, name=MODEL).to_bytes())
    _key_beside(model).write_bytes(stranger.verifier.pem)


def _key_beside(model: Path) -> Path:
    return model.with_name("release-key.pem")


DRILL = Drill(
    id="DR-REG-02",
    stage=Stage.REGISTRY,
    control="TG-REG-01",
    title="A model swapped after signing, and signed again by a stranger",
    attack=_attack,
    benign=_benign,
    atlas=("AML.T0010.003", "AML.T0018"),
    missions=("M18", "M94", "M96"),
)
