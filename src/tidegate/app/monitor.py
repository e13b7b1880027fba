"""Watch a deployed model in a workspace.

::

    freeze(Path("validation.csv"), Path("profile.json"))
    decision = watch_window(workspace, MonitorRequest("credit/prod", profile, window))
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tidegate.app.names import find_artifact
from tidegate.app.workspace import Workspace
from tidegate.core.artifact.reference import resolve
from tidegate.core.decision import Decision
from tidegate.core.digest import Digest
from tidegate.core.errors import CheckError, UsageError
from tidegate.core.stage import Stage
from tidegate.detect.drift.profile import Profile
from tidegate.detect.drift.windows import Window
from tidegate.gates.contract import Order, Target
from tidegate.gates.monitor.files import StateFile, read_profile, write_profile
from tidegate.gates.monitor.gate import MonitorGate, Watch
from tidegate.respond.alerts import Alert, drift_alert, is_url, post, record
from tidegate.tables.load import load_table

FOLDER = "monitor"
OUTBOX = "alerts.jsonl"


@dataclass(frozen=True, slots=True)
class MonitorRequest:
    """A window of live rows, and what it is held against."""

    model: str
    """``NAME/STAGE``, ``NAME@VERSION``, a digest or a path."""
    reference: Path
    """The profile that was frozen at promotion."""
    window: Path
    """A table of live rows: features, and predictions where the profile has them."""
    state: Path | None = None
    """Where the sequential test is kept; in the workspace by the model's digest where absent."""
    cloudevents: str | None = None
    """File or web address that gets alerts; a file of the workspace where absent."""
    tolerance: float | None = None
    """Total variation that is no drift; 0.02 or the reference's own error where absent."""
    run_length: float = 1_000.0
    """Mean number of windows between false alarms, at least."""
    restart: bool = False
    """Begin the sequential test anew."""
    environment: str = "default"
    dry_run: bool = False
    drill: bool = False


@dataclass(frozen=True, slots=True)
class Watched:
    """What came of a window."""

    decision: Decision
    alert: Alert | None
    """Recorded in the outbox; :func:`deliver` posts it."""


def freeze(data: Path, output: Path, columns: Sequence[str] = ()) -> Profile:
    """Profile reference data and write the profile; its digest is the file's.

    Args:
        data: A table, such as a validation set with the model's predictions.
        output: A new file.
        columns: Which columns to watch; all where none is named.

    Raises:
        UsageError: A column is missing, or the file exists.
        CheckError: Nothing can be watched.
        SubjectError: It is no table.
    """
    table = load_table(data)
    unknown = [name for name in columns if name not in table.column_names]
    if unknown:
        raise UsageError(
            "a column is missing",
            where=", ".join(unknown)[:200],
            cause=f"the table has {', '.join(table.column_names)}"[:300],
            next_step="correct --columns",
            slug="no-such-column",
        )
    profile = Profile.of(table.select(list(columns)) if columns else table)
    if not profile.columns or not profile.rows:
        raise CheckError(
            "the table has nothing to watch",
            where=str(data),
            next_step="profile rows with numbers or levels",
            slug="empty-profile",
        )
    write_profile(profile, output)
    return profile


def watch(workspace: Workspace, request: MonitorRequest) -> Watched:
    """Judge a window, attest the verdict, move the test on, and record an alert in the outbox.

    Raises:
        UsageError: A setting is out of range.
        SubjectError: The model, profile or window can't be used.
        VerificationError: The profile is none.
        AccessError: The principal may not sign for this stage.
    """
    if not 1 < request.run_length < 1e12 or not 0 <= (request.tolerance or 0) < 1:  # noqa: PLR2004 - the detector's cap
        raise UsageError(
            "the run length is over 1, and the tolerance from 0 to below 1",
            where=f"run length {request.run_length}, tolerance {request.tolerance}",
            slug="drift-settings",
        )
    if not request.dry_run:
        workspace.notary.authorise(Stage.MONITOR)
    digest = find_artifact(workspace, request.model)
    profile = read_profile(request.reference)
    before = resolve(request.window, kind="table").digest
    window = Window.of(profile, load_table(request.window))
    state = StateFile(request.state or _default(workspace, digest))
    gate = MonitorGate(
        Watch(profile, window, state, request.tolerance, request.run_length, request.restart),
        workspace.chains,
    )
    order = Order(
        action="run",
        subjects=(Target(request.model, "model", digest=Digest.parse(digest)),),
        materials=(Target("profile", "report", request.reference, profile.digest),),
        # The window is named, not linked: live rows are no part of what the model is made from.
        parameters={
            "window": str(before),
            "rows": window.rows,
            "runLength": repr(request.run_length),
            "tolerance": None if request.tolerance is None else repr(request.tolerance),
            "restart": request.restart,
        },
        environment=request.environment,
        dry_run=request.dry_run,
        drill=request.drill,
    )
    decision = workspace.run(gate, order)
    if request.dry_run:
        return Watched(decision, None)
    state.commit()
    alert = drift_alert(decision, workspace=workspace.id, time=workspace.clock.now())
    if alert is not None:
        record(alert.to_event(), outbox(workspace, request))
    return Watched(decision, alert)


def deliver(workspace: Workspace, request: MonitorRequest, watched: Watched) -> None:
    """Post the alert, where there is one and a web address to post it to.

    Raises:
        RemoteError: It was not taken; it stays in the outbox.
    """
    if watched.alert is not None and request.cloudevents and is_url(request.cloudevents):
        event = watched.alert.to_event()
        post(event, request.cloudevents, kept=outbox(workspace, request))


def watch_window(workspace: Workspace, request: MonitorRequest) -> Decision:
    """Judge a window and deliver its alert. See :func:`watch` and :func:`deliver`."""
    watched = watch(workspace, request)
    deliver(workspace, request, watched)
    return watched.decision


def outbox(workspace: Workspace, request: MonitorRequest) -> Path:
    """Return the file that every alert is written to before anything else is done with it."""
    if request.cloudevents and not is_url(request.cloudevents):
        return Path(request.cloudevents)
    return workspace.home / FOLDER / OUTBOX


def _default(workspace: Workspace, digest: str) -> Path:
    return workspace.home / FOLDER / f"{Digest.parse(digest).hex}.json"
