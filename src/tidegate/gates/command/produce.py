"""Produce: run a command whose outputs become artifacts, as two runs of the one gate runner.

First the *order* is admitted: the command line, code, environment and inputs, all by digest. Then
the command runs confined, with nothing in sight but what the order names. Then its *outputs* are
admitted with the order, code, environment and inputs as their materials. A command that fails
produces nothing, and nothing is admitted. Inputs are pinned by digest from the first look on: bytes
that are swapped while the command runs, and be it for a moment, refuse its outputs.
"""

import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

from tidegate.core.artifact.reference import resolve
from tidegate.core.canonical import Json, dumps
from tidegate.core.decision import Decision
from tidegate.core.digest import Digest, sha256
from tidegate.core.errors import CheckError, EmptySubject, SubjectError, UsageError
from tidegate.core.stage import Outcome
from tidegate.gates.command.code import Code, export_code
from tidegate.gates.command.environment import Environment, environment
from tidegate.gates.contract import Gate, Order, Target
from tidegate.gates.stamp import stamp
from tidegate.sandbox.confine import run_confined
from tidegate.sandbox.order import Completed, Limits, Tier
from tidegate.sandbox.order import Order as ConfinedOrder

RunGate = Callable[[Gate, Order], Decision]
_TAIL = 1_500


@dataclass(frozen=True, slots=True)
class Job:
    """A command to run."""

    argv: Sequence[str]
    inputs: Mapping[str, Target]
    """Input name → what it is; each has a path. The command sees it under that name."""
    output: Path
    """A folder that does not exist yet, or is empty."""
    code: Path
    parameters: Mapping[str, Json] = field(default_factory=dict[str, Json])
    """Signed with the verdict."""
    variables: Mapping[str, str] = field(default_factory=dict[str, str])
    """Environment variables that the command sees; signed, so no secrets."""
    limits: Limits = field(default_factory=Limits)
    tier: Tier = Tier.NAMESPACES
    """Weakest confinement that the caller accepts; policy may want more."""
    environment: str = "default"
    dry_run: bool = False
    drill: bool = False


@dataclass(frozen=True, slots=True)
class Prepared:
    """A job whose code and environment are known."""

    job: Job
    inputs: Mapping[str, Target]
    """The job's inputs, each pinned to a digest."""
    code: Code
    environment: Environment
    digest: Digest
    """Of the order: everything that determines the run."""

    @property
    def materials(self) -> tuple[Target, ...]:
        """Inputs, code and environment."""
        return (
            *self.inputs.values(),
            Target(f"code {self.code.digest.hex[:12]}", "code", digest=self.code.digest),
            Target("environment", "environment", digest=self.environment.digest),
        )

    @property
    def signed_parameters(self) -> dict[str, Json]:
        """What is signed about the run."""
        return {
            **self.job.parameters,
            "command": list(self.job.argv),
            "variables": dict(self.job.variables),
            "code": self.code.to_json(),
            "environment": self.environment.to_json(),
            "limits": self.job.limits.to_json(),
        }


@dataclass(frozen=True, slots=True)
class Produced:
    """What came of a job."""

    prepared: Prepared
    order: Decision
    outputs: Decision | None
    """``None`` where the order was not allowed, or on a dry run."""
    completed: Completed | None

    @property
    def decision(self) -> Decision:
        """The last word."""
        return self.outputs or self.order


GateFor = Callable[[Prepared, Completed | None], Gate]
"""Makes the stage's gate: for the order without, for the outputs with the completed run."""
SubjectsOf = Callable[[Path, Sequence[str]], Sequence[Target]]
"""Names the subjects among the output files."""


def produce(job: Job, *, run_gate: RunGate, gate_for: GateFor, subjects_of: SubjectsOf) -> Produced:
    """Admit the order, run the command, admit its outputs.

    Raises:
        CheckError: The command failed, or confinement is not to be had.
        SubjectError: An input was changed meanwhile.
        UsageError: An input has no path, or the output folder is not empty.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tidegate-code-")))
        folder.chmod(0o755)
        seen = _stamps(job)
        prepared = _prepare(job, folder / "code")
        ordered = run_gate(gate_for(prepared, None), _order(prepared))
        if ordered.outcome is not Outcome.ALLOW or job.dry_run:
            return Produced(prepared, ordered, None, None)
        made = not job.output.exists()
        job.output.mkdir(parents=True, exist_ok=True)
        try:
            completed = _run(prepared)
            _check_unchanged(job, seen)
            subjects = tuple(subjects_of(job.output, completed.outputs))
            admitted = run_gate(
                gate_for(prepared, completed), _admission(prepared, completed, subjects)
            )
        except BaseException:
            _forget(job.output, whole=made)
            raise
        return Produced(prepared, ordered, admitted, completed)


def _prepare(job: Job, destination: Path) -> Prepared:
    if job.output.exists() and (not job.output.is_dir() or any(job.output.iterdir())):
        raise UsageError(
            "the output folder is not empty",
            where=str(job.output),
            next_step="name a new folder with --output",
            slug="output-not-empty",
        )
    inputs = {name: _pin(name, target) for name, target in job.inputs.items()}
    code, installed = export_code(job.code, destination), environment()
    body = dumps(
        {
            "command": list(job.argv),
            "code": str(code.digest),
            "environment": str(installed.digest),
            "inputs": {name: str(target.digest) for name, target in inputs.items()},
            "variables": dict(job.variables),
            "parameters": dict(job.parameters),
            "limits": job.limits.to_json(),
        }
    )
    return Prepared(job, inputs, code, installed, sha256(body))


def _pin(name: str, target: Target) -> Target:
    if target.path is None or not target.path.exists():
        raise UsageError(
            "an input does not exist",
            where=f"{name} ({target.path})",
            next_step="check the path",
            slug="no-such-input",
        )
    return replace(target, digest=target.digest or resolve(target.path).digest)


def _stamps(job: Job) -> dict[str, str]:
    return {name: stamp(target.path) for name, target in job.inputs.items() if target.path}


def _check_unchanged(job: Job, seen: Mapping[str, str]) -> None:
    """Refuse outputs whose inputs were touched: they may be back by now, with the same digest."""
    now = _stamps(job)
    changed = sorted(name for name, before in seen.items() if now[name] != before)
    if changed:
        raise SubjectError(
            "the bytes that the command could read are not the ones that were asked for",
            where=", ".join(changed)[:200],
            cause="they were changed while it ran",
            next_step="run it again over files that nobody writes to; nothing was admitted",
            slug="other-bytes",
        )


def _order(prepared: Prepared) -> Order:
    job = prepared.job
    name = f"order {prepared.digest.hex[:12]}"
    return Order(
        action="order",
        subjects=(Target(name, "order", digest=prepared.digest),),
        materials=prepared.materials,
        parameters=prepared.signed_parameters,
        assurance={"code": prepared.code.how},
        environment=job.environment,
        dry_run=job.dry_run,
        drill=job.drill,
    )


def _admission(prepared: Prepared, completed: Completed, subjects: tuple[Target, ...]) -> Order:
    job = prepared.job
    return Order(
        action="admit",
        subjects=subjects,
        materials=(
            *prepared.materials,
            Target(f"order {prepared.digest.hex[:12]}", "order", digest=prepared.digest),
        ),
        parameters=prepared.signed_parameters,
        assurance={"code": prepared.code.how, "isolation": dict(completed.isolation)},
        environment=job.environment,
        drill=job.drill,
    )


def _run(prepared: Prepared) -> Completed:
    job = prepared.job
    return run_command(
        ConfinedOrder(
            argv=job.argv,
            code=prepared.code.path,
            inputs={name: item.path for name, item in prepared.inputs.items() if item.path},
            output=job.output,
            environment=job.variables,
            limits=job.limits,
            minimum_tier=job.tier,
        )
    )


def run_command(order: ConfinedOrder) -> Completed:
    """Run a command confined; one that fails, or leaves nothing, is an error.

    Raises:
        CheckError: It failed or passed a limit, or confinement is not to be had.
        EmptySubject: It left nothing.
    """
    completed = run_confined(order)
    if completed.returncode != 0 or completed.stopped:
        why = (
            f"it passed its limit {completed.stopped}"
            if completed.stopped
            else (f"it exited with {completed.returncode}")
        )
        tail = completed.stderr.decode("utf-8", "replace").strip()[-_TAIL:]
        raise CheckError(
            "the command failed",
            where=" ".join(order.argv)[:200],
            cause=f"{why}; its last words: {tail.splitlines()[-1] if tail else '(none)'}",
            next_step="run it without Tidegate, or look at its output; nothing was admitted",
            slug="command-failed",
        )
    if not completed.outputs:
        raise EmptySubject(
            "the command left nothing in its output folder",
            where=" ".join(order.argv)[:200],
            next_step="write to the folder that the variable TIDEGATE_OUTPUT names",
            slug="no-output",
        )
    return completed


def _forget(output: Path, *, whole: bool) -> None:
    """Leave no output behind that no gate has judged."""
    if whole:
        shutil.rmtree(output, ignore_errors=True)
        return
    for item in output.iterdir():
        if item.is_dir() and not item.is_symlink():
            shutil.rmtree(item, ignore_errors=True)
        else:
            item.unlink(missing_ok=True)
