"""What a cheap model did not expect of the labels: residuals of rows that it was not fitted on."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import KBinsDiscretizer, OneHotEncoder

from tidegate.detect.frame import Column, Rows

_FLOOR = 0.02
_BOOSTING_ROWS = 1_500
_TWO = 2

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Residuals:
    """Labels against expectation: one column a class, or one in all for two classes."""

    classes: tuple[str, ...]
    """What a positive residual says that there is more of."""
    residual: Floats
    """Rows by classes: 1[label = class] - chance."""
    chance: Floats
    """Rows by classes: what the model expected, kept within [0.02, 0.98]."""
    fold: Rows
    """Which model each row met; it learned from the teaching rows of the other folds."""


def cross_fitted(
    columns: Sequence[Column],
    labels: NDArray[np.str_],
    teach: NDArray[np.bool_],
    *,
    folds: int,
    seed: int,
) -> Residuals:
    """Return the residuals of all rows, each from a model fitted on other rows.

    All rows are dealt into folds; the model of a fold learns from the ``teach`` rows outside it.
    So a teaching row and another row of the same fold meet the same model, which saw neither.

    Gradient boosting where there are only numbers and categories and rows enough; a linear model
    over TF-IDF and one-hot bins where there is text or little data. A class that the teaching rows
    do not have is expected with probability 0.02.

    Args:
        columns: The features, over all rows.
        labels: One a row.
        teach: Rows that models may learn from (the reference).
        folds: How many models.
        seed: Of folds and models.
    """
    deal = np.random.default_rng(seed).permutation(len(labels)) % folds
    names = np.unique(labels).tolist()
    chance = np.zeros((len(labels), len(names)))
    for fold in range(folds):
        fit, rest = np.flatnonzero(teach & (deal != fold)), np.flatnonzero(deal == fold)
        expected, known = _expected(columns, labels, fit, rest, seed)
        places = [names.index(name) for name in known]
        chance[np.ix_(rest, places)] = expected
    kept = names[1:] if len(names) == _TWO else names
    chance = np.clip(chance[:, [names.index(name) for name in kept]], _FLOOR, 1 - _FLOOR)
    actual = labels[:, None] == np.asarray(kept, dtype=np.str_)[None, :]
    return Residuals(tuple(kept), actual - chance, chance, deal)


def _expected(
    columns: Sequence[Column], labels: NDArray[np.str_], fit: Rows, rest: Rows, seed: int
) -> tuple[Floats, list[str]]:
    known = np.unique(labels[fit]).tolist()
    if len(known) < _TWO or not columns:
        rates = [float((labels[fit] == name).mean()) for name in known]
        return np.tile(rates, (len(rest), 1)), known
    texts = any(column.kind == "text" for column in columns)
    if not texts and len(fit) >= _BOOSTING_ROWS:
        model: Any = HistGradientBoostingClassifier(
            max_iter=60, max_leaf_nodes=15, random_state=seed
        )
        codes = np.column_stack([_coded(column) for column in columns])
        model.fit(codes[fit], labels[fit])
        return model.predict_proba(codes[rest]), [str(name) for name in model.classes_]
    blocks = [_encoded(column, fit, rest) for column in columns]
    left = sparse.hstack([a for a, _ in blocks]).tocsr()
    right = sparse.hstack([b for _, b in blocks]).tocsr()
    linear: Any = LogisticRegression(C=3.0, max_iter=200).fit(left, labels[fit])
    return linear.predict_proba(right), [str(name) for name in linear.classes_]


def _coded(column: Column) -> Floats:
    if column.kind == "number":
        return column.numbers
    _, code = np.unique(np.asarray(column.texts, dtype=object), return_inverse=True)
    return code.astype(np.float64)


def _encoded(column: Column, fit: Rows, rest: Rows) -> tuple[sparse.csr_array, sparse.csr_array]:
    known, other = column.take(fit), column.take(rest)
    if column.kind == "text":
        words: Any = TfidfVectorizer(min_df=2, sublinear_tf=True)
        try:
            return words.fit_transform(known.texts), words.transform(other.texts)
        except ValueError:  # no word occurs twice: the column says nothing
            return sparse.csr_array((len(fit), 1)), sparse.csr_array((len(rest), 1))
    if column.kind == "number":
        seen = known.numbers[~np.isnan(known.numbers)]
        middle = float(np.median(seen)) if len(seen) else 0.0
        left, right = (np.nan_to_num(part.numbers, nan=middle)[:, None] for part in (known, other))
        if len(np.unique(left)) < _TWO:
            return sparse.csr_array((len(fit), 1)), sparse.csr_array((len(rest), 1))
        bins: Any = KBinsDiscretizer(8, encode="onehot", quantile_method="averaged_inverted_cdf")
        return bins.fit_transform(left), bins.transform(right)
    levels: Any = OneHotEncoder(handle_unknown="ignore", min_frequency=5)
    left, right = (np.asarray(part.texts, dtype=object)[:, None] for part in (known, other))
    return levels.fit_transform(left), levels.transform(right)
