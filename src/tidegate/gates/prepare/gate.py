"""The prepare gate: what ran is pinned, ran confined, and its split leaks nothing.

::

    produced = prepare(run_gate, job, train=["train.csv"], validation=["valid.csv"])
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tidegate.core.artifact.reference import guess_kind
from tidegate.core.canonical import Json
from tidegate.core.stage import Stage
from tidegate.gates.command.checks import isolation_check, transform_check
from tidegate.gates.command.produce import Job, Prepared, Produced, RunGate, produce
from tidegate.gates.contract import Check, GateRequest, Target
from tidegate.gates.prepare.split import overlap_check, split_of
from tidegate.sandbox.order import Completed

_DATA = ("table", "model", "index")


@dataclass(frozen=True, slots=True)
class PrepareGate:
    """The checks around a transform."""

    prepared: Prepared
    completed: Completed | None
    """``None`` while the order is judged."""
    train: Sequence[str] = ()
    """Outputs that are for training, where they are named."""
    validation: Sequence[str] = ()

    @property
    def stage(self) -> Stage:
        """Prepare."""
        return Stage.PREPARE

    def checks(self, request: GateRequest) -> Sequence[Check]:  # noqa: ARG002 - the protocol's
        """Return the checks: transform and isolation, and the split once there are outputs."""
        checks = [transform_check(self.prepared), isolation_check(self.completed)]
        if self.completed is not None:
            outputs = self.completed.outputs
            split = split_of(outputs, self.train, self.validation)
            checks.append(overlap_check(self.prepared.job.output, outputs, split))
        return checks


def data_kind(path: Path) -> str:
    """Return what a file is as data: table, model, index, else data set.

    What comes in or out as data never counts as code or a report, which no gate admits: a file
    that is called ``data.py`` needs its admission as any other.
    """
    kind = guess_kind(path.name)
    return kind if kind in _DATA and not path.is_dir() else "dataset"


def prepare(
    run_gate: RunGate,
    job: Job,
    *,
    train: Sequence[str] = (),
    validation: Sequence[str] = (),
    inherited: Mapping[str, Json] | None = None,
) -> Produced:
    """Admit the order, run the transform, admit each file that it left.

    Args:
        run_gate: Runs a gate in a workspace.
        job: The transform.
        train: Outputs for training, by path under the output folder; told by name without it.
        validation: Outputs for validation, likewise.
        inherited: Facts that every output has from its inputs, such as their label.

    Raises:
        CheckError: The command failed, or left no such output.
        UsageError: An input has no path, or the output folder is not empty.
    """

    def subjects(output: Path, files: Sequence[str]) -> Sequence[Target]:
        split = split_of(files, train, validation)
        return [
            Target(
                name,
                data_kind(output / name),
                output / name,
                annotations={
                    **(inherited or {}),
                    **({"role": split.role(name)} if split.role(name) else {}),
                },
            )
            for name in files
        ]

    return produce(
        job,
        run_gate=run_gate,
        gate_for=lambda prepared, completed: PrepareGate(prepared, completed, train, validation),
        subjects_of=subjects,
    )
