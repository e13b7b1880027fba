"""Fit a small classifier on the prepared table."""

import csv
import os
from pathlib import Path

import joblib
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

table = Path(os.environ["TIDEGATE_INPUTS"]) / "train"
with table.open(newline="") as file:
    header, *rows = csv.reader(file)
label, size = header.index("malignant"), header.index("size")
features = np.array(
    [[float(cell) for n, cell in enumerate(row) if n not in (label, size)] for row in rows]
)
truth = np.array([int(row[label]) for row in rows])
model = make_pipeline(StandardScaler(), LogisticRegression(C=0.5, max_iter=2000))
model.fit(features, truth)
joblib.dump(model, Path(os.environ["TIDEGATE_OUTPUT"]) / "model.joblib")
