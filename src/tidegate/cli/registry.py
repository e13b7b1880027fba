"""``tidegate registry``: scan, sign, admit, promote and roll back models."""

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from tidegate.app.registry import (
    Admission,
    ModelCard,
    Promotion,
    admit_model,
    promote_model,
    roll_back,
)
from tidegate.app.rescan import rescan
from tidegate.cli import output, session
from tidegate.cli.options import FLAT, Gating, Place, Reason, Signing
from tidegate.core.errors import UsageError, worst_exit_code

app = App(name="registry", help="Scan, sign, admit and promote models.")
_List = Annotated[tuple[str, ...], Parameter(negative=())]


@app.command
def admit(
    path: Path,
    /,
    *,
    name: str,
    version: str,
    owner: str | None = None,
    licence: str | None = None,
    task: str | None = None,
    architecture: str | None = None,
    use: _List = (),
    limitation: _List = (),
    options: Annotated[Gating, FLAT] = Gating(),
) -> int:
    """Scan a model without running it, sign it, write its bill of materials, and admit it.

    Args:
        path: The model file or folder.
        name: The model's name.
        version: Its version; never to be given to other bytes.
        owner: Who answers for it.
        licence: SPDX expression.
        task: classification, regression…
        architecture: Such as LogisticRegression.
        use: An intended use; may be given several times.
        limitation: A known limitation; may be given several times.
        options: Who acts, and how the result is shown.
    """
    card = ModelCard(owner, licence, task, architecture, use, limitation)
    admission = Admission(path, name, version, card, dry_run=options.dry_run)
    return output.emit_decision(admit_model(session.acting(options), admission), options)


@app.command
def promote(
    version: str,
    /,
    *,
    stage: str,
    model: Path,
    profile: Path | None = None,
    options: Annotated[Gating, FLAT] = Gating(),
) -> int:
    """Promote an admitted version to a stage; wants the whole chain and two other people's yes.

    Args:
        version: NAME@VERSION.
        stage: The stage: prod, staging…
        model: Where the model lies, so that its signature is checked again.
        profile: The reference profile for monitoring, which is frozen with the promotion.
        options: Who acts, and how the result is shown.
    """
    name, separator, number = version.partition("@")
    if not separator:
        raise UsageError(
            "not NAME@VERSION",
            where=version[:100],
            next_step="write it as `tidegate registry list` shows it",
            slug="bad-name",
        )
    promotion = Promotion(name, number, stage, model, profile, dry_run=options.dry_run)
    return output.emit_decision(promote_model(session.acting(options), promotion), options)


@app.command
def rollback(
    name: str,
    /,
    *,
    to: str,
    reason: Reason,
    signing: Annotated[Signing, FLAT] = Signing(),
) -> int:
    """Let a stage's name mean an earlier version again.

    Args:
        name: NAME/STAGE.
        to: The version that it meant before.
        reason: Why, for the record.
        signing: Who acts.
    """
    index = roll_back(session.acting(signing), name, to, reason)
    output.emit_text([("rollback", f"{name} means version {to} again, log {index}")])
    return 0


@app.command(name="rescan")
def rescan_(
    paths: tuple[Path, ...],
    /,
    *,
    signing: Annotated[Signing, FLAT] = Signing(),
) -> int:
    """Scan admitted models again, with today's engine, packs and approvals, and say what changed.

    Each result is appended as a test result. What was decided stays decided: hold a model with
    `tidegate quarantine add`. Exits with 1 where one has findings of medium severity or more, 4
    where one could not be examined in full.

    Args:
        paths: Admitted models, or a folder that holds them; told by their digest.
        signing: Who signs.
    """
    found = rescan(session.acting(signing), paths, dry_run=signing.dry_run)
    for item in found.done:
        place = "dry run" if item.index is None else f"log {item.index}"
        output.emit_text([(item.outcome.value, f"{item.name} {item.digest[:19]}, {place}")])
        output.emit_text([("new", finding) for finding in item.new])
        output.emit_text([("gone", finding) for finding in item.gone])
    for name, digest in found.elsewhere:
        output.emit_text([("not here", f"{name} {digest[:19]}: in none of the paths")])
    return worst_exit_code(*(item.outcome.exit_code for item in found.done))


@app.command(name="list")
def list_(*, place: Annotated[Place, FLAT] = Place()) -> int:
    """List versions and stages, and what they mean.

    Args:
        place: Where the workspace is.
    """
    state = session.reading(place).directives()
    rows = [
        (name, history[-1].digest[:19], history[-1].act.principal, str(history[-1].act.index),
         str(len(history)))
        for name, history in sorted(state.aliases.items())
    ]  # fmt: skip
    output.emit_table(("name", "digest", "by", "log", "moves"), rows)
    return 0
