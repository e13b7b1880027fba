"""Finds log indices by hash, at a cost for the writer that does not grow with the log.

Hashes are random, so a B-tree over them writes about one page an entry once the log is large.
Instead, as in a log-structured merge tree (O'Neil and others, 1996), each 1,024 entries give a
sorted run, 16 runs give one of the next level, and runs never change. Which runs there are
follows from the log's size alone. The newest entries, which no run covers yet, are scanned.

A run holds pairs of eight bytes of hash and six of index, cut into parts that a search bisects.
Eight bytes only narrow the search; whoever asks compares the whole hash.

>>> list(runs(1024 * 18 + 5))
[(1, 0), (0, 16), (0, 17)]
"""

from bisect import bisect_left
from collections.abc import Iterator
from enum import IntEnum

from tidegate.store.statements import LogStatements
from tidegate.store.transactions import Cursor

RUN = 1024
"""Entries under a run of level 0."""
FAN = 16
"""Runs of one level under a run of the next."""
TOP = 2
"""The highest level, 262,144 entries: merging still takes a fraction of a second."""

_PREFIX = 8
_INDEX = 6
_PAIR = _PREFIX + _INDEX
_PART = 256


class Kind(IntEnum):
    """What is looked up."""

    LEAF = 0
    ENVELOPE = 1


def runs(size: int) -> Iterator[tuple[int, int]]:
    """Yield level and number of the runs that cover a log of ``size`` entries, oldest first."""
    done = 0
    for level in range(TOP, -1, -1):
        count = size // (RUN * FAN**level)
        for number in range(done, count):
            yield level, number
        done = count * FAN


def tail_start(size: int) -> int:
    """Return the first index that no run covers."""
    return size // RUN * RUN


class Lookup:
    """The runs of one workspace, within a transaction.

    Args:
        cursor: The driver's cursor.
        sql: The statements of its database.
        workspace: The workspace id.
    """

    def __init__(self, cursor: Cursor, sql: LogStatements, workspace: str) -> None:
        self._cursor = cursor
        self._sql = sql
        self._workspace = workspace

    def fold(self, old: int, new: int) -> None:
        """Write the runs that growth from ``old`` to ``new`` entries completes."""
        for number in range(old // RUN, new // RUN):
            span = (self._workspace, number * RUN, (number + 1) * RUN)
            self._cursor.execute(self._sql.hashes, span)
            rows = self._cursor.fetchall()
            self._write(Kind.LEAF, 0, number, [_pair(leaf, index) for index, leaf, _ in rows])
            named = [_pair(digest, index) for index, _, digest in rows if digest is not None]
            self._write(Kind.ENVELOPE, 0, number, named)
            self._merge(number + 1)

    def candidates(self, kind: Kind, wanted: bytes, size: int) -> Iterator[int]:
        """Yield, in order, the indices below the tail whose hash begins as ``wanted`` does."""
        prefix = wanted[:_PREFIX]
        for level, number in runs(size):
            key = (self._workspace, int(kind), level, number, prefix)
            self._cursor.execute(self._sql.run_part, key)
            row = self._cursor.fetchone()
            if row:
                yield from _search(row[0], prefix)

    def _merge(self, count: int) -> None:
        """Join 16 runs into one of the next level, as often as ``count`` runs of level 0 allow."""
        for level in range(1, TOP + 1):
            count, rest = divmod(count, FAN)
            if rest:
                return
            below = range((count - 1) * FAN, count * FAN)
            for kind in Kind:
                pairs = [pair for run in below for pair in self._pairs(kind, level - 1, run)]
                self._write(kind, level, count - 1, pairs)

    def _pairs(self, kind: Kind, level: int, number: int) -> list[bytes]:
        self._cursor.execute(self._sql.run, (self._workspace, int(kind), level, number))
        return [pair for (part,) in self._cursor.fetchall() for pair in _split(part)]

    def _write(self, kind: Kind, level: int, number: int, pairs: list[bytes]) -> None:
        key = (self._workspace, int(kind), level, number)
        rows: list[tuple[object, ...]] = [
            (*key, part[:_PREFIX], part) for part in _parts(sorted(pairs))
        ]
        if rows:
            self._cursor.executemany(self._sql.put_run, rows)


def _parts(pairs: list[bytes]) -> Iterator[bytes]:
    start = 0
    while start < len(pairs):
        stop = min(start + _PART, len(pairs))
        # Equal hashes stay in one part: a search opens only one.
        while stop < len(pairs) and pairs[stop][:_PREFIX] == pairs[stop - 1][:_PREFIX]:
            stop += 1
        yield b"".join(pairs[start:stop])
        start = stop


def _search(part: bytes, prefix: bytes) -> Iterator[int]:
    pairs = _split(part)
    for pair in pairs[bisect_left(pairs, prefix) :]:
        if not pair.startswith(prefix):
            return
        yield int.from_bytes(pair[_PREFIX:], "big")


def _pair(wanted: bytes, index: int) -> bytes:
    return wanted[:_PREFIX] + index.to_bytes(_INDEX, "big")


def _split(part: bytes) -> list[bytes]:
    return [part[i : i + _PAIR] for i in range(0, len(part), _PAIR)]
