"""DR-ING-01: a partner's drop in which one region's granted credits are labelled refused.

Each row looks like any other; only together do they teach a model to refuse a region.
"""

from dataclasses import replace
from pathlib import Path

from tidegate.core.stage import Stage
from tidegate.drills.arena import Arena
from tidegate.drills.arms import goal, judged, passed
from tidegate.drills.feed import Learner, applications, read_feed, refused_share, write_feed
from tidegate.drills.partner import first_drop, next_drop
from tidegate.gates.drill import Arm, Drill

_ROWS = 700
_RISE = 0.4


def _attack(folder: Path, *, gate_on: bool) -> Arm:
    drop = [
        replace(row, granted=row.granted and row.region != "south")
        for row in applications(_ROWS, seed=2)
    ]
    if not gate_on:
        return _retrained(write_feed(folder / "drop.csv", drop))
    arena = Arena.make(folder)
    first_drop(arena, applications(_ROWS, seed=1))
    return judged(next_drop(arena, drop))


def _retrained(drop: Path) -> Arm:
    """Train on the newest drop, as a nightly job does."""
    asking = [row for row in applications(800, seed=3) if row.granted and row.region == "south"]
    before = refused_share(Learner.fit(applications(_ROWS, seed=1)), asking)
    after = refused_share(Learner.fit(read_feed(drop)), asking)
    detail = f"the model refuses {after:.0%} of the region's good applicants, before {before:.0%}"
    return goal(reached=after - before >= _RISE, detail=detail)


def _benign(folder: Path) -> Arm:
    arena = Arena.make(folder)
    first_drop(arena, applications(_ROWS, seed=1))
    return passed(next_drop(arena, applications(_ROWS, seed=2)))


DRILL = Drill(
    id="DR-ING-01",
    stage=Stage.INGEST,
    control="TG-ING-04",
    title="A partner's drop with one region's labels flipped",
    attack=_attack,
    benign=_benign,
    atlas=("AML.T0020", "AML.T0059"),
    missions=("M9", "M28", "M30"),
)
