"""DR-PRE-01: a split whose validation rows are also in the training set.

The model knows the answers by heart: a score that should be near chance looks excellent.
"""

import csv
from pathlib import Path
from random import Random
from textwrap import dedent

from tidegate.app.prepare import PrepareRequest, prepare
from tidegate.core.decision import Decision
from tidegate.core.stage import Stage
from tidegate.drills.arena import Arena
from tidegate.drills.arms import goal, judged, passed
from tidegate.drills.commands import Program
from tidegate.gates.drill import Arm, Drill

_SPLIT = dedent(
    """\
    import os
    from pathlib import Path

    source = Path(os.environ["TIDEGATE_INPUTS"]) / "rows"
    output = Path(os.environ["TIDEGATE_OUTPUT"])
    header, *rows = source.read_text().splitlines()
    cut = len(rows) * 3 // 4
    train = rows[:cut] {leak}
    for name, part in (("train.csv", train), ("valid.csv", rows[cut:])):
        (output / name).write_text("\\n".join([header, *part]) + "\\n")
    """
)
_HONEST, _LEAKY = _SPLIT.format(leak=""), _SPLIT.format(leak="+ rows[cut:]")
_ROWS = 240
_GAIN = 0.3

Row = tuple[float, float, int]


def _attack(folder: Path, *, gate_on: bool) -> Arm:
    if not gate_on:
        leaky, honest = (
            _score(folder / name, Program.write(folder / f"{name}-code", text))
            for name, text in (("leaky", _LEAKY), ("honest", _HONEST))
        )
        detail = f"the report says {leaky:.0%} right, an honest split {honest:.0%}"
        return goal(reached=leaky - honest >= _GAIN, detail=detail)
    return judged(_prepared(folder, _LEAKY))


def _benign(folder: Path) -> Arm:
    return passed(_prepared(folder, _HONEST))


def _score(output: Path, program: Program) -> float:
    """Run the split without a gate, and score the nearest neighbour on its validation set."""
    program.run_plainly({"rows": _noise(output.with_suffix(".csv"))}, output)
    train, valid = _read(output / "train.csv"), _read(output / "valid.csv")
    right = sum(min(train, key=lambda known: _apart(known, row))[2] == row[2] for row in valid)
    return right / len(valid)


def _prepared(folder: Path, text: str) -> Decision:
    arena, source = Arena.make(folder), _noise(folder / "rows.csv")
    arena.admitted("rows", source)
    program = Program.write(folder / "code", text)
    request = PrepareRequest(
        program.request({"rows": source}, folder / "out"), ("train.csv",), ("valid.csv",)
    )
    return prepare(arena.workspace, request).decision


def _noise(path: Path) -> Path:
    """Write labels that nothing predicts: an honest score is near one half."""
    random = Random(5)  # noqa: S311 - test data, not a secret
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("x", "y", "label"))
        for _ in range(_ROWS):
            writer.writerow(
                (f"{random.random():.9f}", f"{random.random():.9f}", random.randrange(2))
            )
    return path


def _read(path: Path) -> list[Row]:
    with path.open(newline="", encoding="utf-8") as file:
        return [(float(r["x"]), float(r["y"]), int(r["label"])) for r in csv.DictReader(file)]


def _apart(a: Row, b: Row) -> float:
    return (a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2


DRILL = Drill(
    id="DR-PRE-01",
    stage=Stage.PREPARE,
    control="TG-PRE-05",
    title="Validation rows leaked into the training set",
    attack=_attack,
    benign=_benign,
    atlas=("AML.T0020", "AML.T0059"),
    missions=("M57",),
)
