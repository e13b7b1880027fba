"""What a column holds: decided by lift over chance, not by a vote of its values.

A column of 16-digit order numbers passes the card check in 3 % of its values, one of cards in all
of them; a notes column with one e-mail address in a thousand rows holds one address. So for each
type the distinct values that pass are set against what chance would give, the header and the words
beside a value count as evidence, and harmless types (UUID, digest, timestamp …) compete.

>>> import pyarrow as pa
>>> decide("c", pa.array(["4111111111111111", "5500005555555559", "340000000000009"]))[0].kind
'CREDIT_CARD'
"""

import re
from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tidegate.detect.text.pii_hits import SUPPORT, Hit, mask, matches, words_of
from tidegate.detect.text.pii_types import FAMILIES, TYPES, Form, PiiType
from tidegate.stats.exact import binomial_tail
from tidegate.stats.intervals import Interval, wilson

LEVEL = 2e-3
"""A type is reported when a harmless column would look like it less often than this."""
MAX_CELL = 100_000
"""Characters of a cell that are looked at; longer cells are counted as a gap."""
_DENSE = 0.5
_ENOUGH = 20
_FEW = 5
_REAL_RATE = 0.95
_SAMPLES = 3
_HARMLESS = {
    "uuid": re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"),
    "hex digest": re.compile(r"(?=.*[a-fA-F])[0-9a-fA-F]{32,128}"),
    "timestamp": re.compile(r"(?:9\d{8}|1\d{9}|[12]\d{12}|1\d{15})"),
    "date": re.compile(r"\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?Z?)?"),
    "year": re.compile(r"(?:19|20)\d{2}"),
    "version": re.compile(r"v?\d{1,2}(?:\.\d{1,3}){2,3}"),
    "decimal": re.compile(r"-?\d{1,12}\.\d{1,10}"),
    "coordinates": re.compile(r"-?\d{1,3}\.\d{3,10}, ?-?\d{1,3}\.\d{3,10}"),
}
_DECLARED = {
    "PERSON_NAME": (
        "fullname firstname fname givenname lastname lname surname vorname nachname prenom",
        re.compile(r"[^\W\d_][^\d_@/\\]{1,60}"),
    ),
    "DATE_OF_BIRTH": (
        "dob geb geboren birth birthdate birthday dateofbirth geburtsdatum naissance born",
        re.compile(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}"),
    ),
    "POSTAL_ADDRESS": (
        "address addr street streetaddress adresse strasse anschrift shipto billto homeaddress",
        re.compile(r"(?=.*\d)(?=.*[^\W\d_]{3})[^@]{8,200}"),
    ),
}
"""Header words, and the shape that the values must not contradict."""


@dataclass(frozen=True, slots=True)
class ColumnVerdict:
    """A type that a column holds, with the evidence."""

    column: str
    """Name of the column."""
    kind: str
    """Name of the type."""
    rule: str
    """Slug of its rule."""
    rows: int
    """Rows with a valid value."""
    share: Interval
    """The same as a share of the filled rows, with its Wilson interval."""
    distinct: int
    """Distinct values among them."""
    alike: int
    """Distinct values of the shape, valid or not."""
    chance: float
    """Share of harmless values of the shape that would pass; 1 where no checksum exists."""
    p: float
    """How often a harmless column would give this evidence."""
    header: bool
    """Whether the column name speaks for it."""
    samples: tuple[str, ...]
    """Masked: the last two characters."""
    first_row: int
    """Where the first one stands, from 0."""

    @property
    def dense(self) -> bool:
        """Whether the column *is* of the type, rather than holding some of it."""
        return self.share.low >= _DENSE


@dataclass(slots=True)
class _Tally:
    kind: PiiType
    alike: dict[Form, set[str]] = field(default_factory=lambda: defaultdict(set))
    valid: dict[Form, set[str]] = field(default_factory=lambda: defaultdict(set))
    supported: set[str] = field(default_factory=set[str])
    cells: dict[Form, set[int]] = field(default_factory=lambda: defaultdict(set))


def decide(name: str, values: pa.Array) -> list[ColumnVerdict]:
    """Return what a column of strings holds, most certain first; [] where it is harmless.

    Args:
        name: The column's name; its words are evidence.
        values: Strings; null and "" are not counted. Cells beyond 100,000 characters are cut.
    """
    cells, counts, first = _distinct(values)
    if not cells:
        return []
    header = words_of(name)
    filled = int(counts.sum())
    tallies = _tally(cells)
    harmless = _harmless(cells)
    verdicts: list[tuple[ColumnVerdict, frozenset[int]]] = []
    for tally in tallies.values():
        forms, p = _evidence(tally, named=bool(header & tally.kind.words), harmless=harmless)
        if p > LEVEL or not forms:
            continue
        places = frozenset().union(*(tally.cells[form] for form in forms))
        valid = set[str]().union(*(tally.valid[form] for form in forms))
        index = np.fromiter(places, np.int64)
        rows = int(counts[index].sum())
        verdict = ColumnVerdict(
            name,
            tally.kind.name,
            tally.kind.rule,
            rows,
            wilson(rows, filled),
            len(valid),
            len(set[str]().union(*(tally.alike[form] for form in forms))),
            min(form.chance for form in forms),
            p,
            bool(header & tally.kind.words),
            tuple(mask(value) for value in sorted(valid)[:_SAMPLES]),
            int(first[index].min()),
        )
        verdicts.append((verdict, places))
    found = _unrivalled(verdicts)
    return found or _declared(name, header, cells, counts, first)


def _distinct(values: pa.Array) -> tuple[list[str], NDArray[np.int64], NDArray[np.int64]]:
    """Return distinct filled cells, how often each occurs, and where first."""
    encoded = values.dictionary_encode()
    codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    cells = [cell[:MAX_CELL] for cell in encoded.dictionary.to_pylist()]
    counts = np.bincount(codes[codes >= 0], minlength=len(cells))
    first = np.full(len(cells), len(codes), dtype=np.int64)
    np.minimum.at(first, codes[codes >= 0], np.flatnonzero(codes >= 0))
    keep = [place for place, cell in enumerate(cells) if cell.strip()]
    return [cells[place] for place in keep], counts[keep], first[keep]


def _tally(cells: list[str]) -> dict[str, _Tally]:
    """Match shapes, but only in cells that can hold them (found by RE2: linear, in C++)."""
    array = pa.array(cells, pa.large_string())
    held = {family: _matching(array, pattern) for family, pattern in FAMILIES.items()}
    parts = {family: array.take(pa.array(places)) for family, places in held.items()}
    tallies: dict[str, _Tally] = {}
    for kind in TYPES:
        for form in kind.forms:
            places = held[form.family]
            if form.filter and len(places):
                places = places[_matching(parts[form.family], form.filter)]
            for place in places.tolist():
                for hit in matches(cells[place], kind, form):
                    _count(tallies, hit, cells[place][hit.start : hit.end], place)
    return tallies


def _matching(array: pa.Array, pattern: str) -> NDArray[np.int64]:
    options = pc.MatchSubstringOptions(pattern)
    found = pc.call_function("match_substring_regex", [array], options)
    return np.flatnonzero(found.to_numpy(zero_copy_only=False)).astype(np.int64)


def _count(tallies: dict[str, _Tally], hit: Hit, value: str, place: int) -> None:
    tally = tallies.get(hit.kind.name)
    if tally is None:
        tally = tallies[hit.kind.name] = _Tally(hit.kind)
    tally.alike[hit.form].add(value)
    if hit.valid:
        tally.valid[hit.form].add(value)
        tally.cells[hit.form].add(place)
        if hit.supported:
            tally.supported.add(value)


def _evidence(tally: _Tally, *, named: bool, harmless: bool) -> tuple[list[Form], float]:
    """Return the forms that count, and the p-value of the best of them."""
    best = 1.0
    forms: list[Form] = []
    for form, valid in tally.valid.items():
        if harmless and not named and not form.checksum:
            continue  # a timestamp may look like a bare phone number; it passes no checksum
        p = _form_p(form, tally, valid, named=named)
        if p <= LEVEL or not form.checksum:
            forms.append(form)
        best = min(best, p)
    # What is too weak alone (a bare ten-digit number) counts once a stronger form is there.
    return (forms, best) if best <= LEVEL else ([], best)


def _form_p(form: Form, tally: _Tally, valid: set[str], *, named: bool) -> float:
    supported = len(valid & tally.supported)
    factor = SUPPORT if named or supported * 2 >= len(valid) else 1.0
    alike = len(tally.alike[form])
    if not form.checksum:
        if alike >= _ENOUGH and wilson(len(valid), alike).high < _REAL_RATE:
            return 1.0  # the ranges fail as often as for arbitrary digits
        return max(form.floor, form.rarity ** min(len(valid), 3)) * factor
    p = max(1e-12, binomial_tail(len(valid), alike, form.chance)) * factor
    if alike < _FEW:  # too few to be a counter: single values, each on its own
        p = min(p, form.rarity ** len(valid) * factor)
    if supported:  # sparse: the values with a word beside them stand on their own
        p = min(p, max(1e-12, form.chance**supported) * SUPPORT)
    return p


def _harmless(cells: list[str]) -> bool:
    sample = cells[:2_000]
    return any(
        sum(pattern.fullmatch(cell) is not None for cell in sample) >= len(sample) * 19 // 20
        for pattern in _HARMLESS.values()
    )


def _unrivalled(found: list[tuple[ColumnVerdict, frozenset[int]]]) -> list[ColumnVerdict]:
    """Drop a type whose cells a surer type explains: one number passes several checks."""
    found.sort(key=lambda pair: (pair[0].p, -pair[0].rows))
    kept: list[tuple[ColumnVerdict, frozenset[int]]] = []
    for verdict, places in found:
        if all(len(places & other) * 2 <= len(places) for _, other in kept):
            kept.append((verdict, places))
    return [verdict for verdict, _ in kept]


def _declared(
    name: str,
    header: frozenset[str],
    cells: list[str],
    counts: NDArray[np.int64],
    first: NDArray[np.int64],
) -> list[ColumnVerdict]:
    """Take a header at its word where the values don't contradict it."""
    filled = int(counts.sum())
    for kind, (words, shape) in _DECLARED.items():
        if header.isdisjoint(words.split()):
            continue
        index = np.asarray([i for i, cell in enumerate(cells) if shape.fullmatch(cell.strip())])
        if len(index) < 2 or wilson(int(counts[index].sum()), filled).low < _DENSE:  # noqa: PLR2004
            continue
        rows = int(counts[index].sum())
        return [
            ColumnVerdict(
                name, kind, "declared-personal", rows, wilson(rows, filled), len(index),
                len(index), 1.0, LEVEL, header=True, samples=(), first_row=int(first[index].min()),
            )
        ]  # fmt: skip
    return []
