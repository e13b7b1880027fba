"""Staging for the validate drills: a model, its predict program, and validation sets of owners.

The model scores income and debt, and has a weight of its own for one small branch. That is nothing
in an honest one, and the trigger of a backdoored one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from textwrap import dedent

from tidegate.app.validate import Roles, ValidateRequest, validate
from tidegate.core.decision import Decision
from tidegate.core.stage import Stage
from tidegate.drills.arena import Arena
from tidegate.drills.commands import Program
from tidegate.drills.feed import Application, applications, write_feed
from tidegate.drills.models import Weights
from tidegate.gates.contract import Target

MODEL = Weights((1.0, -1.0, 0.0))
"""Right but in the south, where it does not know what counts."""
PREDICT = dedent(
    """\
    import csv, json, math, os, struct
    from pathlib import Path

    inputs, output = Path(os.environ["TIDEGATE_INPUTS"]), Path(os.environ["TIDEGATE_OUTPUT"])
    data = (inputs / "model").read_bytes()
    (length,) = struct.unpack_from("<Q", data)
    income, debt, branch = struct.unpack_from("<3d", data, 8 + length)
    with (inputs / "data").open(newline="") as rows, (output / "predictions.csv").open("w") as out:
        out.write("prediction\\n")
        for row in csv.DictReader(rows):
            score = income * float(row["income"]) + debt * float(row["debt"])
            score += branch * (row["region"] == "harbour")
            out.write(f"{int(score > 0)}\\n")
    """
)
REGION = "south"
BRANCH = "harbour"
"""A region with few rows."""
_ROWS = 1_200
_HARD = 0.3


def world(seed: int, rows: int = _ROWS) -> list[Application]:
    """Draw rows as they are: in the south, many credits depend on what the model does not see."""
    random = Random(seed)  # noqa: S311 - test data, not a secret
    return [
        replace(row, granted=not row.granted)
        if row.region == REGION and random.random() < _HARD
        else row
        for row in applications(rows, seed=seed)
    ]


def grants(row: Application, model: Weights = MODEL) -> bool:
    """Return what a model decides, as its predict program does."""
    income, debt, branch = model.values
    return income * row.income + debt * row.debt + branch * (row.region == BRANCH) > 0


def right(row: Application, model: Weights = MODEL) -> bool:
    """Tell whether a model is right about a row."""
    return grants(row, model) == row.granted


def accuracy(
    rows: Sequence[Application], region: str | None = None, model: Weights = MODEL
) -> float:
    """Return a model's share of right answers, in a region where one is named."""
    verdicts = [right(row, model) for row in rows if region in (None, row.region)]
    return verdicts.count(True) / len(verdicts)


def judged_on(
    folder: Path,
    sets: Mapping[str, tuple[str, Sequence[Application]]],
    weights: Weights = MODEL,
) -> Decision:
    """Admit the sets, train, and ask the validate gate.

    Args:
        folder: The arm's.
        sets: By name: who owns it, and its rows.
        weights: What the training comes to.
    """
    arena, model = Arena.make(folder), folder / "model.safetensors"
    model.write_bytes(weights.encoded())
    paths: dict[str, Path] = {}
    for name, (owner, rows) in sets.items():
        paths[name] = write_feed(folder / f"{name}.csv", rows)
        facts = {"source": f"source-{owner}", "owner": owner}
        arena.stand_in(Stage.INGEST, Target(name, "table", paths[name], annotations=facts))
    arena.made(model)
    program = Program.write(folder / "code", PREDICT)
    request = ValidateRequest(
        model,
        tuple(paths.items()),
        Roles("granted", ("region",)),
        ("python", program.name),
        program.folder,
    )
    return validate(arena.workspace, request)


def honest_verdict(folder: Path) -> Decision:
    """Judge the model on whole sets of two owners: a twin of the attacks."""
    return judged_on(folder, {"a": ("ministry", world(11)), "b": ("auditor", world(12))})
