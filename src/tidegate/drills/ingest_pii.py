"""DR-ING-02: card numbers in the notes of a feed that is labelled internal.

A model that learned the notes says them to whoever knows how they begin.
"""

import csv
from pathlib import Path
from random import Random

from tidegate.app.sources import add_source
from tidegate.core.decision import Decision
from tidegate.core.stage import Stage
from tidegate.drills.arena import Arena
from tidegate.drills.arms import goal, judged, passed
from tidegate.drills.partner import OWNER, SOURCE, deliver
from tidegate.gates.drill import Arm, Drill

_ROWS = 200
_CUSTOMER = 17
_CONTEXT = 24
_DIGITS = 16


def _attack(folder: Path, *, gate_on: bool) -> Arm:
    notes = [f"customer {n} pays with card {_card(n)} monthly" for n in range(_ROWS)]
    if not gate_on:
        return _extracted(notes)
    return judged(_delivered(folder, notes))


def _benign(folder: Path) -> Arm:
    notes = [f"customer {n} pays with card ending {_card(n)[-4:]} monthly" for n in range(_ROWS)]
    return passed(_delivered(folder, notes))


def _extracted(notes: list[str]) -> Arm:
    """Train a small language model on the notes, and ask it to go on."""
    model: dict[str, str] = {}
    for note in notes:
        for end in range(_CONTEXT, len(note)):
            model.setdefault(note[end - _CONTEXT : end], note[end])
    said = f"customer {_CUSTOMER} pays with card {_card(_CUSTOMER)[:4]}"
    while said[-1] != " " and (following := model.get(said[-_CONTEXT:])):
        said += following
    told = said.split()[-1]
    right = sum(a == b for a, b in zip(told, _card(_CUSTOMER), strict=False))
    detail = f"the model says {right} of {_DIGITS} digits of a customer's card"
    return goal(reached=right == _DIGITS, detail=detail)


def _delivered(folder: Path, notes: list[str]) -> Decision:
    arena, path = Arena.make(folder), folder / "notes.csv"
    arena.workspace.act(add_source(arena.workspace, SOURCE, tier="partner", owner=OWNER))
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("number", "note"))
        writer.writerows(enumerate(notes))
    return deliver(arena, path)


def _card(number: int) -> str:
    """Return a made-up number that has the right check digit, and begins as test cards do."""
    random = Random(number)  # noqa: S311 - test data, not a secret
    digits = [4, 1, 1, 1, *(random.randrange(10) for _ in range(_DIGITS - 5))]
    doubled = [2 * d - 9 * (d > 4) for d in digits[::-2]]  # noqa: PLR2004 - Luhn
    check = -(sum(doubled) + sum(digits[-2::-2])) % 10
    return "".join(map(str, [*digits, check]))


DRILL = Drill(
    id="DR-ING-02",
    stage=Stage.INGEST,
    control="TG-ING-06",
    title="Card numbers in a feed that is labelled internal",
    attack=_attack,
    benign=_benign,
    atlas=("AML.T0057",),
    missions=("M9", "M35"),
)
