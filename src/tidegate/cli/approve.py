"""``tidegate approve``: a second person's signed yes."""

from typing import Annotated

from cyclopts import App, Parameter

from tidegate.app.names import find_artifact
from tidegate.cli import output, session
from tidegate.cli.options import FLAT, Signing
from tidegate.core.policy.directives import Approve, Directive, RetractApproval

app = App(name="approve", help="Sign an approval.")


@app.default
def approve(
    artifact: str,
    /,
    *,
    gate: Annotated[str, Parameter(name="--for")],
    reason: str,
    retract: Annotated[bool, Parameter(negative=())] = False,
    signing: Annotated[Signing, FLAT] = Signing(),
) -> int:
    """Approve an act on an artifact, or take one's own approval back.

    Args:
        artifact: A path, a digest, NAME@VERSION, or the id of a waiver.
        gate: What is approved: ingest/admit, registry/promote, waive…
        reason: Why, for the record.
        retract: Take the approval back.
        signing: Who signs.
    """
    workspace = session.acting(signing)
    subject = artifact if artifact.startswith("waiver-") else find_artifact(workspace, artifact)
    act: Directive = (
        RetractApproval(subject=subject, action=gate, reason=reason)
        if retract
        else Approve(subject=subject, action=gate, reason=reason)
    )
    return output.emit_act(workspace, act, dry_run=signing.dry_run)
