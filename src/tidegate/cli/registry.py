"""``tidegate registry``: scan, sign, admit, promote and roll back models."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

from cyclopts import App

from tidegate.app.bom import ModelCard
from tidegate.app.hub import take_snapshot
from tidegate.app.registry import (
    Admission,
    Promotion,
    admit_model,
    promote_model,
    rolled_back,
)
from tidegate.app.release import publish_summary, write_proved
from tidegate.app.rescan import rescan
from tidegate.app.workspace import Workspace
from tidegate.cli import acts, output, session
from tidegate.cli.options import FLAT, Acting, Flag, Gating, Reading, Reason, Texts
from tidegate.core.errors import UsageError, worst_exit_code
from tidegate.gates.registry.origin import Origin
from tidegate.interop.hub import is_snapshot

app = App(name="registry", help="Scan, sign, admit and promote models.")
app.command("tidegate.cli.registry_asking:who_uses", name="who-uses")
app.command("tidegate.cli.registry_asking:show", name="show")
app.command("tidegate.cli.registry_prune:prune", name="prune")


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
    use: Texts = (),
    limitation: Texts = (),
    url: str | None = None,
    spdx: Flag = False,
    into: Path | None = None,
    options: Annotated[Gating, FLAT] = Gating(),
) -> int:
    """Scan a model without running it, sign it, write its bill of materials, and admit it.

    Args:
        path: The model file or folder; or a snapshot in a Hugging Face cache
            (models--OWNER--NAME/snapshots/COMMIT), with --into.
        name: The model's name.
        version: Its version; never to be given to other bytes.
        owner: Who answers for it.
        licence: SPDX expression.
        task: classification, regression…
        architecture: Such as LogisticRegression.
        use: An intended use; may be given several times.
        limitation: A known limitation; may be given several times.
        url: Where the model can be had, for its bill of materials.
        spdx: Write the bill of materials in SPDX 3.0.1, too.
        into: A new folder for the files of a snapshot, which is then admitted.
        options: Who acts, and how the result is shown.
    """
    card = ModelCard(owner, licence, task, architecture, use, limitation, url)
    workspace = session.acting(options)
    with _laid_out(workspace, path, into, dry_run=options.dry_run) as (model, origin):
        admission = Admission(
            model, name, version, card, spdx=spdx, origin=origin, dry_run=options.dry_run
        )
        decision = admit_model(workspace, admission)
    return output.emit_decision(decision, options)


@contextmanager
def _laid_out(
    workspace: Workspace, path: Path, target: Path | None, *, dry_run: bool
) -> Generator[tuple[Path, Origin | None]]:
    """Give a snapshot's files and origin; what is tried leaves no file behind."""
    if not is_snapshot(path):
        if target is not None:
            raise UsageError(
                "only a snapshot of a hub's cache is laid out",
                where=str(path),
                next_step="name models--OWNER--NAME/snapshots/COMMIT, or leave --into away",
                slug="no-snapshot",
            )
        yield path, None
        return
    if not dry_run:
        yield take_snapshot(workspace, path, target)
        return
    with TemporaryDirectory(prefix="tidegate-snapshot-") as place:
        yield take_snapshot(workspace, path, Path(place, "files"))


@app.command
def promote(
    version: str,
    /,
    *,
    stage: str,
    model: Path,
    profile: Path | None = None,
    release: Path | None = None,
    resource: str | None = None,
    options: Annotated[Gating, FLAT] = Gating(),
) -> int:
    """Promote an admitted version to a stage; wants the whole chain and two other people's yes.

    Args:
        version: NAME@VERSION.
        stage: The stage: prod, staging…
        model: Where the model lies, so that its signature is checked again.
        profile: The reference profile for monitoring, which is frozen with the promotion.
        release: Write the verdict with its proof here, for the gateway and the admission webhook.
        resource: The URI that its consumer uses, such as s3://models/credit; for --release.
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
    workspace = session.acting(options)
    decision = promote_model(workspace, promotion)
    if release is not None and not options.dry_run:
        receipt = publish_summary(workspace, decision, f"{name}/{stage}", resource=resource)
        write_proved(workspace, receipt.index, release)
    return output.emit_decision(decision, options)


@app.command
def rollback(
    name: str,
    /,
    *,
    to: str,
    reason: Reason,
    acting: Annotated[Acting, FLAT] = Acting(),
) -> int:
    """Let a stage's name mean an earlier version again.

    JSON: `act`, `index`, `envelope`, `dryRun`; `name`, `version`, which it means from then on.

    Args:
        name: NAME/STAGE.
        to: The version that it meant before.
        reason: Why, for the record.
        acting: Who signs, and how the answer is shown.
    """
    workspace = session.acting(acting)
    act = rolled_back(workspace, name, to, reason)
    receipt = acts.append(workspace, act, acting)
    facts = {"name": name, "version": to}
    means = [] if receipt is None else [f"{name} means version {to} again"]
    return acts.tell(acting, act, receipt, facts, *means)


@app.command(name="rescan")
def rescan_(
    paths: tuple[Path, ...],
    /,
    *,
    acting: Annotated[Acting, FLAT] = Acting(),
) -> int:
    """Scan admitted models again, with today's engine, packs and approvals, and say what changed.

    Each result is appended as a test result. What was decided stays decided: hold a model with
    `tidegate quarantine add`. Exits with 1 where one has findings of medium severity or more, 4
    where one could not be examined in full.

    JSON: `models` (`name`, `digest`, `path`, `outcome`, `new`, `gone`, `index`); `elsewhere`
    (`name`, `digest`), versions whose files are in none of the paths.

    Args:
        paths: Admitted models, or a folder that holds them; told by their digest.
        acting: Who signs, and how the answer is shown.
    """
    found = rescan(session.acting(acting), paths, dry_run=acting.dry_run)
    models = [
        {
            "name": item.name,
            "digest": item.digest,
            "path": str(item.path),
            "outcome": item.outcome.value,
            "new": list(item.new),
            "gone": list(item.gone),
            "index": item.index,
        }
        for item in found.done
    ]
    shown: list[tuple[str, str]] = []
    for item in found.done:
        place = "dry run" if item.index is None else f"log {item.index}"
        shown.append((item.outcome.value, f"{item.name} {item.digest[:19]}, {place}"))
        shown += [("new", finding) for finding in item.new]
        shown += [("gone", finding) for finding in item.gone]
    shown += [("not here", f"{n} {d[:19]}: in none of the paths") for n, d in found.elsewhere]
    elsewhere = [{"name": name, "digest": digest} for name, digest in found.elsewhere]
    output.emit(acting, {"models": models, "elsewhere": elsewhere}, shown)
    return worst_exit_code(*(item.outcome.exit_code for item in found.done))


@app.command(name="list")
def list_(*, reading: Annotated[Reading, FLAT] = Reading()) -> int:
    """List versions and stages, and what they mean.

    JSON: `names` (`name`, `digest`, `principal`, `index`, `moves`).

    Args:
        reading: Where the workspace is, and how the answer is shown.
    """
    names = [
        {
            "name": name,
            "digest": history[-1].digest,
            "principal": history[-1].act.principal,
            "index": history[-1].act.index,
            "moves": len(history),
        }
        for name, history in sorted(session.reading(reading).directives().aliases.items())
    ]
    rows = [[str(value)[:19] if key == "digest" else value for key, value in one.items()]
            for one in names]  # fmt: skip
    nothing = "no version is admitted: tidegate registry admit PATH --name NAME --version VERSION"
    table = output.Table(("name", "digest", "by", "log", "moves"), rows, nothing)
    output.emit(reading, {"names": names}, table)
    return 0
