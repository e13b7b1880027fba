"""DR-MON-01: live traffic moves away from what the model was released for."""

from dataclasses import replace
from pathlib import Path

from tidegate.app.monitor import MonitorRequest, freeze, watch
from tidegate.core.decision import Decision
from tidegate.core.stage import Stage
from tidegate.drills.arena import MODEL, Arena
from tidegate.drills.arms import goal, judged, passed
from tidegate.drills.feed import Application, applications, write_feed
from tidegate.drills.judging import MODEL as WEIGHTS
from tidegate.drills.judging import accuracy
from tidegate.gates.drill import Arm, Drill, End

_ROWS = 600
_SHIFT = 1.2
_LOSS = 0.1
_WATCHED = ("income", "debt", "region")


def _attack(folder: Path, *, gate_on: bool) -> Arm:
    calm = applications(_ROWS, seed=21)
    shifted = list(map(_shifted, calm))
    if not gate_on:
        before, after = accuracy(calm), accuracy(shifted)
        detail = f"nobody is told: right answers fall from {before:.0%} to {after:.0%}"
        return goal(reached=before - after >= _LOSS, detail=detail)
    arm = judged(_watched(folder, shifted))
    return replace(arm, end=End.DETECTED) if arm.end is End.STOPPED else arm


def _shifted(row: Application) -> Application:
    """Report incomes too high, as a broken or a bribed interface does; the truth stays."""
    return replace(row, income=row.income + _SHIFT)


def _benign(folder: Path) -> Arm:
    return passed(_watched(folder, applications(_ROWS, seed=22)))


def _watched(folder: Path, live: list[Application]) -> Decision:
    """Freeze a profile, promote a model with it, and judge a window."""
    arena, model = Arena.make(folder), folder / "model.safetensors"
    model.write_bytes(WEIGHTS.encoded())
    reference = write_feed(folder / "reference.csv", applications(3 * _ROWS, seed=20))
    profile = folder / "profile.json"
    freeze(reference, profile, _WATCHED)
    arena.promoted(model, "1.0.0", profile)
    window = write_feed(folder / "window.csv", live)
    return watch(arena.workspace, MonitorRequest(f"{MODEL}/prod", profile, window)).decision


DRILL = Drill(
    id="DR-MON-01",
    stage=Stage.MONITOR,
    control="TG-MON-01",
    title="Live traffic that left the reference",
    attack=_attack,
    benign=_benign,
    atlas=("AML.T0015", "AML.T0031"),
    missions=("M129", "M130"),
)
