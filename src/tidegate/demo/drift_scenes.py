"""The monitor's scenes: calm traffic is left alone, shifted traffic raises an alert."""

import csv
from pathlib import Path

from tidegate.app.monitor import MonitorRequest, Watched, freeze, watch
from tidegate.core.stage import Outcome
from tidegate.demo.cast import Cast
from tidegate.demo.data import LABEL, Sources
from tidegate.demo.data_scenes import said
from tidegate.demo.model_scenes import Trained
from tidegate.demo.narrator import Narrator
from tidegate.demo.release_scenes import ALIAS

_WINDOWS = 3


def freeze_profile(trained: Trained, folder: Path) -> Path:
    """Freeze the reference profile of the prepared table's features."""
    profile = folder / "profile.json"
    with trained.table.open(newline="") as file:
        header = next(csv.reader(file))
    freeze(trained.table, profile, [name for name in header if name != LABEL])
    return profile


def observe(cast: Cast, sources: Sources, profile: Path, folder: Path, narrator: Narrator) -> None:
    """Hold windows of live traffic against the frozen profile."""
    alerts = folder / "alerts.jsonl"
    calm = [_window(cast, part, profile, alerts) for part in _split(sources.calm, folder)]
    narrator.tell(
        f"{_WINDOWS} windows of calm traffic pass",
        said(calm[-1].decision),
        expected=all(item.decision.outcome is Outcome.ALLOW for item in calm),
    )
    shifted = [_window(cast, part, profile, alerts) for part in _split(sources.shifted, folder)]
    alert = next((item.alert for item in shifted if item.alert), None)
    narrator.tell(
        "traffic of a scanner that was calibrated otherwise raises an alert (CloudEvent)",
        f"{said(shifted[-1].decision)}; {alerts.name}: {alert.type if alert else 'no alert'}",
        expected=alert is not None and shifted[-1].decision.outcome is Outcome.DENY,
        attack=True,
    )


def _window(cast: Cast, part: Path, profile: Path, alerts: Path) -> Watched:
    request = MonitorRequest(ALIAS, profile, part, cloudevents=str(alerts))
    return watch(cast.by("omar"), request)


def _split(path: Path, folder: Path) -> list[Path]:
    with path.open(newline="") as file:
        header, *rows = csv.reader(file)
    size = len(rows) // _WINDOWS
    parts = []
    for number in range(_WINDOWS):
        part = folder / f"{path.stem}-{number + 1}.csv"
        with part.open("w", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(header)
            writer.writerows(rows[number * size : (number + 1) * size])
        parts.append(part)
    return parts
