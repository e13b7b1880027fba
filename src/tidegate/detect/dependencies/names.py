"""Names that pass for others: look-alike letters, slips of the keyboard, words in another order.

The own allow-list is compared first, then names that are often installed. Names of several words
are compared word by word, so that members of one family (``boto3-ecs``, ``boto3-ecr``) do not
accuse each other.

>>> names = KnownNames(["scikit-learn", "requests", "matplotlib", "python-dateutil"])
>>> [(hit.name, hit.how) for text in ("reqeusts", "rnatplotlib", "learn-scikit", "requests")
...  if (hit := names.nearest(text))][:2]
[('requests', 'two letters swapped'), ('matplotlib', 'reads the same')]
"""

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Final

from tidegate.detect.dependencies.model import normal
from tidegate.textnorm.confusables import ALWAYS, FOLD

_ROWS: Final = ("1234567890-", "qwertyuiop", "asdfghjkl", "zxcvbnm")
_SHAPES: Final = str.maketrans({"0": "o", "1": "l", "i": "l", "5": "s", "-": ""})
_PAIRS: Final = (("rn", "m"), ("vv", "w"), ("cl", "d"))
_SHORTEST: Final = 4
_ANY_EDIT: Final = 7
"""Length from which any single edit counts."""
_TWO_EDITS: Final = 13
"""Length from which two edits count."""
_LONGEST: Final = 100


@dataclass(frozen=True, slots=True)
class Likeness:
    """A known name that another passes for."""

    name: str
    how: str
    """What the difference is, in words."""
    confusable: bool = False
    """It reads the same, rather than nearly so."""
    weak: bool = False
    """Honest names differ like this, too."""


class KnownNames:
    """Names that others are compared with."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = frozenset(map(normal, names))
        self._skeletons = {skeleton(name): name for name in sorted(self._names)}
        self._words = {_words(name): name for name in sorted(self._names) if "-" in name}
        self._deletions: dict[str, list[str]] = {}
        self._pieces: list[tuple[tuple[str, str, str], str]] = []
        for name in sorted(self._names):
            for form in _deletions(name):
                self._deletions.setdefault(form, []).append(name)
            if len(name) >= _TWO_EDITS:
                third = len(name) // 3
                parts = name[:third], name[third : 2 * third], name[2 * third :]
                self._pieces.append((parts, name))

    def __contains__(self, name: str) -> bool:
        return name in self._names

    def nearest(self, written: str) -> Likeness | None:
        """Return the known name that a name passes for; nothing where it is known itself."""
        name = normal(written)[:_LONGEST]
        if name in self._names or not self._names:
            return None
        same = self._skeletons.get(skeleton(written))
        if same is not None:
            how = "the same letters, other separators" if _joined(same) == _joined(name) else ""
            return Likeness(same, how or "reads the same", confusable=not how)
        swapped = self._words.get(_words(name))
        if swapped is not None:
            return Likeness(swapped, "the same words in another order")
        return self._edited(name)

    def _edited(self, name: str) -> Likeness | None:
        near = {known for form in _deletions(name) for known in self._deletions.get(form, ())}
        found = [hit for known in sorted(near) if (hit := _one_edit(name, known)) is not None]
        if len(name) >= _TWO_EDITS - 2 and not found:
            for parts, known in self._pieces:
                if any(part in name for part in parts) and _two_edits(name, known):
                    found.append(Likeness(known, "two letters differ", weak=True))
                    break
        return min(found, key=lambda hit: hit.weak, default=None)


@lru_cache(maxsize=1)
def popular() -> KnownNames:
    """Return names that are often installed; the list ships with the program."""
    text = (files("tidegate.detect.dependencies") / "data" / "popular.txt").read_text(
        encoding="utf-8"
    )
    return KnownNames(
        word for line in text.splitlines() if not line.startswith("#") for word in line.split()
    )


def skeleton(written: str) -> str:
    """Return what a name looks like: look-alikes folded into one form (after UTS #39)."""
    text = unicodedata.normalize("NFKC", written).translate(ALWAYS).translate(FOLD).casefold()
    text = "".join(char for char in text if unicodedata.category(char) not in {"Mn", "Cf"})
    text = normal(text)
    for pair, letter in _PAIRS:
        text = text.replace(pair, letter)
    return text.translate(_SHAPES)


def _joined(name: str) -> str:
    return name.replace("-", "")


def _words(name: str) -> tuple[str, ...]:
    return tuple(sorted(name.split("-")))


def _deletions(name: str) -> set[str]:
    return {name, *(name[:at] + name[at + 1 :] for at in range(len(name)))}


def _differing(name: str, known: str) -> tuple[str, str] | None:
    """Return the words that differ, or the whole names; nothing where more than one word does."""
    mine, theirs = name.split("-"), known.split("-")
    if len(mine) != len(theirs):
        return name, known
    apart = [(one, other) for one, other in zip(mine, theirs, strict=True) if one != other]
    return apart[0] if len(apart) == 1 else None


def _one_edit(name: str, known: str) -> Likeness | None:
    apart = _differing(name, known)
    if apart is None:
        return None
    mine, theirs = apart
    if min(len(mine), len(theirs)) < _SHORTEST:
        return None
    how = _edit(mine, theirs)
    if how is None:
        return None
    text, slip = how
    if slip:
        return Likeness(known, text, weak=len(theirs) <= _SHORTEST + 1 or mine[0] != theirs[0])
    # Slips spare the first letter, and honest names are made by changing it: ipython, bpython.
    weak = len(theirs) < _ANY_EDIT or _versioned(mine, theirs) or mine[0] != theirs[0]
    return Likeness(known, text, weak=weak)


def _versioned(mine: str, theirs: str) -> bool:
    """Tell whether names differ in digits or a plural only, as successors and families do."""
    return mine.rstrip("0123456789s") == theirs.rstrip("0123456789s") or any(
        one[:-1] == other for one, other in ((mine, theirs), (theirs, mine))
    )


def _edit(mine: str, theirs: str) -> tuple[str, bool] | None:
    """Name the one edit between two words, and whether it is a slip of the hand."""
    if len(mine) == len(theirs):
        at = [n for n, pair in enumerate(zip(mine, theirs, strict=True)) if pair[0] != pair[1]]
        if len(at) == 2 and at[1] == at[0] + 1:  # noqa: PLR2004 - a pair
            first, second = at
            if mine[first] == theirs[second] and mine[second] == theirs[first]:
                return "two letters swapped", True
        if len(at) == 1:
            one, other = mine[at[0]], theirs[at[0]]
            digits = one.isdigit() or other.isdigit()
            return "one letter differs", not digits and _neighbours(one, other)
        return None
    return _one_longer(mine, theirs)


def _one_longer(mine: str, theirs: str) -> tuple[str, bool] | None:
    longer, shorter = (mine, theirs) if len(mine) > len(theirs) else (theirs, mine)
    if len(longer) != len(shorter) + 1:
        return None
    at_ = next((n for n, char in enumerate(shorter) if char != longer[n]), len(shorter))
    if longer[:at_] + longer[at_ + 1 :] != shorter:
        return None
    doubled = at_ > 0 and longer[at_] == longer[at_ - 1] and longer[at_].isalpha()
    inner = 0 < at_ < len(longer) - 1
    if longer is theirs:
        return "a letter is missing", inner and longer[at_].isalpha()
    return ("a letter is doubled" if doubled else "a letter is added"), doubled and inner


def _neighbours(one: str, other: str) -> bool:
    places = {char: (y, x) for y, row in enumerate(_ROWS) for x, char in enumerate(row)}
    if one not in places or other not in places:
        return False
    (y1, x1), (y2, x2) = places[one], places[other]
    return abs(y1 - y2) <= 1 and abs(x1 - x2) <= 1


def _two_edits(name: str, known: str) -> bool:
    apart = _differing(name, known)
    if apart is None or min(map(len, apart)) < _TWO_EDITS or _versioned(*apart):
        return False
    return distance(*apart, limit=2) <= 2  # noqa: PLR2004 - edits


def distance(one: str, other: str, *, limit: int) -> int:
    """Return the optimal string alignment distance, or ``limit + 1`` where it is larger.

    Edits: a letter added, left out or replaced, or two neighbours swapped (Damerau 1964).

    >>> distance("tensorflow", "tensorlfow", limit=2), distance("abc", "xyz", limit=2)
    (1, 3)
    """
    if abs(len(one) - len(other)) > limit:
        return limit + 1
    before, last = list[int](), list(range(len(other) + 1))
    for i, char in enumerate(one, 1):
        row = [i]
        for j, their in enumerate(other, 1):
            cost = min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (char != their))
            if i > 1 and j > 1 and char == other[j - 2] and one[i - 2] == their:
                cost = min(cost, before[j - 2] + 1)
            row.append(cost)
        if min(row) > limit:
            return limit + 1
        before, last = last, row
    return min(last[-1], limit + 1)
