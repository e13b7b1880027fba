# ruff: noqa: PLR2004 - code points are their own names
"""Normalise text for judging it, and map each character back to where it came from.

What no reader sees (tag characters, variation selectors, zero-width and bidirectional controls) is
taken out and reported; tags and selectors that spell bytes are spelled out apart. Then NFKC,
look-alikes inside words that mix scripts, HTML entities, white space.

>>> seen = normalise("say &lt;hi&gt;\u202e")
>>> seen.text, seen.removed
('say <hi>', {'bidi': 1})
>>> seen.span(4, 8)
(4, 15)
>>> normalise("ok" + "".join(chr(0xE0000 + ord(c)) for c in "run it")).hidden
('run it',)
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from html.entities import html5

from tidegate.textnorm.confusables import ALWAYS, fold_word

MAX_GROWTH = 4
"""The normalised text is at most so many times as long as the original."""
MAX_ROUNDS = 8
"""Disguises inside disguises: how often the steps are repeated before they are given up on."""

_PLAIN = re.compile(r"[!-%'-~]+(?:[ \n][!-%'-~]+)*\Z")
_HIDDEN = re.compile(
    "[\U000e0000-\U000e007f]+"  # tags
    "|[\ufe00-\ufe0f\U000e0100-\U000e01ef]+"  # variation selectors
    "|[\u200b-\u200d\u2060-\u2064\ufeff\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180e\u3164\uffa0]+"
    "|[\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069]+"  # bidirectional controls
    "|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f]+"
)
_BIDI_MARK = re.compile("[\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069]")
_TAGS, _SELECTORS, _ZERO_WIDTH, _BIDI, _CONTROL = (
    "tags",
    "selectors",
    "zero-width",
    "bidi",
    "control",
)
_FOREIGN = re.compile(r"[\x00-\x7f]?[^\x00-\x7f]+")
_WORD = re.compile(r"\w+")
_MARKS = re.compile("[\u0300-\u036f]+")
_BLANK = re.compile(r"\s+")
_ENTITY = re.compile(r"&(?:#(\d{1,7})|#[xX]([0-9a-fA-F]{1,6})|([A-Za-z][A-Za-z0-9]{1,30}));")
_ENTITY_REACH = 33
_BLACK_FLAG, _CANCEL = "\U0001f3f4", "\U000e007f"
_LEAST_SELECTORS = 2


@dataclass(frozen=True, slots=True)
class Normalised:
    """A text as it reads, with its way back."""

    text: str
    offsets: Sequence[int]
    """For each character, the index in the original of what it came from; and one more, the
    original's length. Never decreasing."""
    removed: dict[str, int] = field(default_factory=dict[str, int])
    """Characters that were taken out, by kind: ``tags``, ``selectors``, ``zero-width``, ``bidi``,
    ``control``. Emoji and flags that need theirs are not counted."""
    hidden: tuple[str, ...] = ()
    """What tags and selectors spelled."""
    folded: int = 0
    """Words that mixed scripts."""
    stable: bool = True
    """Whether nothing was left to undo after ``MAX_ROUNDS`` rounds."""

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Return where in the original a piece of the text came from."""
        return self.offsets[start], self.offsets[end]


def normalise(text: str) -> Normalised:
    """Normalise a text. Doing it again changes nothing, where the result is ``stable``.

    Sources: Unicode 15 UAX #15 (NFKC), UTS #39 (mixed scripts), UTS #51 (tag and presentation
    sequences).
    """
    if not text or _PLAIN.match(text):
        return Normalised(text, range(len(text) + 1))
    steps = _Steps(text)
    for _ in range(MAX_ROUNDS):
        before = steps.text
        steps.round()
        if steps.text == before:
            return steps.result(stable=True)
    return steps.result(stable=False)


def plain(text: str) -> str:
    """Return a normalised text in lower case and without the accents of Latin letters.

    >>> plain("Ïgnoré")
    'ignore'
    """
    if text.isascii():
        return text.lower()
    return _MARKS.sub("", unicodedata.normalize("NFKD", text)).lower()


class _Steps:
    """The text on its way, each step with its map."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._offsets: Sequence[int] = range(len(text) + 1)
        self._removed: dict[str, int] = {}
        self._hidden: list[str] = []
        self._folded = 0

    def result(self, *, stable: bool) -> Normalised:
        return Normalised(
            self.text,
            self._offsets,
            self._removed,
            tuple(self._hidden),
            self._folded,
            stable,
        )

    def round(self) -> None:
        self._edit([(m.start(), m.end(), self._strip(m)) for m in _HIDDEN.finditer(self.text)])
        if not self.text.isascii():
            self._edit(self._composed())
            self.text = self.text.translate(ALWAYS)
            self._edit(self._words())
        if "&" in self.text:
            self._edit(_entities(self.text))
        blanks = [
            (m.start(), m.end(), "\n" if _breaks(m[0]) else " ")
            for m in _BLANK.finditer(self.text)
            if m[0] not in {" ", "\n"}
        ]
        self._edit(blanks)
        self._trim()

    def _edit(self, edits: list[tuple[int, int, str]]) -> None:
        """Replace disjoint, ordered pieces; what a piece became points at the piece's start."""
        if not edits:
            return
        parts: list[str] = []
        offsets: list[int] = []
        last = 0
        for start, end, new in edits:
            parts.append(self.text[last:start])
            offsets.extend(self._offsets[last:start])
            parts.append(new)
            if len(new) == end - start:
                offsets.extend(self._offsets[start:end])
            else:
                offsets.extend([self._offsets[start]] * len(new))
            last = end
        parts.append(self.text[last:])
        offsets.extend(self._offsets[last:])
        self.text = "".join(parts)
        self._offsets = offsets

    def _trim(self) -> None:
        start = len(self.text) - len(self.text.lstrip())
        end = len(self.text.rstrip())
        if start >= end:
            self.text, self._offsets = "", [self._offsets[-1]]
        elif start or end < len(self.text):
            self._offsets = [*self._offsets[start:end], self._offsets[-1]]
            self.text = self.text[start:end]

    def _strip(self, match: re.Match[str]) -> str:
        run = match[0]
        before = match.string[match.start() - 1 : match.start()] if match.start() else ""
        after = match.string[match.end() : match.end() + 1]
        kind, counted = _judge_hidden(run, before, after)
        if counted:
            self._removed[kind] = self._removed.get(kind, 0) + counted
            spelled = _spell(kind, run)
            if spelled:
                self._hidden.append(spelled)
        return "\n" if kind == _CONTROL and ("\x0b" in run or "\x0c" in run) else ""

    def _composed(self) -> list[tuple[int, int, str]]:
        edits: list[tuple[int, int, str]] = []
        for match in _FOREIGN.finditer(self.text):
            for start, end in _clusters(match[0]):
                old = match[0][start:end]
                new = _compose(old)
                if new != old:
                    edits.append((match.start() + start, match.start() + end, new))
        return edits

    def _words(self) -> list[tuple[int, int, str]]:
        edits: list[tuple[int, int, str]] = []
        for match in _WORD.finditer(self.text):
            if match[0].isascii():
                continue
            folded = fold_word(match[0])
            if folded != match[0]:
                self._folded += 1
                edits.append((match.start(), match.end(), folded))
        return edits


def _breaks(blank: str) -> bool:
    return any(mark in blank for mark in "\n\r\x85\u2028\u2029")


def _judge_hidden(run: str, before: str, after: str) -> tuple[str, int]:
    """Return the kind of a run of unseen characters, and how many count as out of place."""
    first = ord(run[0])
    if 0xE0000 <= first <= 0xE007F:
        flag = before == _BLACK_FLAG and run.endswith(_CANCEL) and len(run) <= 7
        return _TAGS, 0 if flag else len(run)
    if 0xFE00 <= first <= 0xFE0F or 0xE0100 <= first <= 0xE01EF:
        return _SELECTORS, len(run) if len(run) >= _LEAST_SELECTORS else 0
    if first < 0xA0:
        return _CONTROL, len(run)
    if _BIDI_MARK.match(run):
        return _BIDI, sum(mark not in "\u200e\u200f\u061c" for mark in run)
    # Joiners shape emoji and Indic, Arabic or Persian words; between ASCII letters they hide.
    joined = run in {"\u200c", "\u200d"} and not (before.isascii() and after.isascii())
    return _ZERO_WIDTH, 0 if joined or run in {"\ufeff", "\u00ad"} else len(run)


def _spell(kind: str, run: str) -> str:
    if kind == _TAGS:
        return "".join(chr(ord(c) - 0xE0000) for c in run if 0xE0020 <= ord(c) < 0xE007F)
    if kind == _SELECTORS:
        values = bytes(_selector_byte(ord(c)) for c in run)
        text = values.decode("utf-8", "replace")
        return text if sum(c.isprintable() for c in text) * 2 > len(text) else ""
    return ""


def _selector_byte(code: int) -> int:
    return code - 0xFE00 if code <= 0xFE0F else code - 0xE0100 + 16


def _clusters(run: str) -> list[tuple[int, int]]:
    """Split a run where NFKC may not compose across: before starters that are no Hangul jamo."""
    starts = [
        place
        for place, char in enumerate(run)
        if place == 0 or not (unicodedata.combining(char) or "\u1161" <= char <= "\u11ff")
    ]
    return list(zip(starts, [*starts[1:], len(run)], strict=True))


@lru_cache(maxsize=65_536)
def _compose(cluster: str) -> str:
    if len(cluster) > 32:
        return cluster[0]
    parts = (unicodedata.normalize("NFKC", char) for char in cluster)
    kept = [
        part if len(part) <= MAX_GROWTH else char for part, char in zip(parts, cluster, strict=True)
    ]
    return unicodedata.normalize("NFC", "".join(kept))


def _entities(text: str) -> list[tuple[int, int, str]]:
    """Find HTML entities that end with a semicolon, and what each stands for."""
    edits: list[tuple[int, int, str]] = []
    for match in _ENTITY.finditer(text):
        char = _entity(match)
        if char is not None:
            edits.append((match.start(), match.end(), char))
    return edits


def _entity(match: re.Match[str]) -> str | None:
    decimal, hexadecimal, name = match.groups()
    if name:
        return html5.get(name + ";")
    code = int(decimal) if decimal else int(hexadecimal, 16)
    printable = 0x20 <= code <= 0x10FFFF and not 0xD800 <= code <= 0xDFFF
    return chr(code) if printable else None
