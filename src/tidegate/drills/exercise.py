"""Run one drill: three arms, each in an empty folder of its own.

An arm that can't be run is said so; it is neither held nor missed.
"""

import logging
import time
from collections.abc import Callable
from pathlib import Path

from tidegate.core.errors import TidegateError
from tidegate.gates.drill import Arm, Drill, End, Exercise

_log = logging.getLogger(__name__)


def exercise(drill: Drill, folder: Path) -> Exercise:
    """Run a drill in this process, below a folder."""
    started = time.monotonic()
    control_arm = _arm(folder / "control", lambda place: drill.attack(place, gate_on=False))
    treatment = _arm(folder / "treatment", lambda place: drill.attack(place, gate_on=True))
    benign = _arm(folder / "benign", drill.benign)
    milliseconds = round((time.monotonic() - started) * 1000)
    done = Exercise(drill.to_json(), control_arm, treatment, benign, milliseconds)
    return done.counted()


def not_run(drill: Drill, why: str, milliseconds: int = 0) -> Exercise:
    """Return the result of a drill that could not be run at all."""
    arm = Arm(End.NOT_RUN, why)
    return Exercise(drill.to_json(), arm, arm, arm, milliseconds)


def _arm(place: Path, run: Callable[[Path], Arm]) -> Arm:
    place.mkdir()
    place.chmod(0o711)  # confined commands of another user pass through
    try:
        return run(place)
    except TidegateError as error:
        _log.info("an arm could not be run: %s", error.code)
        return Arm(End.NOT_RUN, f"{error.code}: {error}")
