"""Two linear heads over hashed n-grams: one for what users write, one for documents.

The weights ship with the package as one small file: a header of JSON in one line (bias, scale,
threshold a head), then one signed byte a bucket and head. ``tools/train_prompt_head.py`` makes it.

>>> heads()[Kind.USER].threshold > -20
True
"""

import json
from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib.resources import files
from math import sqrt

from tidegate.core.errors import CheckError
from tidegate.detect.prompt.features import BUCKETS, features, windows

FILE = "heads.bin"


class Kind(StrEnum):
    """Who speaks."""

    USER = "user"
    """A person who may instruct the model, within its rules."""
    DOCUMENT = "document"
    """Retrieved text or a tool's result, which may not instruct anybody."""


@dataclass(frozen=True, slots=True)
class Head:
    """One linear model."""

    kind: Kind
    weights: "array[int]"
    """One signed byte a bucket."""
    scale: float
    bias: float
    threshold: float
    """At or above it, a text is flagged."""
    window: int
    """Characters that are judged at once."""
    step: int

    def score(self, text: str) -> float:
        """Return the score of the worst window: log odds, so far as the training data go."""
        return max(map(self._one, windows(text, self.window, self.step)))

    def _one(self, text: str) -> float:
        found = features(text)
        if not found:
            return self.bias
        total = sum(map(self.weights.__getitem__, found))
        return self.bias + self.scale * total / sqrt(len(found))


@cache
def heads() -> Mapping[Kind, Head]:
    """Return the heads that ship with this version.

    Raises:
        CheckError: The file is damaged.
    """
    data = files("tidegate.detect.prompt").joinpath(FILE).read_bytes()
    try:
        return _parse(data)
    except (ValueError, KeyError, TypeError) as error:
        raise CheckError(
            "the prompt model is damaged",
            where=FILE,
            cause=str(error)[:100],
            next_step="install Tidegate again",
            slug="bad-model",
        ) from None


def _parse(data: bytes) -> Mapping[Kind, Head]:
    line, _, body = data.partition(b"\n")
    described = json.loads(line)["heads"]
    if len(body) != BUCKETS * len(described):
        raise ValueError("its length is wrong")
    found: dict[Kind, Head] = {}
    for place, item in enumerate(described):
        kind = Kind(item["kind"])
        found[kind] = Head(
            kind,
            array("b", body[place * BUCKETS : (place + 1) * BUCKETS]),
            float(item["scale"]),
            float(item["bias"]),
            float(item["threshold"]),
            int(item["window"]),
            int(item["step"]),
        )
    return {kind: found[kind] for kind in Kind}
