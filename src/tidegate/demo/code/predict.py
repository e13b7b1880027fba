"""Predict for each row of a table without labels."""

import csv
import os
from pathlib import Path

import joblib
import numpy as np

inputs = Path(os.environ["TIDEGATE_INPUTS"])
model = joblib.load(inputs / "model")
with (inputs / "data").open(newline="") as file:
    header, *rows = csv.reader(file)
size = header.index("size")
features = np.array([[float(cell) for n, cell in enumerate(row) if n != size] for row in rows])
scores = model.predict_proba(features)[:, 1]
with (Path(os.environ["TIDEGATE_OUTPUT"]) / "predictions.csv").open("w", newline="") as file:
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["prediction", "score"])
    writer.writerows([int(score > 0.5), f"{score:.6f}"] for score in scores)
