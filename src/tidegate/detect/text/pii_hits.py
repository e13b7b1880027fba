"""Where sensitive values stand in a text.

>>> [(hit.kind.name, hit.form.name) for hit in find("Card 4111 1111 1111 1111, mail a@b.example")]
[('CREDIT_CARD', 'card'), ('EMAIL', 'address')]
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tidegate.detect.text.pii_types import FAMILIES, TYPES, Form, PiiType

SUPPORT = 0.01
"""What a supporting word beside a value, or in the header, multiplies the p-value by (judged)."""
_LEFT, _RIGHT = 48, 24
_WORD = re.compile(r"[^\W\d_]+")
_COMPILED = {name: re.compile(pattern) for name, pattern in FAMILIES.items()}


@dataclass(frozen=True, slots=True)
class Hit:
    """A match of a form's shape."""

    kind: PiiType
    """What it would be."""
    form: Form
    """How it is written."""
    start: int
    """First character."""
    end: int
    """After the last character."""
    valid: bool
    """Whether the check passed."""
    supported: bool
    """Whether a word of the type stands beside it."""

    @property
    def doubt(self) -> float:
        """How likely a harmless text is to hold such a match: small is sure."""
        return min(self.form.chance, self.form.rarity) * (SUPPORT if self.supported else 1.0)


def families(text: str) -> frozenset[str]:
    """Return which families of forms a text can hold at all."""
    return frozenset(name for name, pattern in _COMPILED.items() if pattern.search(text))


def matches(text: str, kind: PiiType, form: Form) -> Iterator[Hit]:
    """Yield every match of a form's shape, valid or not."""
    for match in form.shape.finditer(text):
        near = _supported(text, match.start(), match.end(), kind.words)
        yield Hit(kind, form, match.start(), match.end(), form.check(match.group()), near)


def find(
    text: str, *, kinds: Sequence[PiiType] = TYPES, doubt: float = 0.05, limit: int = 10_000
) -> list[Hit]:
    """Return the valid, non-overlapping values of a text, surest first where they overlap.

    Args:
        text: Anything; work is linear in its length.
        kinds: What to look for.
        doubt: Matches that a harmless text holds more often than this are left out.
        limit: At most so many hits.
    """
    held = families(text)
    hits = [
        hit
        for kind in kinds
        for form in kind.forms
        if form.family in held
        for hit in matches(text, kind, form)
        if hit.valid and hit.doubt <= doubt
    ]
    hits.sort(key=lambda hit: (hit.doubt, hit.start - hit.end, hit.start))
    kept: list[Hit] = []
    taken: set[int] = set()
    for hit in hits:
        span = range(hit.start, hit.end)
        if taken.isdisjoint(span):
            kept.append(hit)
            taken.update(span)
            if len(kept) >= limit:
                break
    return sorted(kept, key=lambda hit: hit.start)


def mask(value: str) -> str:
    """Hide all but the last two characters, and the length beyond twelve.

    >>> mask("4111111111111111")
    '**********11'
    """
    return "*" * (min(len(value), 12) - 2) + value[-2:] if len(value) > 4 else "*" * len(value)  # noqa: PLR2004


def words_of(header: str) -> frozenset[str]:
    """Return the lower-case words of a column name, and the whole name in one.

    >>> sorted(words_of("custEmail_addr"))
    ['addr', 'cust', 'custemailaddr', 'email']
    """
    parts = re.findall(r"[A-Z]?[^\W\d_A-Z]+|[A-Z]+(?![^\W\d_A-Z])", header)
    lowered = [part.lower() for part in parts]
    return frozenset((*lowered, "".join(lowered))) - {""}


def _supported(text: str, start: int, end: int, words: frozenset[str]) -> bool:
    if end - start == len(text):
        return False
    around = text[max(0, start - _LEFT) : start], text[end : end + _RIGHT]
    return any(word.lower() in words for part in around for word in _WORD.findall(part))
