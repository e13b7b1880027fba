"""DR-LOG-02: the store is set back to a copy from before a quarantine.

The copy is whole and rightly signed: nothing in it tells that there was more. A client that
remembers the last head that it saw knows.
"""

from dataclasses import replace
from pathlib import Path

from tidegate.app.workspace import Workspace
from tidegate.core.errors import RollbackError
from tidegate.core.stage import Stage
from tidegate.drills.arena import Arena
from tidegate.drills.arms import goal
from tidegate.drills.ledgers import SUBJECT, approve, copy_store, put_back, quarantine
from tidegate.gates.drill import Arm, Drill, End
from tidegate.logbook.fsck import fsck

_CONTROL = "TG-PLT-01"


def _attack(folder: Path, *, gate_on: bool) -> Arm:
    arena = Arena.make(folder)
    approve(arena.open("ana"))
    copy = copy_store(arena.workspace, folder / "backup.sqlite")
    quarantine(arena.open())
    arena.open().verification()  # the client sees the head
    put_back(arena.workspace, copy)
    if not gate_on:
        return _forgetful(replace(arena.open(), state=None))
    return _remembering(arena.open())


def _forgetful(workspace: Workspace) -> Arm:
    """A reader that only looks at what is there."""
    workspace.verification()
    whole = fsck(workspace.storage).ok
    free = not workspace.directives().is_quarantined(str(SUBJECT))
    detail = "the shorter log is whole and signed, and the model in quarantine is free"
    return goal(reached=whole and free, detail=detail if whole and free else "the log is damaged")


def _remembering(workspace: Workspace) -> Arm:
    try:
        workspace.verification()
    except RollbackError as error:
        return Arm(End.DETECTED, f"{error.code}: {error.problem}", frozenset({_CONTROL}))
    return Arm(End.MISSED, "the client takes the shorter log for the present one")


def _benign(folder: Path) -> Arm:
    """The log grows between two looks."""
    arena = Arena.make(folder)
    approve(arena.open("ana"))
    arena.open().verification()
    quarantine(arena.open())
    arm = _remembering(arena.open())
    held = arena.open().directives().is_quarantined(str(SUBJECT))
    passed = arm.end is End.MISSED and held
    return (
        Arm(End.PASSED, "a longer log continues the one seen")
        if passed
        else (Arm(End.BLOCKED, arm.detail))
    )


DRILL = Drill(
    id="DR-LOG-02",
    stage=Stage.MONITOR,
    control=_CONTROL,
    title="The log set back to before a quarantine",
    attack=_attack,
    benign=_benign,
    atlas=("AML.T0081",),
    missions=("M143",),
)
