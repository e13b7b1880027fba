"""Rows that a training set and a validation set share, exactly or nearly.

Exact: all columns equal. Near: for tables, all numbers in the same fine bin (in either of two
staggered grids) and all strings equal but for case and spacing; for one text column, word shingles
with a Jaccard similarity of at least 0.7, candidates from MinHash bands.

>>> import pyarrow as pa
>>> train = pa.table({"x": [1.0, 2.0, 3.0], "c": ["a", "b", "c"]})
>>> report = compare(train, pa.table({"x": [2.0, 9.0], "c": ["b", "z"]}))
>>> report.exact.hits, report.exact.pairs
(1, ((1, 0),))
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tidegate.core.finding import (
    Coverage,
    Finding,
    Location,
)
from tidegate.detect.frame import Frame
from tidegate.detect.tabular.overlap_rules import EXACT, NEAR, REPEATED
from tidegate.stats.intervals import Interval, wilson
from tidegate.stats.minhash import MinHash, jaccard

_SHINGLE = 5
_JACCARD = 0.7
_BINS = 1_000
_EXAMPLES = 20
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Shared:
    """Validation rows that have a partner in the training set."""

    hits: int
    """How many."""
    rate: Interval
    """Share of the validation rows, with its Wilson interval."""
    pairs: tuple[tuple[int, int], ...]
    """At most twenty examples: training row, validation row."""


@dataclass(frozen=True, slots=True)
class OverlapReport:
    """What two sets share."""

    exact: Shared
    """Rows equal in all columns."""
    near: Shared
    """Rows nearly equal and not counted as exact."""
    repeated_train: Interval
    """Share of training rows that repeat an earlier one."""
    repeated_validation: Interval
    """Share of validation rows that repeat an earlier one."""
    findings: tuple[Finding, ...]
    """By the limits that were handed in."""
    coverage: Coverage
    """Unit: columns."""
    facts: dict[str, bool | int | float | str]
    """``exact_rows``, ``exact_rate``, ``near_rows``, ``near_rate``, ``repeated_…``."""


def compare(
    train: pa.Table,
    validation: pa.Table,
    *,
    allowed: float = 0.0,
    allowed_near: float = 0.01,
    allowed_repeats: float = 0.05,
    path: str = "validation",
) -> OverlapReport:
    """Compare two sets over the columns that both have.

    Small tables of few levels repeat by nature, so that the near limit is not zero: compare the
    rates with those of repeats within each set, which stand beside them.

    Args:
        train: The training set.
        validation: The set that the model will be judged on.
        allowed: Share of validation rows that may be in the training set.
        allowed_near: The same for near duplicates.
        allowed_repeats: Share of rows that may repeat within a set.
        path: How findings call the validation set.
    """
    frame, cut = Frame.stacked(train, validation, as_text=True), train.num_rows
    keys = _keys(frame, "exact")
    exact = _matches(keys[:cut], keys[cut:])
    near = _near(frame, cut, np.setdiff1d(np.arange(validation.num_rows), list(exact)))
    repeated = _repeats(keys[:cut]), _repeats(keys[cut:])
    shared = _shared(exact, validation.num_rows), _shared(near, validation.num_rows)
    planned = len(frame.columns) + len(frame.skipped)
    coverage = Coverage(planned, len(frame.columns), frame.skipped, unit="column")
    findings = [
        *_overlaps(shared, (allowed, allowed_near), path),
        *_repetitions(repeated, allowed_repeats, path),
    ]
    facts: dict[str, bool | int | float | str] = {
        "exact_rows": shared[0].hits,
        "exact_rate": shared[0].rate.value,
        "near_rows": shared[1].hits,
        "near_rate": shared[1].rate.value,
        "repeated_train": repeated[0].value,
        "repeated_validation": repeated[1].value,
    }
    return OverlapReport(*shared, *repeated, tuple(findings), coverage, facts)


def _keys(frame: Frame, how: str, shift: float = 0.0) -> NDArray[np.int64]:
    """Return one id a row: equal rows have equal ids. No hashing, hence no collisions.

    Rows of which nothing can be compared are equal to no other.
    """
    if not frame.columns:
        return np.arange(frame.rows)
    keys = np.zeros(frame.rows, dtype=np.int64)
    for column in frame.columns:
        if column.kind != "number":
            texts = column.texts if how == "exact" else tuple(map(_plain, column.texts))
            _, code = np.unique(np.asarray(texts, dtype=object), return_inverse=True)
        elif how == "exact":
            _, code = np.unique(column.numbers, return_inverse=True)  # NaN equals NaN here
        else:
            code = _binned(column.numbers, shift)
        _, keys = np.unique(keys * (int(code.max(initial=0)) + 1) + code, return_inverse=True)
    return keys


def _binned(numbers: NDArray[np.float64], shift: float) -> NDArray[np.int64]:
    """Return a bin of a thousandth of the spread (1st to 99th percentile) a value."""
    seen = numbers[~np.isnan(numbers)]
    if not len(seen):
        return np.zeros(len(numbers), dtype=np.int64)
    low, high = np.quantile(seen, [0.01, 0.99])
    width = (high - low) / _BINS or 1.0
    place = np.floor(np.clip((numbers - low) / width, -1e9, 1e9) + shift)
    _, code = np.unique(place, return_inverse=True)
    return np.asarray(code, dtype=np.int64)


def _matches(left: NDArray[np.int64], right: NDArray[np.int64]) -> dict[int, int]:
    """Return for each row of the right the first equal row of the left."""
    known, first = np.unique(left, return_index=True)
    if not len(known):
        return {}
    place = np.clip(np.searchsorted(known, right), 0, len(known) - 1)
    found = np.flatnonzero(known[place] == right)
    return dict(zip(found.tolist(), first[place[found]].tolist(), strict=True))


def _near(frame: Frame, cut: int, rest: NDArray[np.int64]) -> dict[int, int]:
    found: dict[int, int] = {}
    texts = [column for column in frame.columns if column.kind == "text"]
    if texts:
        longest = max(texts, key=lambda column: sum(map(len, column.texts[:1_000])))
        sets = [_shingles(text) for text in longest.texts]
        hasher = MinHash()
        sketches = hasher.sketch(sets)
        for left, right in hasher.similar(sketches[:cut], sketches[cut:][rest]):
            row = int(rest[right])
            if row not in found and jaccard(sets[left], sets[cut + row]) >= _JACCARD:
                found[row] = left
        return found
    for shift in (0.0, 0.5):
        keys = _keys(frame, "near", shift)
        for row, partner in _matches(keys[:cut], keys[cut:][rest]).items():
            found.setdefault(int(rest[row]), partner)
    return found


def _shingles(text: str) -> set[str]:
    words = _WORD.findall(text.lower())
    if len(words) <= _SHINGLE:
        return {" ".join(words)} if words else set()
    return {" ".join(words[k : k + _SHINGLE]) for k in range(len(words) - _SHINGLE + 1)}


def _plain(text: str) -> str:
    return " ".join(text.lower().split())


def _repeats(keys: NDArray[np.int64]) -> Interval:
    return wilson(len(keys) - len(np.unique(keys)), len(keys))


def _shared(pairs: dict[int, int], rows: int) -> Shared:
    examples = tuple((left, right) for right, left in sorted(pairs.items())[:_EXAMPLES])
    return Shared(len(pairs), wilson(len(pairs), rows), examples)


def _overlaps(shared: Sequence[Shared], limits: Sequence[float], path: str) -> Iterator[Finding]:
    for rule, found, limit in zip((EXACT, NEAR), shared, limits, strict=True):
        if found.hits and found.rate.value > limit:
            share = f"{found.hits} validation rows ({found.rate.value:.1%})"
            yield Finding(
                rule.id,
                rule.severity,
                f"{share} have a partner in the training set",
                Location(path, row=found.pairs[0][1]),
                {
                    "rows": found.hits,
                    "share": found.rate.to_json(),
                    "allowed": str(limit),
                    "examples": [list(pair) for pair in found.pairs],
                },
            )


def _repetitions(rates: Sequence[Interval], allowed: float, path: str) -> Iterator[Finding]:
    for name, place, rate in zip(("train", "validation"), ("train", path), rates, strict=True):
        if rate.value > allowed:
            yield Finding(
                REPEATED.id,
                REPEATED.severity,
                f"{rate.value:.1%} of the {name} rows repeat another one",
                Location(place),
                {"share": rate.to_json()},
            )
