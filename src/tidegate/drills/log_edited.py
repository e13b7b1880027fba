"""DR-LOG-01: whoever can write to the database lets an approval read as another person's.

Two approvals of one person become those of two: a script that counts rows sees what it wants.
"""

import json
from pathlib import Path

from tidegate.app.logbook import check_log, read_log
from tidegate.app.workspace import Workspace
from tidegate.core.errors import LedgerError, VerificationError
from tidegate.core.stage import Stage
from tidegate.drills.arena import STEWARDS, Arena
from tidegate.drills.arms import goal
from tidegate.drills.ledgers import approve, database, rows
from tidegate.gates.drill import Arm, Drill, End

_CONTROL = "TG-PLT-01"
_FORGED = "bo"


def _attack(folder: Path, *, gate_on: bool) -> Arm:
    arena, index = _approved_twice(folder)
    with database(arena.workspace) as opened:
        query = "SELECT entry FROM log_entry WHERE idx = ?"
        entry = json.loads(bytes(opened.execute(query, (index,)).fetchone()[0]))
        forged = json.dumps({**entry, "actor": _FORGED}, separators=(",", ":"), sort_keys=True)
        update = "UPDATE log_entry SET entry = ? WHERE idx = ?"
        opened.execute(update, (forged.encode(), index))
    if not gate_on:
        people = {row["actor"] for row in rows(arena.workspace) if row["kind"] == "directive"}
        detail = f"a reader of rows counts {len(people)} approvers, there was one"
        return goal(reached=len(people) == len(STEWARDS), detail=detail)
    return _read(arena.open())


def _benign(folder: Path) -> Arm:
    arena, _ = _approved_twice(folder)
    arm = _read(arena.open())
    return Arm(End.PASSED if arm.end is End.MISSED else End.BLOCKED, arm.detail)


def _approved_twice(folder: Path) -> tuple[Arena, int]:
    arena = Arena.make(folder)
    first = approve(arena.open(STEWARDS[0]))
    approve(arena.open(STEWARDS[0]))
    return arena, first


def _read(workspace: Workspace) -> Arm:
    """Read the log, entry by entry and as a whole."""
    report = check_log(workspace)
    found = [f"{damage.slug} at {damage.where}" for damage in report.damages]
    try:
        lines = list(read_log(workspace, 0, report.report.entries))
    except (LedgerError, VerificationError) as error:
        found.append(f"reading: {error.code}")
    else:
        found += [f"log {line.index}: {line.state}" for line in lines if line.damaged]
    if found:
        return Arm(End.DETECTED, ", ".join(found), frozenset({_CONTROL}))
    return Arm(End.MISSED, f"{report.report.entries} entries read, nothing found")


DRILL = Drill(
    id="DR-LOG-01",
    stage=Stage.MONITOR,
    control=_CONTROL,
    title="An entry of the log edited in the database",
    attack=_attack,
    benign=_benign,
    atlas=("AML.T0081",),
    missions=("M143",),
)
