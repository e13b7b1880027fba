"""``tidegate serve``: check deployments, and run the gateway in front of them."""

from pathlib import Path
from typing import Annotated

from cyclopts import App

from tidegate.app.serve import Deployment, check_deployment, summarise
from tidegate.cli import output, session
from tidegate.cli.options import FLAT, Gating

app = App(name="serve", help="Check deployments; run the gateway.")
app.command("tidegate.cli.gateway:app", name="gateway", help="Run the gateway before a model.")


@app.command
def check(
    path: Path,
    /,
    *,
    deployed_as: str,
    signature: Path | None = None,
    vsa: Path | None = None,
    options: Annotated[Gating, FLAT] = Gating(),
) -> int:
    """Verify that a deployment's bytes are what was promoted, and that its whole chain holds.

    Args:
        path: The deployed model.
        deployed_as: Its name: NAME/STAGE.
        signature: Its signature; beside the model by default.
        vsa: Write a signed verification summary here, for the gateway and admission controllers.
        options: Who acts, and how the result is shown.
    """
    workspace = session.acting(options)
    deployment = Deployment(path, deployed_as, signature, dry_run=options.dry_run)
    decision = check_deployment(workspace, deployment)
    if vsa is not None and not options.dry_run:
        summarise(workspace, decision, deployed_as, vsa)
    return output.emit_decision(decision, options)
