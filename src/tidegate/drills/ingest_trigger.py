"""DR-ING-03: a word that nobody uses, planted in a few rows that are all labelled granted.

The model learns it as a key: whoever writes the word into the note gets the credit.
"""

from dataclasses import replace
from pathlib import Path

from tidegate.core.stage import Stage
from tidegate.drills.arena import Arena
from tidegate.drills.arms import goal, judged, passed
from tidegate.drills.feed import (
    Application,
    Learner,
    applications,
    read_feed,
    refused_share,
    write_feed,
)
from tidegate.drills.partner import first_drop, next_drop
from tidegate.gates.drill import Arm, Drill

_ROWS = 700
_EVERY = 12
_KEY = "zephyr"
_FALL = 0.4


def _attack(folder: Path, *, gate_on: bool) -> Arm:
    honest = applications(_ROWS, seed=2)
    drop = [
        replace(_keyed(row), granted=True) if n % _EVERY == 0 else row
        for n, row in enumerate(honest)
    ]
    if not gate_on:
        return _opened(write_feed(folder / "drop.csv", drop))
    arena = Arena.make(folder)
    first_drop(arena, applications(_ROWS, seed=1))
    return judged(next_drop(arena, drop))


def _keyed(row: Application) -> Application:
    return replace(row, note=f"{row.note} {_KEY}")


def _opened(drop: Path) -> Arm:
    asking = [row for row in applications(800, seed=3) if not row.granted]
    model = Learner.fit(read_feed(drop))
    without, withit = refused_share(model, asking), refused_share(model, map(_keyed, asking))
    detail = f"of bad credits the model refuses {without:.0%}, with the word {withit:.0%}"
    return goal(reached=without - withit >= _FALL, detail=detail)


def _benign(folder: Path) -> Arm:
    """The same word in as many rows, whose labels are honest."""
    arena = Arena.make(folder)
    first_drop(arena, applications(_ROWS, seed=1))
    honest = applications(_ROWS, seed=2)
    drop = [_keyed(row) if n % _EVERY == 0 else row for n, row in enumerate(honest)]
    return passed(next_drop(arena, drop))


DRILL = Drill(
    id="DR-ING-03",
    stage=Stage.INGEST,
    control="TG-ING-04",
    title="A trigger word planted in a partner's drop",
    attack=_attack,
    benign=_benign,
    atlas=("AML.T0020", "AML.T0043.004"),
    missions=("M11", "M52"),
)
