"""Judge a model in a workspace.

::

    decision = validate(workspace, ValidateRequest(
        model=Path("model.pkl"),
        sets=(("a", Path("first.csv")), ("b", Path("second.csv"))),
        roles=Roles("label", groups=("region",)),
        argv=("python", "predict.py"),
    ))
"""

import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from tidegate.app.produce import minimum_tier, run_limits
from tidegate.app.workspace import Workspace
from tidegate.core.artifact.reference import resolve
from tidegate.core.decision import Decision
from tidegate.core.errors import UsageError
from tidegate.core.stage import Stage
from tidegate.gates.command.code import export_code
from tidegate.gates.command.environment import environment
from tidegate.gates.contract import Order, Target
from tidegate.gates.validate.gate import ValidateGate
from tidegate.gates.validate.predict import Command, Trial
from tidegate.gates.validate.sets import Roles, read_sets
from tidegate.sandbox.order import Tier

__all__ = ["Roles", "Tier", "ValidateRequest", "validate"]


@dataclass(frozen=True, slots=True)
class ValidateRequest:
    """What is to be judged, on what, and how the model is asked."""

    model: Path
    sets: Sequence[tuple[str, Path]]
    """Name and file of each validation set."""
    roles: Roles
    argv: Sequence[str]
    """The predict command. It reads ``$TIDEGATE_INPUTS/model`` and ``…/data``, and writes
    ``$TIDEGATE_OUTPUT/predictions.csv`` with the column ``prediction`` (and ``score``)."""
    code: Path = Path()
    """Folder of the command's code."""
    scorecard: Path | None = None
    """Folder that receives the scorecard."""
    tier: Tier | None = None
    """Weakest confinement; the configured one where absent."""
    environment: str = "default"
    dry_run: bool = False
    """Decide and show, write nothing: no scorecard either."""
    drill: bool = False


def validate(workspace: Workspace, request: ValidateRequest) -> Decision:
    """Scan the model, ask it confined, measure the answers, decide and attest.

    Raises:
        UsageError: No command, a set without name, a column that is missing.
        SubjectError: The model, a set or the code folder can't be used.
        AccessError: The principal may not sign for this stage; nothing was run.
    """
    if not request.argv:
        raise UsageError(
            "there is no predict command",
            next_step="write it after --: `tidegate validate run … -- python predict.py`",
            slug="no-command",
        )
    if not request.dry_run:
        workspace.notary.authorise(Stage.VALIDATE)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tidegate-validate-")))
        folder.chmod(0o711)  # the confined user passes through it to the features
        sets = read_sets(request.sets, request.roles, folder)
        model = resolve(request.model, kind="model")
        code = export_code(request.code, folder / "code")
        tier = minimum_tier(workspace.settings) if request.tier is None else request.tier
        limits = run_limits(workspace.settings)
        trial = Trial(request.model, sets, Command(request.argv, code.path, limits, tier))
        gate = ValidateGate(
            trial,
            request.roles,
            workspace.chains,
            None if request.dry_run else request.scorecard,
        )
        installed = environment()
        order = Order(
            action="admit",
            subjects=(Target(model.name, "model", request.model, model.digest),),
            materials=(
                *(Target(item.name, "table", item.path, item.digest) for item in sets),
                Target(f"code {code.digest.hex[:12]}", "code", digest=code.digest),
                Target("environment", "environment", digest=installed.digest),
            ),
            parameters={
                "command": list(request.argv),
                "label": request.roles.label,
                "groups": list(request.roles.groups),
                "positive": request.roles.positive,
                "code": code.to_json(),
                "environment": installed.to_json(),
                "limits": limits.to_json(),
            },
            assurance={"code": code.how},
            environment=request.environment,
            dry_run=request.dry_run,
            drill=request.drill,
        )
        return workspace.run(gate, order)
