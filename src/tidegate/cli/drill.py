"""``tidegate drill``: attack the gates, and see them hold."""

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from tidegate.app.drill import log_exercises
from tidegate.app.workspace import HOME, Workspace
from tidegate.cli import output, session
from tidegate.cli.options import FLAT, Acting, Showing, Texts
from tidegate.core.errors import TidegateError, UsageError, worst_exit_code
from tidegate.drills.catalogue import CATALOGUE, drill_by_id
from tidegate.drills.fleet import run_drills
from tidegate.gates.drill import Drill, Exercise

app = App(name="drill", help="Attack the gates and see them hold.")


@app.command(name="list")
def list_(*, showing: Annotated[Showing, FLAT] = Showing()) -> int:
    """List the attack catalogue.

    JSON: `drills` (`id`, `stage`, `control`, `title`, `atlas`, `missions`).

    Args:
        showing: How the answer is shown.
    """
    rows = [(drill.id, drill.stage.value, drill.control, drill.title) for drill in CATALOGUE]
    facts = {"drills": [drill.to_json() for drill in CATALOGUE]}
    output.emit(showing, facts, output.Table(("id", "stage", "control", "attack"), rows))
    return 0


@app.command
def run(
    ids: Texts = (),
    /,
    *,
    all_: Annotated[bool, Parameter(name="--all", negative=(), show_default=False)] = False,
    jobs: int | None = None,
    acting: Annotated[Acting, FLAT] = Acting(),
) -> int:
    """Perform attacks on throw-away workspaces: gate off, gate on, and the harmless twin.

    In a workspace the results are signed into its log, marked drill; the attacked state never is.

    JSON: one object a drill and line, with `id`, `stage`, `control`, `control_arm`, `treatment`,
    `benign`, `ok`, `seconds`, `detail`.

    Args:
        ids: Which drills.
        all_: Every drill.
        jobs: How many run at once; as many as there are processors by default, at most four.
        acting: Who signs the results, and where; how they are shown.
    """
    chosen = _chosen(ids, everything=all_)
    if jobs is not None and jobs < 1:
        raise UsageError("--jobs is at least 1", slug="jobs")
    workspace = _workspace(acting)
    done = _run(chosen, jobs)
    if acting.as_json:
        for one in done:
            output.emit_line(acting, one.to_json())
    else:
        _tell(acting, done)
    try:
        _log(workspace, done)
    except TidegateError as error:  # the results stand, and are shown
        return worst_exit_code(exit_code(done), output.emit_error(error))
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


def _workspace(signing: Acting) -> Workspace | None:
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


def _tell(acting: Acting, done: list[Exercise]) -> None:
    rows = [
        (one.drill["id"], one.drill["control"], one.control_arm.end, one.treatment.end,
         one.benign.end, _verdict(one), f"{one.milliseconds / 1000:.1f}")
        for one in done
    ]  # fmt: skip
    headers = ("id", "control", "gate off", "gate on", "harmless twin", "", "s")
    failures = [
        [(str(one.drill["id"]), "")]
        + [
            (f"  {arm.end.value}", arm.detail)
            for arm in (one.control_arm, one.treatment, one.benign)
        ]
        for one in done
        if not one.ok
    ]
    held = f"{sum(one.ok for one in done)} of {len(done)} drills hold"
    output.emit(acting, {}, output.Table(headers, rows), held, *failures)


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
