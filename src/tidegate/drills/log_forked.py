"""DR-LOG-03: the log's operator shows two readers two histories.

Each is rightly signed by the log's own key. A witness that both readers ask for signs only one.
"""

import shutil
from dataclasses import replace
from pathlib import Path

from tidegate.app.workspace import Workspace
from tidegate.core.clock import SystemClock
from tidegate.core.errors import ForkError
from tidegate.core.identity.keys import PrivateKey, Scheme
from tidegate.core.identity.trust import Purpose
from tidegate.core.ledger.note import COSIGNATURE, NoteKey, NoteSigner
from tidegate.core.stage import Stage
from tidegate.core.verify import note_keys
from tidegate.drills.arena import Arena
from tidegate.drills.arms import goal
from tidegate.drills.ledgers import SUBJECT, approve, quarantine
from tidegate.gates.drill import Arm, Drill, End
from tidegate.logbook.witness import FileWitnessState, Witness, request_cosignature

_CONTROL = "TG-PLT-01"


def _attack(folder: Path, *, gate_on: bool) -> Arm:
    arena = Arena.make(folder)
    ours, theirs = _forked(arena)
    if not gate_on:
        return _each_alone(ours, theirs)
    witness = _Witnessing(folder / "witness", ours)
    witness.cosign(ours)
    try:
        witness.cosign(theirs)
    except ForkError as error:
        return Arm(End.DETECTED, f"{error.code}: {error.problem}", frozenset({_CONTROL}))
    return Arm(End.MISSED, "the witness signed both histories")


def _forked(arena: Arena) -> tuple[Workspace, Workspace]:
    """Go on from one log in two ways: in quarantine for one reader, approved for the other."""
    approve(arena.open("ana"))
    arena.founded.engine.dispose()
    copy = arena.folder / "other"
    shutil.copytree(arena.founded.root, copy)
    theirs = Workspace.open(copy, environ={"XDG_STATE_HOME": str(arena.folder / "theirs")})
    quarantine(arena.open())
    approve(replace(theirs, act_as="bo"))
    return arena.open(), replace(theirs)


def _each_alone(ours: Workspace, theirs: Workspace) -> Arm:
    """Both readers verify all that they are shown, and never meet."""
    signed = all(one.verification().head.checkpoint.size for one in (ours, theirs))
    said = [one.directives().is_quarantined(str(SUBJECT)) for one in (ours, theirs)]
    detail = f"both heads verify; in quarantine: {said[0]} for one reader, {said[1]} for the other"
    return goal(reached=signed and said == [True, False], detail=detail)


class _Witnessing:
    """A witness beside the log, that knows its key."""

    def __init__(self, folder: Path, log: Workspace) -> None:
        key = PrivateKey.generate(Scheme.ED25519)
        self._key = NoteKey("witness.example", COSIGNATURE, key.verifier.raw)
        self._witness = Witness(
            FileWitnessState(folder),
            NoteSigner(self._key, key.sign),
            SystemClock(),
            {log.origin: note_keys(log.trust, Purpose.LOG)},
        )

    def cosign(self, log: Workspace) -> None:
        """Ask for a cosignature of the present head."""
        request_cosignature(
            self._post, log.log.checkpoint(), log.log.prove_consistency, [self._key]
        )

    def _post(self, body: bytes) -> tuple[int, bytes]:
        answer = self._witness.add_checkpoint(body)
        return answer.status, answer.body


def _benign(folder: Path) -> Arm:
    """One log that grows is cosigned again and again."""
    arena = Arena.make(folder)
    approve(arena.open("ana"))
    witness = _Witnessing(folder / "witness", arena.open())
    try:
        witness.cosign(arena.open())
        quarantine(arena.open())
        witness.cosign(arena.open())
    except ForkError as error:
        return Arm(End.BLOCKED, f"{error.code}: {error.problem}")
    return Arm(End.PASSED, "the witness signed both heads of the growing log")


DRILL = Drill(
    id="DR-LOG-03",
    stage=Stage.MONITOR,
    control=_CONTROL,
    title="Two histories of one log for two readers",
    attack=_attack,
    benign=_benign,
    atlas=("AML.T0081",),
    missions=("M143",),
)
