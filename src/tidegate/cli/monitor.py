"""``tidegate monitor``: freeze a reference profile, and compare live windows with it."""

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from tidegate.cli import output, session
from tidegate.cli.options import FLAT, Gating

app = App(name="monitor", help="Compare live traffic with the reference profile.")

_FLAG = Parameter(negative=())


@app.command
def profile(
    data: Path,
    /,
    *,
    output_file: Annotated[Path, Parameter(name="--output")],
    columns: Annotated[tuple[str, ...], Parameter(negative=())] = (),
) -> int:
    """Profile reference data, so that a promotion can freeze it by its digest.

    Args:
        data: A table, such as a validation set with the model's predictions.
        output_file: A new file for the profile.
        columns: A column to watch; may be given several times, all where absent.
    """
    from tidegate.app.monitor import freeze  # noqa: PLC0415 - heavy

    made = freeze(data, output_file, columns)
    rows = [
        ("profile", str(made.digest)),
        ("watches", f"{len(made.columns)} columns over {made.rows} rows"),
        *(("skipped", f"{gap.what}: {gap.why}") for gap in made.skipped),
    ]
    output.emit_text(rows)
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
    restart: Annotated[bool, _FLAG] = False,
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
    deliver(workspace, request, watched)  # after the verdict is shown: it may fail
    return code
