"""``tidegate approve``: a second person's signed yes."""

from typing import Annotated

from cyclopts import App, Parameter

from tidegate.app.names import find_artifact
from tidegate.cli import output, session
from tidegate.cli.options import FLAT, Reason, Signing
from tidegate.core.errors import UsageError
from tidegate.core.policy.directive_state import WAIVE
from tidegate.core.policy.directives import Approve, Directive, RetractApproval
from tidegate.core.stage import Stage

app = App(name="approve", help="Sign an approval.")


@app.default
def approve(
    artifact: str,
    /,
    *,
    gate: Annotated[str, Parameter(name="--for")],
    reason: Reason,
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
    _check_gate(gate)
    workspace = session.acting(signing)
    subject = artifact if artifact.startswith("waiver-") else find_artifact(workspace, artifact)
    act: Directive = (
        RetractApproval(subject=subject, action=gate, reason=reason)
        if retract
        else Approve(subject=subject, action=gate, reason=reason)
    )
    return output.emit_act(workspace, act, dry_run=signing.dry_run)


def _check_gate(gate: str) -> None:
    stage, _, action = gate.partition("/")
    if gate != WAIVE and not (action and stage in {one.value for one in Stage}):
        raise UsageError(
            "there is no such gate",
            where=f"--for {gate[:100]}",
            next_step=f"write STAGE/ACTION, such as registry/promote, or {WAIVE}",
            slug="unknown-gate",
        )
