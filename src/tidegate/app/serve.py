"""Check a deployment: its bytes, its signature, and its whole chain."""

from dataclasses import dataclass
from pathlib import Path

from tidegate.app.registry import signature_path
from tidegate.app.signers import model_trust
from tidegate.app.workspace import Workspace
from tidegate.core.decision import Decision
from tidegate.gates.contract import Order, Target
from tidegate.gates.serve import ServeGate
from tidegate.gates.signature import SignedModel


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
