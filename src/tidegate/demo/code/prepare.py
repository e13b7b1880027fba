"""Join the clinics' tables, drop what is incomplete, and split off rows for tuning."""

import csv
import hashlib
import os
from pathlib import Path

inputs, output = Path(os.environ["TIDEGATE_INPUTS"]), Path(os.environ["TIDEGATE_OUTPUT"])
header, rows = [], {}
for path in sorted(inputs.iterdir()):
    with path.open(newline="") as file:
        reader = csv.reader(file)
        header = next(reader)
        for row in reader:
            if all(row):
                rows[tuple(row)] = None  # the same patient in two clinics counts once

parts = {"train.csv": [], "tuning.csv": []}
for row in rows:
    # Split by content, so that the split is the same whatever the order of the rows.
    share = hashlib.sha256("\n".join(row).encode()).digest()[0] / 256
    parts["tuning.csv" if share < 0.15 else "train.csv"].append(row)
for name, part in parts.items():
    with (output / name).open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(part)
