"""``tidegate approve``: a second person's signed yes."""

from difflib import get_close_matches
from typing import Annotated

from cyclopts import App, Parameter

from tidegate.app.names import find_artifact
from tidegate.app.workspace import Workspace
from tidegate.cli import acts, session
from tidegate.cli.options import FLAT, Acting, Flag, Reason
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
    retract: Flag = False,
    acting: Annotated[Acting, FLAT] = Acting(),
) -> int:
    """Approve an act on an artifact, or take one's own approval back.

    JSON: `act`, `index`, `envelope`, `dryRun`.

    Args:
        artifact: A path, a digest, NAME@VERSION, or the id of a waiver.
        gate: What is approved: ingest/admit, registry/promote, waive…
        reason: Why, for the record.
        retract: Take the approval back.
        acting: Who signs, and how the answer is shown.
    """
    _check_gate(gate)
    workspace = session.acting(acting)
    _check_spelling(workspace, gate)
    subject = artifact if artifact.startswith("waiver-") else find_artifact(workspace, artifact)
    act: Directive = (
        RetractApproval(subject=subject, action=gate, reason=reason)
        if retract
        else Approve(subject=subject, action=gate, reason=reason)
    )
    return acts.perform(workspace, act, acting)


def _check_gate(gate: str) -> None:
    stage, _, action = gate.partition("/")
    if gate != WAIVE and not (action and stage in {one.value for one in Stage}):
        raise UsageError(
            "there is no such gate",
            where=f"--for {gate[:100]}",
            next_step=f"write STAGE/ACTION, such as registry/promote, or {WAIVE}",
            slug="unknown-gate",
        )


def _check_spelling(workspace: Workspace, gate: str) -> None:
    """Refuse what is nearly a gate of the policy: such an approval would count for nothing."""
    policy = workspace.policy
    gates = [*(rule.gate for rule in policy.rules), *(test.gate for test in policy.tests)]
    known = {gate for gate in gates if "/" in gate} | {WAIVE}
    close = [] if gate in known else get_close_matches(gate, sorted(known), n=1, cutoff=0.85)
    if close:
        raise UsageError(
            "no rule asks for an approval of this act",
            where=f"--for {gate[:100]}",
            next_step=f"did you mean {close[0]}?",
            slug="unknown-gate",
        )
