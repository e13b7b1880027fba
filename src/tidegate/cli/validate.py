"""``tidegate validate``: judge a model on two independent validation sets."""

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from tidegate.cli import output, session
from tidegate.cli.options import FLAT, Gating, Texts
from tidegate.config.model import Isolation
from tidegate.core.errors import UsageError

app = App(name="validate", help="Judge a model on two independent validation sets.")


@app.command
def run(
    *command: Annotated[str, Parameter(allow_leading_hyphen=True)],
    model: Path,
    sets: Annotated[Texts, Parameter(name="--set")],
    label_column: str,
    group_column: Texts = (),
    positive: str = "1",
    code: Path = Path(),
    scorecard: Path | None = None,
    tier: Isolation | None = None,
    gating: Annotated[Gating, FLAT] = Gating(),
) -> int:
    """Scan the model, let the command predict in confinement, compare with the labels, decide.

    The command runs once a set. It finds the model and the rows (without label) as
    $TIDEGATE_INPUTS/model and $TIDEGATE_INPUTS/data, and writes one row of `prediction` (and,
    if it likes, `score`) for each row into $TIDEGATE_OUTPUT/predictions.csv.

    Args:
        command: The predict command, after --.
        model: The model's file or folder.
        sets: A validation set as NAME=PATH; two of different owners are wanted.
        label_column: The column with the true label, which the command does not see.
        group_column: A column whose values are subgroups; may be given several times.
        positive: The label that means "selected".
        code: Folder of the command's code.
        scorecard: Folder for scorecard.json and scorecard.html.
        tier: Weakest confinement that is accepted; the configured one where absent.
        gating: Who signs, and how the result is shown.
    """
    from tidegate.app.validate import (  # noqa: PLC0415 - heavy
        Roles,
        Tier,
        ValidateRequest,
        validate,
    )

    workspace = session.acting(gating)
    request = ValidateRequest(
        model=model,
        sets=tuple(map(_named, sets)),
        roles=Roles(label_column, group_column, positive),
        argv=command,
        code=code,
        scorecard=scorecard,
        tier=None if tier is None else Tier[tier.name],
        dry_run=gating.dry_run,
    )
    with output.progress(f"validating {model.name}", quiet=gating.quiet):
        decision = validate(workspace, request)
    return output.emit_decision(decision, gating)


def _named(text: str) -> tuple[str, Path]:
    name, separator, path = text.partition("=")
    if not separator or not name or not path:
        raise UsageError(
            "not a validation set",
            where=f"--set {text[:100]}",
            next_step="write --set NAME=PATH",
            slug="bad-set",
        )
    return name, Path(path)
