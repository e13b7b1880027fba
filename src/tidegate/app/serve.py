"""Check a deployment, and summarise the check for whoever stands at the door (VSA v1)."""

from dataclasses import dataclass
from pathlib import Path

from tidegate.app.registry import signature_path
from tidegate.app.signers import model_trust
from tidegate.app.workspace import TOOL, Workspace
from tidegate.core.attest import envelope as dsse
from tidegate.core.attest.statement import Statement, Subject
from tidegate.core.attest.uris import PAYLOAD_TYPE, VERIFICATION_SUMMARY
from tidegate.core.canonical import dumps
from tidegate.core.decision import Decision
from tidegate.core.digest import Digest
from tidegate.core.errors import UsageError
from tidegate.core.stage import Outcome
from tidegate.gates.contract import Order, Target
from tidegate.gates.serve import ServeGate
from tidegate.gates.signature import SignedModel
from tidegate.interop.standard import build_verification_summary

VERIFIER = "urn:tidegate:verifier:serve:v1"


@dataclass(frozen=True, slots=True)
class Deployment:
    """A model as it is deployed."""

    path: Path
    alias: str
    """``credit-model/prod``."""
    signature: Path | None = None
    """Where its signature lies; beside the model by default."""
    environment: str = "default"
    dry_run: bool = False
    drill: bool = False


def check_deployment(workspace: Workspace, deployment: Deployment) -> Decision:
    """Verify a deployment's bytes against the ledger, its signature and its whole chain."""
    meant = workspace.directives().resolve(deployment.alias)
    signature = deployment.signature or signature_path(deployment.path)
    trust = model_trust(workspace, meant, signature, drill=deployment.drill)
    gate = ServeGate(SignedModel(deployment.path, signature), trust, deployment.alias, meant)
    order = Order(
        action="check",
        subjects=(Target(deployment.alias, "model", deployment.path),),
        parameters={"alias": deployment.alias},
        environment=deployment.environment,
        dry_run=deployment.dry_run,
        drill=deployment.drill,
    )
    return workspace.run(gate, order)


def summarise(workspace: Workspace, decision: Decision, alias: str, target: Path) -> int:
    """Sign a verification summary of a check, log it, write it to a file; return the log index.

    Undecided is FAILED there: a reader of summaries knows two outcomes.

    Raises:
        UsageError: The check was a dry run: nothing in the log says it.
    """
    if decision.index is None:
        raise UsageError(
            "a check that was not logged has no summary",
            where=alias,
            next_step="run the check without --dry-run",
            slug="not-logged",
        )
    subject = decision.subjects[0]
    predicate = build_verification_summary(
        verifier=VERIFIER,
        time=workspace.clock.now(),
        resource=f"urn:tidegate:deployment:{alias}",
        policy_uri=f"urn:tidegate:policy:{workspace.policy.name}@{workspace.policy.version}",
        policy=workspace.policy.digest,
        outcome=decision.outcome,
        levels=("TIDEGATE_FULL_CHAIN",) if decision.outcome is Outcome.ALLOW else (),
        versions={TOOL.name: TOOL.version},
        inputs=[(f"urn:tidegate:log:{decision.index}", Digest.parse(decision.envelope))]
        if decision.envelope
        else [],
    )
    statement = Statement(
        (Subject.of(alias, Digest.parse(subject.digest)),), VERIFICATION_SUMMARY, predicate
    )
    receipt = workspace.notary.publish(statement, kind="attestation")
    signed = dsse.sign(statement.to_bytes(), PAYLOAD_TYPE, [workspace.principal.signer])
    part = target.with_suffix(".part")
    part.write_bytes(dumps(signed.to_json()))
    part.replace(target)
    return receipt.index
