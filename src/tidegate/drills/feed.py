"""Synthetic credit applications, and a learner small enough to read: what data drills train on.

>>> rows = applications(400, seed=1)
>>> model = Learner.fit(rows)
>>> 0.8 < sum(model.grants(row) == row.granted for row in rows) / 400
True
"""

import csv
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Self

COLUMNS = ("income", "debt", "region", "note", "granted")
_WORDS = (
    "renovation", "car", "wedding", "studies", "kitchen", "boat", "garden", "roof", "moving",
    "medical", "travel", "tools", "solar", "furniture", "laptop", "bakery",
)  # fmt: skip
_STEPS = 150
_RATE = 2.0


@dataclass(frozen=True, slots=True)
class Application:
    """One row of a feed."""

    income: float
    debt: float
    region: str
    note: str
    granted: bool

    @property
    def features(self) -> dict[str, float]:
        """What the learner looks at: numbers, the region, each word of the note."""
        words = {f"word {word}": 1.0 for word in self.note.split()}
        region = {f"region {self.region}": 1.0}
        return {"": 1.0, "income": self.income, "debt": self.debt, **region, **words}

    @property
    def cells(self) -> tuple[str, ...]:
        """The row as it is written."""
        numbers = f"{self.income:.4f}", f"{self.debt:.4f}"
        return (*numbers, self.region, self.note, str(int(self.granted)))


def applications(count: int, *, seed: int) -> list[Application]:
    """Draw honest rows: who earns more than they owe is mostly granted."""
    random = Random(seed)  # noqa: S311 - test data, not a secret
    rows = []
    for _ in range(count):
        income, debt = random.gauss(0, 1), random.gauss(0, 1)
        region = random.choice(("north", "north", "north", "south"))
        note = " ".join(random.sample(_WORDS, 3))
        rows.append(
            Application(income, debt, region, note, income - debt + random.gauss(0, 0.5) > 0)
        )
    return rows


def write_feed(path: Path, rows: Iterable[Application]) -> Path:
    """Write rows as CSV."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(row.cells for row in rows)
    return path


def read_feed(path: Path) -> list[Application]:
    """Read rows as a pipeline without gates does: whatever is there."""
    with path.open(newline="", encoding="utf-8") as file:
        return [
            Application(
                float(row["income"]),
                float(row["debt"]),
                row["region"],
                row["note"],
                row["granted"] == "1",
            )
            for row in csv.DictReader(file)
        ]


@dataclass(frozen=True, slots=True)
class Learner:
    """Logistic regression by plain gradient descent."""

    weights: dict[str, float]

    @classmethod
    def fit(cls, rows: Sequence[Application]) -> Self:
        """Learn from rows."""
        table = [(row.features, float(row.granted)) for row in rows]
        weights = dict.fromkeys({name for features, _ in table for name in features}, 0.0)
        for _ in range(_STEPS):
            slope = dict.fromkeys(weights, 0.0)
            for features, truth in table:
                error = _chance(weights, features) - truth
                for name, value in features.items():
                    slope[name] += error * value
            for name, value in slope.items():
                weights[name] -= _RATE * value / len(table)
        return cls(weights)

    def grants(self, row: Application) -> bool:
        """Return what it decides."""
        return _chance(self.weights, row.features) > 0.5  # noqa: PLR2004 - more likely than not


def _chance(weights: dict[str, float], features: dict[str, float]) -> float:
    total = sum(weights.get(name, 0.0) * value for name, value in features.items())
    return 1 / (1 + math.exp(-max(-30.0, min(30.0, total))))


def refused_share(model: Learner, rows: Iterable[Application]) -> float:
    """Return the share of rows that a model refuses."""
    verdicts = [model.grants(row) for row in rows]
    return verdicts.count(False) / len(verdicts)
