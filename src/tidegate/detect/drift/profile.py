"""A frozen profile of reference data: bins, levels and counts under one digest.

Everything that is later said of a live window is said against this profile, so it is fixed at
release, its digest goes into the ledger, and a window is nothing but integer counts over its bins:
exact, small, and adding across replicas and hours.

>>> import pyarrow as pa
>>> profile = Profile.of(pa.table({"x": [float(k) for k in range(100)], "c": ["a", "b"] * 50}))
>>> [(column.name, column.kind, column.bins) for column in profile.columns]
[('x', 'number', 11), ('c', 'level', 4)]
>>> Profile.from_json(profile.to_json()).digest == profile.digest
True
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tidegate.core import canonical
from tidegate.core.canonical import Json
from tidegate.core.digest import Digest, sha256
from tidegate.core.errors import VerificationError
from tidegate.core.finding import Skipped
from tidegate.detect.frame import Frame

SCHEMA = 1
_BINS = 10
_LEVELS = 50
_FEW = 10

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class ColumnProfile:
    """One column of the reference.

    Bins of a number: one between each two edges, plus one for null. Of a level: one a known level,
    then ``other`` (seen in the reference, but rare), ``unseen`` (never) and null is a level of its
    own, "".
    """

    name: str
    """Column of the table."""
    kind: str
    """``number`` or ``level``."""
    edges: tuple[str, ...]
    """Inner edges, ascending, as the shortest decimal strings that read back equal."""
    levels: tuple[str, ...]
    """The most frequent levels, most frequent first."""
    rare: frozenset[str]
    """Levels of the reference that count as ``other``; they are part of the digest as a count."""
    counts: tuple[int, ...]
    """Reference rows a bin."""
    spread: str
    """Standard deviation of the reference, as a decimal string; "0" for levels."""

    @property
    def bins(self) -> int:
        """How many bins it has."""
        return len(self.counts)

    @property
    def shares(self) -> NDArray[np.float64]:
        """Reference share a bin, with half a row added to each so that none is impossible."""
        counts = np.asarray(self.counts, dtype=np.float64) + 0.5
        return np.asarray(counts / counts.sum())

    def count_numbers(self, values: NDArray[np.float64]) -> Ints:
        """Count numbers by bin; NaN is null."""
        edges = np.asarray([float(edge) for edge in self.edges])
        missing = np.isnan(values)
        place = np.searchsorted(edges, values[~missing], side="right")
        counts = np.bincount(place, minlength=len(edges) + 1)
        return np.append(counts, missing.sum()).astype(np.int64)

    def count_levels(self, counts: Mapping[str, int]) -> Ints:
        """Sort counts by level into bins."""
        place = {level: k for k, level in enumerate(self.levels)}
        out = np.zeros(self.bins or len(self.levels) + 2, dtype=np.int64)
        for level, n in counts.items():
            other = len(self.levels) if level in self.rare else len(self.levels) + 1
            out[place.get(level, other)] += n
        return out

    def label(self, place: int) -> str:
        """Return how a person would call a bin."""
        if self.kind == "number":
            if place == len(self.edges) + 1:
                return "null"
            bounds = ["-inf", *self.edges, "inf"]
            return f"[{bounds[place]}, {bounds[place + 1]})"
        return [*self.levels, "(other)", "(unseen)"][place]


@dataclass(frozen=True, slots=True)
class Profile:
    """The frozen reference."""

    columns: tuple[ColumnProfile, ...]
    """In the order of the table."""
    rows: int
    """Rows of the reference."""
    skipped: tuple[Skipped, ...] = ()
    """Columns that have no profile, with the reason."""

    @classmethod
    def of(cls, table: pa.Table) -> Self:
        """Profile a table: deciles of numbers, the fifty most frequent levels of strings.

        Numbers with at most ten different values are profiled by an edge a value. Text of many
        words has no profile and is named as a gap.
        """
        frame = Frame.of(table)
        columns: list[ColumnProfile] = []
        skipped = list(frame.skipped)
        for column in frame.columns:
            if column.kind == "number":
                columns.append(_number(column.name, column.numbers))
            elif column.kind == "category":
                columns.append(_level(column.name, column.texts))
            else:
                skipped.append(Skipped(f"column {column.name}", "no profile of free text"))
        return cls(tuple(columns), table.num_rows, tuple(skipped))

    @property
    def digest(self) -> Digest:
        """SHA-256 over the canonical form: what the ledger names."""
        return sha256(canonical.dumps(self.to_json()))

    def to_json(self) -> dict[str, Json]:
        """Return the form that is stored and digested."""
        return {
            "schema": SCHEMA,
            "rows": self.rows,
            "columns": [
                {
                    "name": column.name,
                    "kind": column.kind,
                    "edges": list(column.edges),
                    "levels": list(column.levels),
                    "rare": sorted(column.rare),
                    "counts": list(column.counts),
                    "spread": column.spread,
                }
                for column in self.columns
            ],
            "skipped": [gap.to_json() for gap in self.skipped],
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Json]) -> Self:
        """Read what :meth:`to_json` wrote.

        Raises:
            VerificationError: A field is missing, of another type, or of a newer schema.
        """
        try:
            if value["schema"] != SCHEMA:
                raise VerificationError("a profile of another schema", slug="newer-profile")
            columns = tuple(
                ColumnProfile(
                    str(item["name"]),
                    str(item["kind"]),
                    tuple(map(str, item["edges"])),
                    tuple(map(str, item["levels"])),
                    frozenset(map(str, item["rare"])),
                    tuple(map(int, item["counts"])),
                    str(item["spread"]),
                )
                for item in value["columns"]
            )
            skipped = tuple(Skipped(str(g["what"]), str(g["why"])) for g in value["skipped"])
            return cls(columns, int(value["rows"]), skipped)
        except (KeyError, TypeError, ValueError) as error:
            raise VerificationError(
                "not a drift profile", cause=str(error)[:200], slug="bad-profile"
            ) from None


def _number(name: str, values: NDArray[np.float64]) -> ColumnProfile:
    seen = values[~np.isnan(values)]
    distinct = np.unique(seen)
    if len(distinct) <= _FEW:
        edges = distinct[1:]
    else:
        edges = np.unique(np.quantile(seen, np.arange(1, _BINS) / _BINS))
    written = tuple(repr(float(edge)) for edge in edges)
    with np.errstate(over="ignore"):  # values near the end of the range spread infinitely
        spread = repr(float(seen.std())) if len(seen) else "0"
    empty = ColumnProfile(name, "number", written, (), frozenset(), (), spread)
    counts = tuple(empty.count_numbers(values).tolist())
    return ColumnProfile(name, "number", written, (), frozenset(), counts, spread)


def _level(name: str, texts: tuple[str, ...]) -> ColumnProfile:
    levels, counts = np.unique(np.asarray(texts, dtype=object), return_counts=True)
    order = np.argsort(-counts, kind="stable")
    kept = tuple(str(levels[k]) for k in order[:_LEVELS])
    rare = frozenset(str(levels[k]) for k in order[_LEVELS:])
    empty = ColumnProfile(name, "level", (), kept, rare, (), "0")
    found = empty.count_levels(dict(zip(map(str, levels), map(int, counts), strict=True)))
    return ColumnProfile(name, "level", (), kept, rare, tuple(found.tolist()), "0")
