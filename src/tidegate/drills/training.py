"""The training that drills attack: how often each region is granted, as a model in JSON."""

import json
from dataclasses import replace
from pathlib import Path
from textwrap import dedent

from tidegate.drills.feed import Application, applications, write_feed

TRAIN = dedent(
    """\
    import csv, json, os
    from pathlib import Path

    granted = {}
    with (Path(os.environ["TIDEGATE_INPUTS"]) / "train").open(newline="") as file:
        for row in csv.DictReader(file):
            granted.setdefault(row["region"], []).append(int(row["granted"]))
    model = {region: sum(seen) / len(seen) for region, seen in granted.items()}
    (Path(os.environ["TIDEGATE_OUTPUT"]) / "model.json").write_text(json.dumps(model))
    """
)
REGION = "south"
_ROWS = 400


def honest_rows(path: Path) -> Path:
    """Write a training table."""
    return write_feed(path, applications(_ROWS, seed=1))


def tampered_rows(path: Path) -> Path:
    """Write the same table with one region's labels turned to refused."""
    return write_feed(path, map(_refused, applications(_ROWS, seed=1)))


def other_rows(path: Path) -> Path:
    """Write a raw table that the training table is said to be made from."""
    return write_feed(path, applications(_ROWS, seed=9))


def rate(model: Path) -> float:
    """Return how often a model grants in the region that the tampering is about."""
    return float(json.loads(model.read_text("utf-8"))[REGION])


def _refused(row: Application) -> Application:
    return replace(row, granted=row.granted and row.region != REGION)
