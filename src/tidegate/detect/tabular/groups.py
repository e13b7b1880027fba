"""Candidate groups of rows: tokens, value bins, odd exact values and levels.

>>> builder = GroupBuilder(looked_at=np.arange(40) >= 20, smallest=5)
>>> builder.add("token", "note: cf", "note", np.arange(30, 37))
>>> builder.add("token", "note: rare", "note", np.arange(0, 22))
>>> builder.build().names
('note: cf',)
"""

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from tidegate.detect.frame import Column, Rows

_TOKEN = re.compile(r"[^\W_]+|[^\w\s]")
_LEVELS = 1_000
_TOKENS = 50_000
_EXACT = 50
_BINS = np.arange(1, 10) / 10
_TAILS = (0.005, 0.995)
_SHOWN = 40


@dataclass(frozen=True, slots=True)
class Split:
    """Which rows taught which model."""

    teach: NDArray[np.bool_]
    """Reference rows; the others are the drop's."""
    fold: Rows
    """The model that each row met: it learned from the teaching rows of the other folds."""


@dataclass(frozen=True, slots=True)
class Groups:
    """Named groups of rows; they overlap."""

    kinds: tuple[str, ...]
    """``token``, ``value``, ``novel``, ``feed`` or ``score``, one a group."""
    names: tuple[str, ...]
    """How a person would call it: ``note: cf``, ``age in [41, 47)``."""
    columns: tuple[str, ...]
    """The table column that it is about, or ""."""
    inside: sparse.csr_array
    """Groups by rows: a weight for the rows that are looked at (the drop's, the feed's)."""
    outside: sparse.csr_array
    """Groups by rows: a weight for the rows that they are compared with (the reference's)."""


_Weighted = tuple[Rows, NDArray[np.float64] | None]


class GroupBuilder:
    """Collects groups over a fixed set of rows."""

    def __init__(self, looked_at: NDArray[np.bool_], smallest: int) -> None:
        self._looked_at = looked_at
        self._smallest = smallest
        self._described: list[tuple[str, str, str]] = []
        self._inside: list[_Weighted] = []
        self._outside: list[_Weighted] = []

    def add(self, kind: str, name: str, column: str, rows: Rows) -> None:
        """Add a group of drop and reference rows."""
        looked_at = self._looked_at[rows]
        self.compare(kind, name, column, rows[looked_at], rows[~looked_at])

    def compare(
        self,
        kind: str,
        name: str,
        column: str,
        inside: Rows,
        outside: Rows,
        *,
        weight: NDArray[np.float64] | None = None,
    ) -> None:
        """Add rows and what to compare them with, unless they are too few to ever matter.

        ``weight`` (one a row of the table) says how much the residual of each row tells; 1 else.
        """
        if len(inside) >= self._smallest:
            self._described.append((kind, name, column))
            self._inside.append((inside, None if weight is None else weight[inside]))
            self._outside.append((outside, None if weight is None else weight[outside]))

    def build(self) -> Groups:
        """Return what was collected."""
        kinds, names, columns = zip(*self._described, strict=True) if self._described else ((),) * 3
        rows = len(self._looked_at)
        return Groups(
            kinds, names, columns, _matrix(self._inside, rows), _matrix(self._outside, rows)
        )


def add_column(builder: GroupBuilder, column: Column, rows: Split) -> None:
    """Add the groups of one column over reference and drop together.

    Bin edges come from the reference rows. Besides, one ``novel`` group holds the rows with
    something that their model did not meet: rows of the drop, and for comparison those of the
    reference that have something which the other folds do not.
    """
    if column.kind == "number":
        novel = _numbers(builder, column, rows)
    elif column.kind == "category":
        novel = _levels(builder, column, rows)
    else:
        novel = _words(builder, column, rows)
    name = f"{column.name}: values unseen before"
    builder.add("novel", name, column.name, np.flatnonzero(novel))


def _numbers(builder: GroupBuilder, column: Column, rows: Split) -> NDArray[np.bool_]:
    values, name = column.numbers, column.name
    present = ~np.isnan(values)
    builder.add("value", f"{name} is null", name, np.flatnonzero(~present))
    known = values[rows.teach & present]
    if not len(known):
        return present
    edges = np.unique(np.concatenate([np.quantile(known, _BINS), np.quantile(known, _TAILS)]))
    code = np.where(present, np.searchsorted(edges, values, side="right"), -1)
    bounds = ["-inf", *(f"{edge:.6g}" for edge in edges), "inf"]
    for part in range(len(edges) + 1):
        label = f"{name} in [{bounds[part]}, {bounds[part + 1]})"
        builder.add("value", label, name, np.flatnonzero(code == part))
    # A backdoor on a number is often one odd exact value, which a bin would dilute.
    levels, counts = np.unique(values[~rows.teach & present], return_counts=True)
    for place in np.argsort(-counts, kind="stable")[:_EXACT]:
        if counts[place] > 1:
            same = np.flatnonzero(values == levels[place])
            builder.add("value", f"{name} = {levels[place]:.6g}", name, same)
    novel = np.zeros(len(values), dtype=np.bool_)
    for fold in np.unique(rows.fold):
        taught = values[rows.teach & present & (rows.fold != fold)]
        if len(taught):
            outside = (values < taught.min()) | (values > taught.max())
            novel |= (rows.fold == fold) & outside
    return novel


def _levels(builder: GroupBuilder, column: Column, rows: Split) -> NDArray[np.bool_]:
    levels, code, counts = np.unique(
        np.asarray(column.texts, dtype=object), return_inverse=True, return_counts=True
    )
    order = np.argsort(code, kind="stable")
    ends = np.cumsum(counts)
    for place in np.argsort(-counts, kind="stable")[:_LEVELS]:
        same = np.sort(order[ends[place] - counts[place] : ends[place]])
        builder.add("value", f"{column.name} = {_short(str(levels[place]))}", column.name, same)
    novel = np.zeros(len(code), dtype=np.bool_)
    for fold in np.unique(rows.fold):
        known = np.zeros(len(levels), dtype=np.bool_)
        known[code[rows.teach & (rows.fold != fold)]] = True
        novel |= (rows.fold == fold) & ~known[code]
    return novel


def _words(builder: GroupBuilder, column: Column, rows: Split) -> NDArray[np.bool_]:
    postings: dict[str, list[int]] = {}
    for row, text in enumerate(column.texts):
        for token in set(_TOKEN.findall(text.lower())):
            postings.setdefault(token, []).append(row)
    novel = np.zeros(len(column.texts), dtype=np.bool_)
    often = sorted(postings, key=lambda token: (-len(postings[token]), token))
    for rank, token in enumerate(often):
        found = np.asarray(postings[token], dtype=np.int64)
        if rank < _TOKENS:
            builder.add("token", f"{column.name}: {_short(token)}", column.name, found)
        taught = np.unique(rows.fold[found[rows.teach[found]]])
        if len(taught) == 0:
            novel[found] = True
        elif len(taught) == 1:  # only one model did not meet it
            novel[found[rows.fold[found] == taught[0]]] = True
    return novel


def _matrix(members: list[_Weighted], rows: int) -> sparse.csr_array:
    pointer = np.concatenate([[0], np.cumsum([len(member) for member, _ in members])])
    index = np.concatenate([np.empty(0, np.int64), *(member for member, _ in members)])
    weights = [np.ones(len(member)) if own is None else own for member, own in members]
    data = np.concatenate([np.empty(0), *weights]).astype(np.float32)
    return sparse.csr_array((data, index, pointer), shape=(len(members), rows))


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
