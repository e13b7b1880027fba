"""Backdoors with an input patch, without data: the strongest linear path from an input to a class.

In a chain of dense layers the product of the weight matrices tells how strongly each input would
reach each class if every unit let it through. A patch that was trained to force a class leaves one
class with an input far stronger than the others'. Statistic: over classes, the robust z-score
(median and MAD) of the largest entry of its row; the largest of them is the indicator. It sees
triggers that sit on inputs of a network of dense layers, and no others.

>>> import numpy as np
>>> rng = np.random.default_rng(0)
>>> layers = [rng.normal(size=(16, 32)), rng.normal(size=(10, 16))]
>>> score = linear_path(layers).score
>>> layers[0][:, 5] += 6 * layers[1][3]
>>> linear_path(layers).score > score, linear_path(layers).target
(True, 3)
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.floating[Any]]
_MAD: Final = 1.4826
MIN_CLASSES: Final = 3


@dataclass(frozen=True, slots=True)
class PathScore:
    """The class that stands out, and by how much."""

    score: float
    """Robust z-score of the strongest class."""
    target: int
    """That class."""
    inputs: tuple[int, ...]
    """The inputs that reach it most, strongest first."""


def linear_path(layers: Sequence[Matrix]) -> PathScore:
    """Score a chain of dense layers, from the input's to the classes' (each outputs by inputs).

    Raises:
        ValueError: The shapes don't chain, or there are fewer than three classes.
    """
    if any(after.shape[1] != before.shape[0] for before, after in pairwise(layers)):
        raise ValueError("the layers do not follow one another")
    product = reduce(lambda inner, outer: outer @ inner, [np.asarray(one, float) for one in layers])
    if product.shape[0] < MIN_CLASSES:
        raise ValueError(f"fewer than {MIN_CLASSES} classes")
    strongest = product.max(axis=1)
    middle = np.median(strongest)
    spread = _MAD * np.median(np.abs(strongest - middle)) + 1e-12
    scores = (strongest - middle) / spread
    target = int(scores.argmax())
    order = np.argsort(product[target])[::-1][:5]
    return PathScore(float(scores[target]), target, tuple(int(at) for at in order))


def chains(tensors: Iterable[tuple[str, Matrix]]) -> list[tuple[str, ...]]:
    """Return the names of dense layers that follow one another, in the order they are given.

    Only two-dimensional weights count; a chain of one layer is none.
    """
    found: list[list[tuple[str, Matrix]]] = []
    for name, matrix in tensors:
        if matrix.ndim != 2 or not name.endswith(("weight", "kernel", "w")):  # noqa: PLR2004 - a matrix
            continue
        last = found[-1][-1][1] if found else None
        if last is not None and matrix.shape[1] == last.shape[0]:
            found[-1].append((name, matrix))
        else:
            found.append([(name, matrix)])
    return [tuple(name for name, _ in chain) for chain in found if len(chain) > 1]
