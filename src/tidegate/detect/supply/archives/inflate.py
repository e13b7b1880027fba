"""Decompresses untrusted bytes: bounded in output, in memory, and in how much comes of how little.

What is small is returned as bytes. What is not is unpacked once to learn its length and checksum,
and again from the nearest kept state whenever a stretch of it is asked for, so that memory stays
small whatever a stream expands to.

>>> import zlib
>>> from tidegate.detect.supply.budget import Budget
>>> expand("zlib", zlib.compress(b"a" * 9), Budget().meter()).body
b'aaaaaaaaa'
"""

import zlib
from collections import deque
from dataclasses import dataclass
from typing import Final

from tidegate.detect.supply.archives.streams import Pump, open_pump
from tidegate.detect.supply.archives.windows import SMALL, Window
from tidegate.detect.supply.budget import BudgetSpentError, Meter
from tidegate.detect.supply.pickles.cursor import Buffer

_RATIO_FROM: Final = 1 << 26
"""An array of zeros reaches the ratio as well; below this size that costs nobody anything."""
_KEPT_EVERY: Final = 1 << 24
_TAIL: Final = 1 << 17
_RECENT: Final = 64
_RESTARTS: Final = 64


@dataclass(frozen=True, slots=True)
class Expanded:
    """The result of decompression."""

    body: bytes | Window
    end: int
    """Offset of the first byte after the stream."""
    crc: int
    """CRC-32 of the body."""
    error: str | None = None
    """Why it stopped early."""


class Inflated(Window):
    """Decompressed content that is not kept in memory.

    Args:
        pumps: States of the decompressor at growing offsets; the first is at its start.
        size: Bytes in all.
        tail: The last bytes, where readers look first.
        meter: What may be spent.
    """

    def __init__(self, pumps: list[Pump], size: int, tail: bytes, meter: Meter) -> None:
        self._pumps = pumps
        self._size = size
        self._tail = tail
        self._meter = meter
        self._restarts = 0
        self._pump = pumps[0].clone()
        self._recent: deque[tuple[int, bytes]] = deque(maxlen=_RECENT)

    def __len__(self) -> int:
        return self._size

    def fetch(self, start: int, stop: int) -> bytes:
        """Return bytes.

        Raises:
            BudgetSpentError: It jumps back too often.
        """
        edge = self._size - len(self._tail)
        if start >= edge:
            return self._tail[start - edge : stop - edge]
        parts: list[bytes] = []
        at = start
        while at < stop:
            begin, piece = self._piece(at)
            parts.append(piece[at - begin : stop - begin])
            at = begin + len(piece)
        return b"".join(parts)

    def _piece(self, at: int) -> tuple[int, bytes]:
        """Return the decompressed piece that holds an offset."""
        for begin, piece in reversed(self._recent):
            if begin <= at < begin + len(piece):
                return begin, piece
        if at < self._pump.given:
            self._go_back(at)
        while True:
            begin = self._pump.given
            piece = self._pump.next()
            self._meter.expand(0)
            if not piece:
                raise BudgetSpentError("content that changes as it is read", slug="scan-budget")
            self._recent.append((begin, piece))
            if at < begin + len(piece):
                return begin, piece

    def _go_back(self, at: int) -> None:
        nearest = max((p for p in self._pumps if p.given <= at), key=lambda p: p.given)
        if at - nearest.given > _KEPT_EVERY:
            self._restarts += 1
            if self._restarts > _RESTARTS:
                raise BudgetSpentError("compressed content that is read to and fro too often")
        self._pump = nearest.clone()
        self._recent.clear()


def expand(
    method: str, packed: Buffer, meter: Meter, start: int = 0, stop: int | None = None
) -> Expanded:
    """Decompress all members of a stream.

    Args:
        method: ``deflate zlib gzip bz2 xz lzma zip-lzma zstd lz4``.
        packed: Holds the compressed bytes.
        meter: What may be spent.
        start: First compressed byte.
        stop: Behind the last compressed byte.

    Raises:
        BudgetSpentError: It expands beyond the budget, or out of proportion.
    """
    end = len(packed) if stop is None else min(stop, len(packed))
    return drain(open_pump(method, packed, start, end), meter)


def drain(pump: Pump, meter: Meter, limit: int | None = None) -> Expanded:
    """Take all that a decompressor gives, or as many bytes as its stream is said to hold.

    Raises:
        BudgetSpentError: It expands beyond the budget, or out of proportion.
    """
    states = [pump.clone()]
    parts: list[bytes] = []
    tail: deque[bytes] = deque(maxlen=_TAIL >> 10)
    crc = size = 0
    while limit is None or size < limit:
        piece = pump.next()
        if not piece:
            break
        if limit is not None:
            piece = piece[: limit - size]
        size += len(piece)
        crc = zlib.crc32(piece, crc)
        _afford(pump.given, len(piece), pump.stop - pump.start, meter)
        if pump.given <= SMALL:
            parts.append(piece)
        tail.append(piece)
        if pump.seekable and pump.given - states[-1].given >= _KEPT_EVERY:
            states.append(pump.clone())
    if pump.given <= SMALL:
        return Expanded(b"".join(parts), pump.at, crc, pump.error)
    parts.clear()
    last = b"".join(tail)[-_TAIL:]
    return Expanded(Inflated(states, size, last, meter), pump.at, crc, pump.error)


def _afford(total: int, fresh: int, compressed: int, meter: Meter) -> None:
    meter.expand(fresh)
    if total > _RATIO_FROM and total > meter.budget.ratio * max(compressed, 1):
        raise BudgetSpentError(
            f"expands more than {meter.budget.ratio} to 1", slug="expansion-ratio"
        )
