"""The demonstration's data: real measurements that come with scikit-learn, as six sources.

Two clinics deliver training data, two laboratories validation data. A partner delivers a drop whose
labels were flipped, and a feed carries personal data that nobody declared.
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from sklearn.datasets import load_breast_cancer

LABEL = "malignant"
GROUP = "size"
"""Small, middle or large by radius: the subgroups that validation looks at."""
_SMALL, _LARGE = 12.0, 15.0
"""Millimetres; about the thirds of the data."""
_FEATURES = 12
_SEED = 20261122


@dataclass(frozen=True, slots=True)
class Sources:
    """Where the files lie."""

    clinic_a: Path
    clinic_b: Path
    lab_north: Path
    lab_south: Path
    partner: Path
    """A tenth of its rows, the larger tumours, have their label flipped."""
    feed: Path
    """Holds names, addresses and card numbers."""
    calm: Path
    """Live traffic like the training data."""
    shifted: Path
    """Live traffic from a scanner that was calibrated otherwise."""


def write_sources(folder: Path) -> Sources:
    """Write all files; the same bytes each time."""
    folder.mkdir(parents=True, exist_ok=True)
    names, rows = _table()
    random = np.random.default_rng(_SEED)
    rows = rows[random.permutation(len(rows))]
    header = [*names, GROUP, LABEL]
    places = Sources(
        *(folder / f"{name}.csv" for name in (
            "clinic-a", "clinic-b", "lab-north", "lab-south", "partner-drop", "web-feed",
            "traffic-calm", "traffic-shifted",
        ))
    )  # fmt: skip
    parts = np.split(rows, [165, 330, 420, 510])
    for path, part in zip(
        (places.clinic_a, places.clinic_b, places.lab_north, places.lab_south), parts, strict=False
    ):
        _write(path, header, part)
    _write(places.partner, header, _poisoned(_more(rows, 160, random), random))
    _write_feed(places.feed, header, parts[4])
    traffic = _more(rows, 900, random)[:, :-1]
    live = [*names, GROUP]
    _write(places.calm, live, traffic[:450])
    _write(places.shifted, live, traffic[450:] * np.linspace(1.0, 1.35, len(names)))
    return places


def _table() -> tuple[list[str], np.ndarray]:
    data = cast("Any", load_breast_cancer())  # scikit-learn ships no types
    names = [str(name).replace(" ", "_") for name in data.feature_names[:_FEATURES]]
    malignant = 1 - data.target  # scikit-learn counts benign as 1
    return names, np.column_stack([data.data[:, :_FEATURES], malignant])


def _more(rows: np.ndarray, count: int, random: np.random.Generator) -> np.ndarray:
    """Draw further rows: measured ones with a little noise, as a second measurement has it."""
    drawn = rows[random.integers(0, len(rows), count)].copy()
    noise = random.normal(0, 0.02, (count, rows.shape[1] - 1))
    drawn[:, :-1] *= 1 + noise
    return drawn


def _poisoned(rows: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Call two thirds of the malignant tumours benign."""
    sick = np.flatnonzero(rows[:, -1] == 1)
    flipped = random.choice(sick, size=2 * len(sick) // 3, replace=False)
    rows[flipped, -1] = 0
    return rows


def _write_feed(path: Path, header: Sequence[str], rows: np.ndarray) -> None:
    people = ("Ada Novak", "Ben Osei", "Cleo Marsh", "Dag Lindt", "Eva Roth", "Finn Abara")
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["patient", "email", "card", *header])
        for number, row in enumerate(rows):
            person = people[number % len(people)]
            mail = f"{person.split()[0].lower()}.{number}@example.org"
            writer.writerow([person, mail, _card(number), *_cells(row, label=True)])


def _card(number: int) -> str:
    """Return a test card number with a right check digit (ISO/IEC 7812, Luhn)."""
    body = f"400000{number * 7919 % 10**9:09d}"
    total = 0
    for place, digit in enumerate(reversed(body)):
        value = int(digit) * (2 if place % 2 == 0 else 1)
        total += value - 9 if value > 9 else value  # noqa: PLR2004 - two digits of a product
    return f"{body}{-total % 10}"


def _write(path: Path, header: Sequence[str], rows: np.ndarray) -> None:
    labelled = header[-1] == LABEL
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(_cells(row, label=labelled) for row in rows)


def _cells(row: np.ndarray, *, label: bool) -> list[str]:
    numbers = row[:-1] if label else row
    size = "small" if row[0] < _SMALL else "large" if row[0] >= _LARGE else "middle"
    cells = [*(f"{value:.5g}" for value in numbers), size]
    return [*cells, str(int(row[-1]))] if label else cells
