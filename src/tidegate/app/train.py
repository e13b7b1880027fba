"""Train in a workspace, on admitted inputs only.

::

    produced = train_model(workspace, CommandRequest(
        ("python", "train.py"), {"train": Path("train.csv")}, Path("model")
    ), name="credit")
"""

from tidegate.app.dependencies import lock_checks
from tidegate.app.produce import CommandRequest, build_job, publish_provenance
from tidegate.app.workspace import Workspace
from tidegate.core.stage import Stage
from tidegate.gates.command.produce import Produced
from tidegate.gates.train import train


def train_model(workspace: Workspace, request: CommandRequest, *, name: str = "model") -> Produced:
    """Admit the order, train confined, admit the model, state its provenance.

    Raises:
        UsageError: The request makes no sense: no command, no input, an output folder in use.
        SubjectError: An input can't be an artifact, or changed while the command ran.
        CheckError: The command failed, or can't be confined.
        AccessError: The principal may not train; nothing was run.
    """
    if not request.dry_run:
        workspace.notary.authorise(Stage.TRAIN)
    job = build_job(workspace, request)
    produced = train(workspace.run, job, name=name, more=lock_checks(workspace))
    publish_provenance(workspace, produced, job)
    return produced
