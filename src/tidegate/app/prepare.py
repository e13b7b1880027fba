"""Run a transform over admitted data in a workspace.

::

    produced = prepare(workspace, PrepareRequest(
        CommandRequest(("python", "split.py"), {"data": Path("drop.csv")}, Path("out")),
        train=("train.csv",), validation=("valid.csv",),
    ))
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from tidegate.app.produce import CommandRequest, build_job, publish_provenance
from tidegate.app.workspace import Workspace
from tidegate.core.canonical import Json
from tidegate.core.decision import Decision
from tidegate.core.stage import Stage
from tidegate.gates.command.produce import Job, Produced
from tidegate.gates.ingest.privacy import LABELS
from tidegate.gates.prepare.gate import prepare as run


@dataclass(frozen=True, slots=True)
class PrepareRequest:
    """A transform, and which of its outputs are the two sides of a split."""

    command: CommandRequest
    train: Sequence[str] = ()
    """Outputs for training, by path under the output folder; told by their names without it."""
    validation: Sequence[str] = ()


def prepare(workspace: Workspace, request: PrepareRequest) -> Produced:
    """Admit the order, run the transform confined, admit its outputs, state their provenance.

    Raises:
        UsageError: The request makes no sense: no command, no input, an output folder in use.
        SubjectError: An input can't be an artifact, or changed while the command ran.
        CheckError: The command failed, left no such output, or can't be confined.
        AccessError: The principal may not prepare data; nothing was run.
    """
    if not request.command.dry_run:
        workspace.notary.authorise(Stage.PREPARE)
    job = build_job(workspace, request.command)
    produced = run(
        workspace.run,
        job,
        train=request.train,
        validation=request.validation,
        inherited=_inherited(workspace, job),
    )
    publish_provenance(workspace, produced, job)
    if produced.outputs is None:
        return produced
    return replace(produced, outputs=_noted(produced.outputs))


def _inherited(workspace: Workspace, job: Job) -> dict[str, Json]:
    """Return the most sensitive label under the inputs: what is made from data is as sensitive."""
    digests = [str(target.digest) for target in job.inputs.values()]
    found = {
        facts.get("label")
        for link in workspace.chains().read(digests, drill=job.drill).links
        for facts in link.gate.annotations.values()
    }
    label = next((label for label in reversed(LABELS) if label in found), None)
    return {"label": label} if label else {}


def _noted(decision: Decision) -> Decision:
    """Say when no split was compared, lest silence read as a pass."""
    facts = next((check.facts for check in decision.checks if check.id == "overlap"), {})
    if facts.get("split") is not False:
        return decision
    note = "the outputs hold no training and validation set: no overlap was looked for"
    return replace(decision, notes=(*decision.notes, note))
