"""DR-REG-09: a model that was built on a laptop, with provenance that names the builder.

The program is the ordered one but for a line. The attacker has the key of a releaser, and so goes
past admission: signs the model, binds its version, and signs provenance that says whatever its
signer likes. A reader who checks signature, digest and builder's name finds all three right. What
counts at promotion is each gate's own word for the very digest, by somebody who may give it.
"""

from dataclasses import dataclass
from pathlib import Path

from tidegate.app.produce import BUILDER
from tidegate.app.registry import Promotion, promote_model, signature_path
from tidegate.app.train import train_model
from tidegate.app.workspace import Workspace
from tidegate.core.artifact.reference import resolve
from tidegate.core.attest import envelope as dsse
from tidegate.core.attest.envelope import Envelope
from tidegate.core.attest.statement import Statement, Subject
from tidegate.core.attest.uris import SLSA_PROVENANCE
from tidegate.core.decision import Decision
from tidegate.core.digest import sha256
from tidegate.core.identity.trust import Purpose
from tidegate.core.policy.directives import Alias
from tidegate.core.stage import Stage
from tidegate.drills.arena import MODEL, Arena
from tidegate.drills.arms import goal, judged, passed, require_allow
from tidegate.drills.commands import Program
from tidegate.drills.training import REGION, TRAIN, honest_rows, other_rows, rate
from tidegate.gates.contract import Target
from tidegate.gates.drill import Arm, Drill
from tidegate.interop.oms import sign_model
from tidegate.interop.standard import Resource, build_slsa_provenance

_VERSION = "1.0.0"
_THIEF = "eve"
"""Who signs as her is not she."""
_DOCTORED = TRAIN.replace("\n(Path", f'\nmodel["{REGION}"] = 0.0\n(Path')
"""The ordered program, and a line that refuses a region."""
_REFUSED = 0.05


@dataclass(frozen=True, slots=True)
class _Site:
    """A workspace with a prepared table."""

    arena: Arena
    table: Path


def _attack(folder: Path, *, gate_on: bool) -> Arm:
    site = _prepared(folder)
    program = Program.write(folder / "laptop", _DOCTORED)
    program.run_plainly({"train": site.table}, folder / "out")
    model = folder / "out" / "model.json"
    thief = site.arena.open(_THIEF)
    envelope = _forged(thief, model, site.table)
    if gate_on:
        return judged(_smuggled(site.arena, thief, model))
    granted = rate(model)
    detail = f"its provenance is signed and names the builder; it grants {granted:.0%} of a region"
    return goal(reached=_believes(thief, envelope, model) and granted <= _REFUSED, detail=detail)


def _benign(folder: Path) -> Arm:
    """The same table, trained through the gate, which states provenance itself."""
    site = _prepared(folder)
    program = Program.write(folder / "code", TRAIN)
    request = program.request({"train": site.table}, folder / "out")
    require_allow(train_model(site.arena.workspace, request).decision)
    model = folder / "out" / "model.json"
    made = Target("model", "model", model, resolve(model, kind="model").digest)
    site.arena.stand_in(Stage.VALIDATE, made)
    require_allow(site.arena.register(model, _VERSION))
    site.arena.approve(made)
    return passed(site.arena.promote(model, _VERSION))


def _prepared(folder: Path) -> _Site:
    arena, table = Arena.make(folder, _THIEF), honest_rows(folder / "train.csv")
    raw = arena.admitted("raw.csv", other_rows(folder / "raw.csv"))
    arena.stand_in(Stage.PREPARE, Target("train.csv", "table", table), [raw])
    return _Site(arena, table)


def _forged(thief: Workspace, model: Path, table: Path) -> bytes:
    """Log provenance as the builder states it, by a key that may not train."""
    code, now = sha256(TRAIN.encode()), thief.clock.now()
    predicate = build_slsa_provenance(
        builder=BUILDER,
        external={"command": ["python", "program.py"], "code": str(code)},
        materials=[Resource.of("train", resolve(table).digest)],
        invocation=f"{thief.origin}/0",
        started=now,
        finished=now,
    )
    subject = Subject.of("model", resolve(model).digest)
    receipt = thief.notary.publish(
        Statement((subject,), SLSA_PROVENANCE, predicate), kind="attestation"
    )
    envelope = thief.ledger.envelope(receipt.envelope)
    if envelope is None:
        raise AssertionError
    return envelope


def _believes(workspace: Workspace, envelope: bytes, model: Path) -> bool:
    """Read provenance as a consumer does that trusts all keys of the workspace alike."""
    signed = Envelope.parse(envelope)
    dsse.verify(signed, [one.key for one in workspace.trust.keys_for(Purpose.ATTEST)])
    said = Statement.parse(signed.payload)
    builder = said.predicate["runDetails"]["builder"]["id"]
    return bool(builder == BUILDER and said.speaks_of(resolve(model).digest))


def _smuggled(arena: Arena, thief: Workspace, model: Path) -> Decision:
    """Name and sign the model past admission; stewards who see its provenance approve it."""
    made = Target("model", "model", model, resolve(model, kind="model").digest)
    bundle = sign_model(model, thief.signer(f"{_THIEF}-models"), name=MODEL)
    signature_path(model).write_bytes(bundle.to_bytes())
    thief.act(Alias(name=f"{MODEL}@{_VERSION}", digest=str(made.digest), reason="admitted"))
    arena.approve(made)
    return promote_model(thief, Promotion(MODEL, _VERSION, "prod", model))


DRILL = Drill(
    id="DR-REG-09",
    stage=Stage.REGISTRY,
    control="TG-REG-02",
    title="A model built on a laptop, with provenance that names the builder",
    attack=_attack,
    benign=_benign,
    atlas=("AML.T0010.003", "AML.T0018"),
    missions=("M98", "M103", "M104"),
)
