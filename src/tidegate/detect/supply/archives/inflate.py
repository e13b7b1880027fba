"""Decompresses untrusted bytes: bounded in output, and in how much comes of how little.

>>> import zlib
>>> from tidegate.detect.supply.budget import Budget
>>> expand("zlib", zlib.compress(b"a" * 9), Budget().meter()).body
b'aaaaaaaaa'
"""

import bz2
import lzma
import zlib
from dataclasses import dataclass
from typing import Final, Protocol

from tidegate.detect.supply.budget import BudgetSpentError, Meter

_STEP: Final = 1 << 16
_SMALL: Final = 1 << 20
_ERRORS: Final = (zlib.error, OSError, EOFError, lzma.LZMAError, ValueError)


class _Stream(Protocol):
    """What zlib, bz2 and lzma decompressors have in common."""

    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Expanded:
    """The result of decompression."""

    body: bytes
    left: bytes
    """Compressed-side bytes after the end of the stream."""
    error: str | None = None
    """Why it stopped early."""


def _stream(method: str) -> _Stream:
    if method == "bz2":
        return bz2.BZ2Decompressor()
    if method in ("xz", "lzma"):
        return lzma.LZMADecompressor(memlimit=1 << 28)
    bits = {"deflate": -zlib.MAX_WBITS, "zlib": zlib.MAX_WBITS, "gzip": zlib.MAX_WBITS | 16}[method]
    return zlib.decompressobj(bits)


def expand(method: str, raw: bytes, meter: Meter) -> Expanded:
    """Decompress all members of a stream.

    Args:
        method: ``deflate zlib gzip bz2 xz lzma``.
        raw: The compressed bytes.
        meter: What may be spent.

    Raises:
        BudgetSpentError: It expands beyond the budget, or out of proportion.
    """
    parts: list[bytes] = []
    total = 0
    left = raw
    while left:
        stream = _stream(method)
        try:
            while not stream.eof:
                piece = _feed(stream, left)
                left = _remainder(stream)
                total += len(piece)
                parts.append(piece)
                _afford(total, len(piece), len(raw), meter)
                if not piece and not left and not stream.eof:
                    return Expanded(b"".join(parts), b"", "it ends early")
        except _ERRORS as error:
            return Expanded(b"".join(parts), left, str(error)[:100])
        left = stream.unused_data
        if method in ("deflate", "zlib", "lzma") or not _again(method, left):
            break
    return Expanded(b"".join(parts), left)


def _feed(stream: _Stream, data: bytes) -> bytes:
    # bz2 and lzma keep their own input; zlib hands it back as unconsumed_tail.
    if not getattr(stream, "needs_input", True):
        return stream.decompress(b"", _STEP)
    return stream.decompress(data, _STEP)


def _remainder(stream: _Stream) -> bytes:
    return bytes(getattr(stream, "unconsumed_tail", b""))


def _again(method: str, left: bytes) -> bool:
    return left.startswith({"gzip": b"\x1f\x8b", "bz2": b"BZh", "xz": b"\xfd7zXZ\0"}[method])


def _afford(total: int, fresh: int, compressed: int, meter: Meter) -> None:
    meter.expand(fresh)
    if total > _SMALL and total > meter.budget.ratio * max(compressed, 1):
        raise BudgetSpentError(
            f"expands more than {meter.budget.ratio} to 1", slug="expansion-ratio"
        )
