"""Wrapped commands in a workspace: inputs by path, bounds by configuration, provenance for others.

::

    job = build_job(workspace, argv, {"data": Path("drop.csv")}, output=Path("out"))
    produced = prepare(workspace, job)
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tidegate.app.workspace import TOOL, Workspace
from tidegate.config import Settings
from tidegate.core.artifact.reference import resolve
from tidegate.core.attest.statement import Statement, Subject
from tidegate.core.attest.uris import SLSA_PROVENANCE
from tidegate.core.clock import SECOND, Micros
from tidegate.core.digest import Digest
from tidegate.core.errors import UsageError
from tidegate.core.stage import Outcome
from tidegate.gates.command.produce import Job, Produced
from tidegate.gates.contract import Target
from tidegate.gates.prepare.gate import data_kind
from tidegate.gates.runner import Receipt
from tidegate.interop.standard import Resource, build_slsa_provenance
from tidegate.sandbox.order import Limits, Tier

BUILDER = "urn:tidegate:builder:wrapped-command"
"""SLSA builder id; the isolation that was reached stands beside it."""


@dataclass(frozen=True, slots=True)
class CommandRequest:
    """A command that is to be run over admitted inputs."""

    argv: Sequence[str]
    inputs: Mapping[str, Path]
    """By the name under which the command finds each in ``$TIDEGATE_INPUTS``."""
    output: Path
    """A new or empty folder; what the command leaves in ``$TIDEGATE_OUTPUT`` lands here."""
    code: Path = Path()
    parameters: Mapping[str, str] = field(default_factory=dict[str, str])
    """Signed, and given to the command as ``TIDEGATE_PARAM_<NAME>``."""
    tier: Tier | None = None
    """Weakest confinement that is accepted; the configured one where absent."""
    environment: str = "default"
    dry_run: bool = False
    drill: bool = False


def build_job(workspace: Workspace, request: CommandRequest) -> Job:
    """Return the job of a request, each input pinned to the digest that it has now.

    Raises:
        UsageError: There is no command or no input, or a parameter has no usable name.
        SubjectError: An input can't be an artifact.
    """
    if not request.argv:
        raise UsageError(
            "there is no command", next_step="write it after --: `… -- CMD`", slug="no-command"
        )
    if not request.inputs:
        raise UsageError(
            "the command has no input",
            next_step="name each with --input NAME=PATH",
            slug="no-input",
        )
    return Job(
        argv=tuple(request.argv),
        inputs={name: _input(name, path) for name, path in request.inputs.items()},
        output=request.output,
        code=request.code,
        parameters=dict(request.parameters),
        variables={_variable(name): value for name, value in request.parameters.items()},
        limits=run_limits(workspace.settings),
        tier=minimum_tier(workspace.settings) if request.tier is None else request.tier,
        environment=request.environment,
        dry_run=request.dry_run,
        drill=request.drill,
    )


def publish_provenance(workspace: Workspace, produced: Produced, job: Job) -> Receipt | None:
    """State SLSA provenance about outputs that were admitted, as a statement of its own.

    Args:
        workspace: Whose log it goes to.
        produced: What came of the job.
        job: The job.

    Returns:
        Where it stands; ``None`` where nothing was admitted.
    """
    admitted, completed = produced.outputs, produced.completed
    if admitted is None or completed is None or admitted.outcome is not Outcome.ALLOW:
        return None
    prepared, finished = produced.prepared, workspace.clock.now()
    predicate = build_slsa_provenance(
        builder=BUILDER,
        external={
            "command": list(job.argv),
            "parameters": dict(job.parameters),
            "inputs": {name: str(target.digest) for name, target in prepared.inputs.items()},
            "code": prepared.code.to_json(),
        },
        internal={
            "isolation": dict(completed.isolation),
            "limits": job.limits.to_json(),
            "environment": prepared.environment.to_json(),
        },
        materials=[
            Resource.of(target.name, target.digest)
            for target in prepared.materials
            if target.digest
        ],
        invocation=f"{workspace.origin}/{admitted.index}",
        started=Micros(finished - int(completed.seconds * SECOND)),
        finished=finished,
        versions={TOOL.name: TOOL.version},
    )
    subjects = tuple(
        Subject.of(subject.name, Digest.parse(subject.digest)) for subject in admitted.subjects
    )
    kind = "drill" if job.drill else "attestation"
    return workspace.notary.publish(Statement(subjects, SLSA_PROVENANCE, predicate), kind=kind)


def minimum_tier(settings: Settings) -> Tier:
    """Return the weakest confinement that the configuration accepts."""
    return Tier[settings.sandbox.tier.name]


def run_limits(settings: Settings) -> Limits:
    """Return the configured bounds on one confined run."""
    sandbox = settings.sandbox
    return Limits(
        wall_seconds=max(1, sandbox.wall_time // SECOND),
        cpu_seconds=sandbox.cpu_seconds,
        memory_bytes=sandbox.memory,
        processes=sandbox.processes,
        file_bytes=sandbox.file_size,
    )


def _input(name: str, path: Path) -> Target:
    kind = data_kind(path)
    found = resolve(path, kind=kind)
    return Target(name, kind, path, found.digest)


def _variable(name: str) -> str:
    if not (name.isascii() and name.isidentifier()):
        raise UsageError(
            "a parameter's name is not usable",
            where=name[:100],
            next_step="use letters, digits and underscores",
            slug="bad-parameter",
        )
    return f"TIDEGATE_PARAM_{name.upper()}"
