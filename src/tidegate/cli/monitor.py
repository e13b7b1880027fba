"""``tidegate monitor``: freeze a reference profile, and compare live windows with it."""

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from tidegate.cli import output, session
from tidegate.cli.options import FLAT, Flag, Gating, Showing, Texts
from tidegate.core.errors import RemoteError, worst_exit_code

app = App(name="monitor", help="Compare live traffic with the reference profile.")


@app.command
def profile(
    data: Path,
    /,
    *,
    output_file: Annotated[Path, Parameter(name="--output")],
    columns: Texts = (),
    showing: Annotated[Showing, FLAT] = Showing(),
) -> int:
    """Profile reference data, so that a promotion can freeze it by its digest.

    JSON: `file`, `digest`, `rows`, `columns`, their names; `skipped` (`what`, `why`).

    Args:
        data: A table, such as a validation set with the model's predictions.
        output_file: A new file for the profile.
        columns: A column to watch; may be given several times, all where absent.
        showing: How the answer is shown.
    """
    from tidegate.app.monitor import freeze  # noqa: PLC0415 - heavy

    made = freeze(data, output_file, columns)
    rows = [
        ("profile", str(made.digest)),
        ("watches", f"{len(made.columns)} columns over {made.rows} rows"),
        *(("skipped", f"{gap.what}: {gap.why}") for gap in made.skipped),
    ]
    facts = {
        "file": str(output_file),
        "digest": str(made.digest),
        "rows": made.rows,
        "columns": [column.name for column in made.columns],
        "skipped": [{"what": gap.what, "why": gap.why} for gap in made.skipped],
    }
    output.emit(showing, facts, rows)
    return 0


@app.command
def run(
    *,
    model: str,
    reference: Path,
    window: Path,
    state: Path | None = None,
    cloudevents: str | None = None,
    tolerance: float | None = None,
    run_length: float = 1_000.0,
    restart: Flag = False,
    gating: Annotated[Gating, FLAT] = Gating(),
) -> int:
    """Hold a window of live rows against the profile that was frozen at promotion.

    Args:
        model: The deployed model: NAME/STAGE, NAME@VERSION or a digest.
        reference: The profile.
        window: A table of live rows.
        state: Where the sequential test is kept; in the workspace where absent.
        cloudevents: File or web address for alerts; a file of the workspace where absent.
        tolerance: Total variation that is no drift, from 0 to below 1.
        run_length: Mean number of windows between false alarms, at least.
        restart: Begin the sequential test anew, after an alarm was handled.
        gating: Who signs, and how the result is shown.
    """
    from tidegate.app.monitor import MonitorRequest, deliver, watch  # noqa: PLC0415 - heavy

    workspace = session.acting(gating)
    request = MonitorRequest(
        model=model,
        reference=reference,
        window=window,
        state=state,
        cloudevents=cloudevents,
        tolerance=tolerance,
        run_length=run_length,
        restart=restart,
        dry_run=gating.dry_run,
    )
    watched = watch(workspace, request)
    code = output.emit_decision(watched.decision, gating)
    try:
        deliver(workspace, request, watched)
    except RemoteError as error:  # the verdict stands, and is shown: it is the one answer
        return worst_exit_code(code, output.emit_error(error))
    return code
