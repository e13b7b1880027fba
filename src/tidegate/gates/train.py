"""Train: a command that makes a model, confined, from admitted inputs only.

::

    produced = train(workspace_run, Job(["python", "train.py"], {"train": target}, output, code))
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tidegate.core.stage import Stage
from tidegate.gates.command.checks import isolation_check, transform_check
from tidegate.gates.command.produce import Job, Prepared, Produced, RunGate, produce
from tidegate.gates.contract import Check, GateRequest, Target
from tidegate.sandbox.order import Completed


@dataclass(frozen=True, slots=True)
class TrainGate:
    """The checks around a training run."""

    prepared: Prepared
    completed: Completed | None
    """``None`` while the order is judged."""
    more: tuple[Check, ...] = ()
    """Checks that the workspace asks for beside these."""

    @property
    def stage(self) -> Stage:
        """Train."""
        return Stage.TRAIN

    def checks(self, request: GateRequest) -> Sequence[Check]:  # noqa: ARG002 - the protocol's
        """Return the checks: what ran is pinned, and it ran confined."""
        return (transform_check(self.prepared), isolation_check(self.completed), *self.more)


def train(
    run_gate: RunGate, job: Job, *, name: str = "model", more: tuple[Check, ...] = ()
) -> Produced:
    """Admit the order, train, admit the model.

    A single output file is the model; several are one model together, as a folder.
    """

    def subjects(output: Path, files: Sequence[str]) -> Sequence[Target]:
        place = output / files[0] if len(files) == 1 else output
        return (Target(name, "model", place),)

    def gate(prepared: Prepared, completed: Completed | None) -> TrainGate:
        return TrainGate(prepared, completed, more)

    return produce(job, run_gate=run_gate, gate_for=gate, subjects_of=subjects)
