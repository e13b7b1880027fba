"""Admit and promote models: sign, write the bill of materials, run the gate, name the result.

Signature and bill of materials lie beside the model (``model.oms.json``, ``model.cdx.json``). They
are written only when the gate allows: a model that was refused is left without a signature.
"""

import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from tidegate.app.bom import ModelCard, chain_bom
from tidegate.app.dependencies import lock_checks
from tidegate.app.holdings import Holdings, keeper
from tidegate.app.model_rules import rules_in_force
from tidegate.app.signers import model_trust, standing
from tidegate.app.workspace import Workspace
from tidegate.core.artifact.reference import resolve
from tidegate.core.decision import Decision
from tidegate.core.digest import Digest, sha256
from tidegate.core.errors import AccessError, SubjectError, UsageError
from tidegate.core.identity.signer import Signer
from tidegate.core.policy.directives import Alias, Rollback
from tidegate.core.stage import Outcome, Stage
from tidegate.gates.chain import Chain
from tidegate.gates.contract import Check, Order, Target
from tidegate.gates.registry.gate import (
    AdmitGate,
    BomFile,
    Keep,
    PromoteGate,
    alias_name,
    promotion_parameters,
)
from tidegate.gates.registry.origin import Origin, origin_check
from tidegate.gates.registry.shadow import Candidate, shadow_check
from tidegate.gates.signature import SignedModel
from tidegate.interop.bom import Spec, score, write_bom
from tidegate.interop.oms import sign_model
from tidegate.logbook.durable import replace_file
from tidegate.sandbox.scanner import ConfinedScanner

SIGNATURE_SUFFIX = ".oms.json"
BOM_SUFFIX = ".cdx.json"
SPDX_SUFFIX = ".spdx.json"


@dataclass(frozen=True, slots=True)
class Admission:
    """A model to admit."""

    path: Path
    name: str
    version: str
    card: ModelCard = field(default_factory=ModelCard)
    spdx: bool = False
    """Write the bill of materials in SPDX, too."""
    origin: Origin | None = None
    """Where a third-party model says that it comes from; signed with the admission."""
    environment: str = "default"
    dry_run: bool = False
    drill: bool = False


def signature_path(model: Path) -> Path:
    """Return where a model's signature lies."""
    return model.with_name(model.name + SIGNATURE_SUFFIX)


def bom_path(model: Path, suffix: str = BOM_SUFFIX) -> Path:
    """Return where a model's bill of materials lies."""
    return model.with_name(model.name + suffix)


def admit_model(workspace: Workspace, admission: Admission) -> Decision:
    """Scan, sign and admit a model; on allow its version name means its digest for ever.

    Raises:
        UsageError: The version means another digest already: versions never change.
        AccessError: The principal may not, or has no key that signs models.
        SubjectError: The model can't be read.
    """
    alias = alias_name(admission.name, admission.version)
    if not admission.dry_run:
        workspace.notary.authorise(Stage.REGISTRY)
    found = resolve(admission.path, kind="model")
    meant = workspace.directives().resolve(alias)
    if meant not in (None, str(found.digest)):
        raise UsageError(
            "this version is another model",
            where=alias,
            cause=f"it means {meant[:19]}, this is {found.digest.short}" if meant else None,
            next_step="give it a new version",
            slug="version-exists",
        )
    chain = workspace.chains().read([str(found.digest)])
    with tempfile.TemporaryDirectory(prefix="tidegate-admit-") as folder:
        signature, bom = Path(folder, "signature.json"), Path(folder, "bom.json")
        bundle = sign_model(admission.path, _model_signer(workspace), name=admission.name)
        signature.write_bytes(bundle.to_bytes())
        material = chain_bom(
            found,
            chain,
            name=admission.name,
            version=admission.version,
            card=admission.card,
            made_at=workspace.clock.now(),
        )
        bom.write_bytes(write_bom(material))
        spdx = write_bom(material, Spec.SPDX_3) if admission.spdx else None
        keep = sha256 if admission.dry_run else keeper(workspace)
        shadow = _shadow(workspace, admission, found.digest, chain, keep)
        order = _admission_order(admission, found.digest, signature, bom, spdx)
        with ConfinedScanner(rules_in_force(workspace)) as scanner:
            gate = AdmitGate(
                SignedModel(admission.path, signature),
                BomFile(bom, score(material)),
                standing(workspace, at=workspace.clock.now(), index=None),
                scanner,
                None if admission.dry_run else keep,
                (shadow, origin_check(admission.origin), *lock_checks(workspace)),
            )
            decision = workspace.run(gate, order)
        # What was tried, or only exercised, changes nothing.
        holds = decision.outcome is Outcome.ALLOW and not (admission.dry_run or admission.drill)
        if holds:
            for document in (signature, bom):  # asked about when the files are elsewhere
                keep(document.read_bytes())
            replace_file(signature_path(admission.path), signature.read_bytes())
            replace_file(bom_path(admission.path), bom.read_bytes())
            if spdx is not None:
                replace_file(bom_path(admission.path, SPDX_SUFFIX), spdx)
    if holds and meant is None:
        workspace.act(Alias(name=alias, digest=str(found.digest), reason="admitted"))
    return decision


def _shadow(
    workspace: Workspace, admission: Admission, digest: Digest, chain: Chain, keep: Keep
) -> Check:
    asks = Candidate(
        admission.path, admission.name, admission.version, str(digest), frozenset(chain.nodes)
    )
    return shadow_check(asks, lambda: tuple(Holdings.read(workspace).registered()), keep)


def _admission_order(
    admission: Admission, digest: Digest, signature: Path, bom: Path, spdx: bytes | None
) -> Order:
    card, alias = admission.card, alias_name(admission.name, admission.version)
    facts = {"name": admission.name, "version": admission.version}
    facts |= {key: value for key in ("owner", "licence") if (value := getattr(card, key))}
    return Order(
        action="admit",
        subjects=(Target(alias, "model", admission.path, digest, facts),),
        parameters={
            "name": admission.name,
            "version": admission.version,
            "signature": str(sha256(signature.read_bytes())),
            "bom": str(sha256(bom.read_bytes())),
            **({"spdx": str(sha256(spdx))} if spdx is not None else {}),
            **({"origin": admission.origin.to_json()} if admission.origin else {}),
        },
        environment=admission.environment,
        dry_run=admission.dry_run,
        drill=admission.drill,
    )


@dataclass(frozen=True, slots=True)
class Promotion:
    """A version to promote."""

    name: str
    version: str
    stage: str
    path: Path
    """Where the model lies, so that its signature is checked again."""
    profile: Path | None = None
    """The reference profile that monitoring will compare with; frozen by its digest."""
    environment: str = "default"
    dry_run: bool = False
    drill: bool = False


def promote_model(workspace: Workspace, promotion: Promotion) -> Decision:
    """Promote an admitted version to a stage; on allow the stage's name means its digest.

    Raises:
        SubjectError: No such version was admitted, or the files are not it.
        AccessError: The principal may not.
    """
    alias = alias_name(promotion.name, promotion.version)
    stage_name = f"{promotion.name}/{promotion.stage}"
    digest = workspace.directives().resolve(alias)
    if digest is None:
        raise SubjectError(
            "this version was never admitted",
            where=alias,
            next_step="run `tidegate registry admit`",
            slug="not-admitted",
        )
    parameters = promotion_parameters(promotion.name, promotion.version, promotion.stage)
    if promotion.profile is not None:
        parameters["profile"] = str(resolve(promotion.profile).digest)
    signature = signature_path(promotion.path)
    trust = model_trust(workspace, digest, signature, drill=promotion.drill)
    gate = PromoteGate(SignedModel(promotion.path, signature), trust)
    order = Order(
        action="promote",
        subjects=(Target(alias, "model", promotion.path, Digest.parse(digest)),),
        parameters=parameters,
        environment=promotion.environment,
        dry_run=promotion.dry_run,
        drill=promotion.drill,
    )
    decision = workspace.run(gate, order)
    if decision.outcome is Outcome.ALLOW and not (promotion.dry_run or promotion.drill):
        reason = f"promoted {alias}, log {decision.index}"
        workspace.act(Alias(name=stage_name, digest=digest, reason=reason))
    return decision


def rolled_back(workspace: Workspace, name: str, version: str, reason: str) -> Rollback:
    """Return the act that moves a stage's name back to a version that it meant before.

    Raises:
        SubjectError: The version was never admitted, or the name never meant it.
    """
    state = workspace.directives()
    digest = state.resolve(alias_name(name.partition("/")[0], version))
    history = [named.digest for named in state.aliases.get(name, ())]
    if digest is None or digest not in history:
        raise SubjectError(
            "the name never meant this version",
            where=f"{name} → {version}",
            next_step="promote it instead",
            slug="not-in-history",
        )
    return Rollback(name=name, digest=digest, reason=reason)


def _model_signer(workspace: Workspace) -> Signer:
    name = f"{workspace.principal.name}-models"
    try:
        return workspace.signer(name)
    except AccessError as error:
        if error.slug != "no-key":
            raise
        raise AccessError(
            f"{workspace.principal.name} has no key that signs models",
            next_step=f"run `tidegate keys models {workspace.principal.name}`",
            slug="no-model-key",
        ) from None
