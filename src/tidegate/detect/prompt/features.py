"""Hashed n-grams of a text: what the linear heads look at, without any library.

Byte n-grams of 3 to 5 over the plain text, and runs of 1 to 3 words, each counted once and hashed
by CRC-32 into a fixed number of buckets (Weinberger et al., "Feature hashing for large scale
multitask learning", ICML 2009).

>>> same = features("Ignore   THIS") == features("ignore this")
>>> same, max(features("x y")) < BUCKETS
(True, True)
"""

import re
from itertools import pairwise
from zlib import crc32

from tidegate.textnorm.normalise import plain

BUCKETS = 1 << 19
_ORDERS = (3, 4, 5)
_WORDS = re.compile(r"\w+|[<\[{#`!]")
_MASK = BUCKETS - 1


def features(text: str) -> list[int]:
    """Return the buckets of a normalised text, once for each distinct n-gram."""
    folded = " ".join(plain(text).split())
    data = f" {folded} ".encode("utf-8", "replace")
    size = len(data)
    grams = {data[at : at + n] for n in _ORDERS for at in range(size - n + 1)}
    words = _WORDS.findall(folded)
    runs = {f"\x01{word}" for word in words}
    runs.update(f"\x02{a} {b}" for a, b in pairwise(words))
    runs.update(f"\x03{a} {b} {c}" for a, b, c in zip(words, words[1:], words[2:], strict=False))
    grams.update(run.encode("utf-8", "replace") for run in runs)
    return [crc32(gram) & _MASK for gram in grams]


def windows(text: str, size: int, step: int) -> list[str]:
    """Cut a text into overlapping pieces; a text that fits is one piece.

    >>> windows("abcdef", 4, 2)
    ['abcd', 'cdef']
    """
    if len(text) <= size:
        return [text]
    return [text[at : at + size] for at in range(0, len(text) - size + step, step)]
