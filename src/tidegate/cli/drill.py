"""``tidegate drill``: attack the gates, and see them hold."""

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from tidegate.app.drill import log_exercises
from tidegate.app.workspace import HOME, Workspace
from tidegate.cli import output, session
from tidegate.cli.options import FLAT, Signing
from tidegate.cli.output import Shape
from tidegate.core.errors import UsageError
from tidegate.drills.catalogue import CATALOGUE, drill_by_id
from tidegate.drills.fleet import run_drills
from tidegate.gates.drill import Drill, Exercise
from tidegate.report.json import dump

app = App(name="drill", help="Attack the gates and see them hold.")


@app.command(name="list")
def list_(*, format: Shape = Shape.TEXT) -> int:  # noqa: A002 - the flag's name
    """List the attack catalogue.

    Args:
        format: How to write it.
    """
    if format is Shape.JSON:
        output.emit_json([drill.to_json() for drill in CATALOGUE])
        return 0
    rows = ((drill.id, drill.stage.value, drill.control, drill.title) for drill in CATALOGUE)
    output.emit_table(("id", "stage", "control", "attack"), rows)
    return 0


@app.command
def run(
    ids: Annotated[tuple[str, ...], Parameter(negative=())] = (),
    /,
    *,
    all_: Annotated[bool, Parameter(name="--all", negative=())] = False,
    format: Shape = Shape.TEXT,  # noqa: A002 - the flag's name
    jobs: int | None = None,
    signing: Annotated[Signing, FLAT] = Signing(),
) -> int:
    """Perform attacks on throw-away workspaces: gate off, gate on, and the harmless twin.

    In a workspace the results are signed into its log, marked drill; the attacked state never is.

    Args:
        ids: Which drills.
        all_: Every drill.
        format: A table, or one JSON object a drill and line.
        jobs: How many run at once; as many as there are processors by default, at most four.
        signing: Who signs the results, and where.
    """
    chosen = _chosen(ids, everything=all_)
    if jobs is not None and jobs < 1:
        raise UsageError("--jobs is at least 1", slug="jobs")
    workspace = _workspace(signing)
    done = _run(chosen, jobs)
    if format is Shape.JSON:
        output.write("".join(dump(one.to_json()) + "\n" for one in done))
    else:
        _table(done)
    _log(workspace, done)
    return exit_code(done)


def _chosen(ids: tuple[str, ...], *, everything: bool) -> tuple[Drill, ...]:
    if everything and ids:
        raise UsageError("either drills or --all", slug="drills")
    if not everything and not ids:
        raise UsageError(
            "no drill is named",
            next_step="name some of `tidegate drill list`, or --all",
            slug="drills",
        )
    return CATALOGUE if everything else tuple(dict.fromkeys(map(drill_by_id, ids)))


def _workspace(signing: Signing) -> Workspace | None:
    """Open the workspace that is to log the results, its key checked before anything runs."""
    if signing.dry_run:
        return None
    if signing.workspace == Path() and not (signing.workspace / HOME).is_dir():
        return None
    workspace = session.acting(signing)
    _ = workspace.notary
    return workspace


def _run(chosen: tuple[Drill, ...], jobs: int | None) -> list[Exercise]:
    found: dict[str, Exercise] = {}
    with output.progress("drills", len(chosen)) as steps:
        for done in run_drills(chosen, at_once=jobs, tell=steps.say):
            found[str(done.drill["id"])] = done
            steps.advance()
    return [found[drill.id] for drill in chosen]


def _table(done: list[Exercise]) -> None:
    rows = [
        (one.drill["id"], one.drill["control"], one.control_arm.end, one.treatment.end,
         one.benign.end, _verdict(one), f"{one.milliseconds / 1000:.1f}")
        for one in done
    ]  # fmt: skip
    headers = ("id", "control", "gate off", "gate on", "harmless twin", "", "s")
    output.emit_table(headers, rows)
    held = sum(one.ok for one in done)
    output.write(f"{held} of {len(done)} drills hold\n")
    for one in done:
        if not one.ok:
            details = (one.control_arm, one.treatment, one.benign)
            output.emit_text(
                [(str(one.drill["id"]), "")]
                + [(f"  {arm.end.value}", arm.detail) for arm in details]
            )


def _verdict(one: Exercise) -> str:
    if one.ok:
        return "ok"
    return "FAILS" if one.ran else "not run"


def _log(workspace: Workspace | None, done: list[Exercise]) -> None:
    if workspace is None:
        output.notice("the results were not logged: no workspace (-C), or a dry run")
        return
    indices = log_exercises(workspace, done)
    where = f"log {indices[0]}" if len(indices) == 1 else f"log {indices[0]} to {indices[-1]}"
    output.notice(f"the results are signed and logged, marked drill: {where}")


def exit_code(done: list[Exercise]) -> int:
    """Return 1 where a drill does not hold, else 4 where one could not be run, else 0."""
    if any(one.ran and not one.ok for one in done):
        return 1
    return 0 if all(one.ok for one in done) else 4
