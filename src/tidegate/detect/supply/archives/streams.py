"""Decompressors that are asked for one piece after another, and say where their stream ends.

zlib, bz2 and lzma are the standard library's. Zstandard and LZ4 come from pyarrow where it is
installed (the ``data`` extra) and in reach: a confined process has neither its files nor the
memory for it. Without it they are told as a gap.
"""

import bz2
import importlib.util
import lzma
import zlib
from abc import ABC, abstractmethod
from typing import Any, Final, Protocol

from tidegate.detect.supply.pickles.cursor import Buffer

_STEP: Final = 1 << 16
_FEED: Final = 1 << 16
_LZMA_MEMORY: Final = 1 << 26
_ERRORS: Final = (zlib.error, OSError, EOFError, lzma.LZMAError, ValueError, MemoryError)
_AGAIN: Final = {"gzip": b"\x1f\x8b", "bz2": b"BZh", "xz": b"\xfd7zXZ\0"}
_ARROW: Final = ("zstd", "lz4")
_WINDOW_LOG: Final = 26
"""Largest Zstandard window that is granted, as a power of two: 64 MiB."""


class _Stream(Protocol):
    """What zlib, bz2 and lzma decompressors have in common."""

    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


class Pump(ABC):
    """A decompressor on its way through a stream.

    Args:
        packed: Holds the compressed bytes.
        start: First compressed byte.
        stop: Behind the last one.
    """

    seekable = False
    """Whether a clone goes on from here rather than from the start."""

    def __init__(self, packed: Buffer, start: int, stop: int) -> None:
        self.packed = packed
        self.start = start
        self.stop = stop
        self.at = start
        """Next compressed byte; at the end: the first one that is not used."""
        self.given = 0
        """Bytes that came out so far."""
        self.error: str | None = None
        self.done = False

    @abstractmethod
    def clone(self) -> "Pump":
        """Return a pump that stands here, or at the start where that can't be."""

    @abstractmethod
    def _pull(self) -> bytes:
        """Return some bytes, or none; sets ``done`` at the end."""

    def next(self) -> bytes:
        """Return the next piece; nothing at the end, or after an error."""
        while not self.done:
            try:
                piece = self._pull()
            except _ERRORS as error:
                self.error, self.done = str(error)[:100] or type(error).__name__, True
                return b""
            if piece:
                self.given += len(piece)
                return piece
        return b""

    def _more(self) -> bytes:
        piece = self.packed[self.at : min(self.stop, self.at + _FEED)]
        self.at += len(piece)
        return piece


class _StandardPump(Pump):
    """zlib, bz2 and lzma.

    Args:
        method: Which.
        packed: As of :class:`Pump`.
        start: As of :class:`Pump`.
        stop: As of :class:`Pump`.
        filters: Of a raw LZMA stream.
    """

    def __init__(
        self,
        method: str,
        packed: Buffer,
        start: int,
        stop: int,
        filters: "list[dict[str, Any]] | None" = None,
    ) -> None:
        super().__init__(packed, start, stop)
        self.method = method
        self.filters = filters
        self.rest = b""
        self.zlib = method in ("deflate", "zlib", "gzip")
        self.seekable = self.zlib
        self.stream = self._open()

    def _open(self) -> _Stream:
        if self.method == "bz2":
            return bz2.BZ2Decompressor()
        if self.method == "raw":
            return lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=self.filters)
        if self.method in ("xz", "lzma"):
            return lzma.LZMADecompressor(memlimit=_LZMA_MEMORY)
        bits = {"deflate": -zlib.MAX_WBITS, "gzip": zlib.MAX_WBITS | 16}
        return zlib.decompressobj(bits.get(self.method, zlib.MAX_WBITS))

    def clone(self) -> Pump:
        """Return a pump that stands here for zlib, and at the start for the others."""
        other = _StandardPump(self.method, self.packed, self.start, self.stop, self.filters)
        if self.zlib and not self.done:
            other.at, other.given, other.rest = self.at, self.given, self.rest
            other.stream = self.stream.copy()  # type: ignore[attr-defined]
        return other

    def _pull(self) -> bytes:
        if self.stream.eof:
            return self._turn()
        fed = self.rest
        if not fed and (self.zlib or getattr(self.stream, "needs_input", True)):
            fed = self._more()
        piece = self.stream.decompress(fed, _STEP)
        self.rest = bytes(getattr(self.stream, "unconsumed_tail", b""))
        waiting = self.rest or not getattr(self.stream, "needs_input", True)
        if not piece and not fed and not waiting and not self.stream.eof:
            self.error, self.done = "it ends early", True
        return piece

    def _turn(self) -> bytes:
        """Go on with the next member of the same kind, or end."""
        self.at -= len(self.stream.unused_data)
        mark = _AGAIN.get(self.method)
        if mark is not None and self.packed[self.at : self.at + len(mark)] == mark:
            self.rest = b""
            self.stream = self._open()
        else:
            self.done = True
        return b""


class _Feed:
    """A compressed stretch as the file object that pyarrow reads from."""

    def __init__(self, pump: Pump) -> None:
        self._pump = pump
        self.closed = False

    def read(self, size: int = -1) -> bytes:
        """Return up to so many bytes."""
        at = self._pump.at
        stop = self._pump.stop if size < 0 else min(self._pump.stop, at + min(size, _FEED))
        piece = self._pump.packed[at:stop]
        self._pump.at += len(piece)
        return piece

    def close(self) -> None:
        """Close; nothing is held."""
        self.closed = True

    def readable(self) -> bool:
        """It can be read."""
        return True

    def writable(self) -> bool:
        """It can't be written."""
        return False

    def seekable(self) -> bool:
        """It can't be sought."""
        return False


class _ArrowPump(Pump):
    """Zstandard and LZ4 frames, by pyarrow."""

    def __init__(self, method: str, packed: Buffer, start: int, stop: int) -> None:
        super().__init__(packed, start, stop)
        self.method = method
        self._stream: Any = None

    def clone(self) -> Pump:
        """Return a pump at the start."""
        return _ArrowPump(self.method, self.packed, self.start, self.stop)

    def _pull(self) -> bytes:
        if self._stream is None:
            from pyarrow import CompressedInputStream, PythonFile  # noqa: PLC0415 - an extra

            self._stream = CompressedInputStream(PythonFile(_Feed(self), "r"), self.method)
        piece = bytes(self._stream.read(_STEP))
        self.done = not piece
        return piece


class _CopyPump(Pump):
    """Bytes that are not compressed."""

    seekable = True

    def clone(self) -> Pump:
        """Return a pump that stands here."""
        other = _CopyPump(self.packed, self.start, self.stop)
        other.at, other.given = self.at, self.given
        return other

    def _pull(self) -> bytes:
        piece = self._more()
        self.done = not piece
        return piece


class _NoPump(Pump):
    """A stream that can't be read here."""

    def __init__(self, why: str, packed: Buffer, start: int, stop: int) -> None:
        super().__init__(packed, start, stop)
        self.why = why

    def clone(self) -> Pump:
        """Return another that can't be read."""
        return _NoPump(self.why, self.packed, self.start, self.stop)

    def _pull(self) -> bytes:
        raise ValueError(self.why)


def open_pump(method: str, packed: Buffer, start: int, stop: int) -> Pump:
    """Return a decompressor at the start of a stream; one that only fails where none is there."""
    if method == "stored":
        return _CopyPump(packed, start, stop)
    if method in _ARROW:
        if importlib.util.find_spec("pyarrow") is None:
            return _NoPump(f"{method} takes pyarrow, which is not in reach", packed, start, stop)
        if method == "zstd" and _zstd_window(packed[start : start + 16]) > 1 << _WINDOW_LOG:
            return _NoPump("a Zstandard window of more than 64 MiB", packed, start, stop)
        return _ArrowPump(method, packed, start, stop)
    if method == "zip-lzma":
        # APPNOTE 5.8.8: version, size of the properties, and the properties.
        head = packed[start : start + 9]
        return raw_pump(lzma_filter(head[4:9]), packed, start + 9, stop)
    return _StandardPump(method, packed, start, stop)


def raw_pump(filters: list[dict[str, Any]] | None, packed: Buffer, start: int, stop: int) -> Pump:
    """Return a decompressor for a raw LZMA chain."""
    if filters is None:
        return _NoPump("LZMA properties that are not valid", packed, start, stop)
    try:
        return _StandardPump("raw", packed, start, stop, filters)
    except (lzma.LZMAError, ValueError, OverflowError, MemoryError):
        return _NoPump("LZMA properties that are not valid", packed, start, stop)


def lzma_filter(properties: bytes) -> list[dict[str, Any]] | None:
    """Read the five bytes of LZMA properties; ``None`` where they ask for too much memory."""
    if len(properties) != 5 or properties[0] >= 9 * 5 * 5:  # noqa: PLR2004 - one byte and the dictionary size
        return None
    rest, lc = divmod(properties[0], 9)
    pb, lp = divmod(rest, 5)
    size = int.from_bytes(properties[1:], "little")
    if size > _LZMA_MEMORY or lc + lp > 4:  # noqa: PLR2004 - liblzma's own bound
        return None
    return [{"id": lzma.FILTER_LZMA1, "dict_size": max(size, 4096), "lc": lc, "lp": lp, "pb": pb}]


def _zstd_window(head: bytes) -> int:
    """Return the window size that a frame header asks for (RFC 8878, section 3.1.1.1)."""
    if len(head) < 6 or head[:4] != b"\x28\xb5\x2f\xfd":  # noqa: PLR2004 - magic and two bytes
        return 0
    if head[4] & 0x20:  # a single segment: the window is the content
        size = (1, 2, 4, 8)[head[4] >> 6]
        skip = (0, 1, 2, 4)[head[4] & 3]
        return int.from_bytes(head[5 + skip : 5 + skip + size], "little")
    base = 1 << (10 + (head[5] >> 3))
    return base + (base >> 3) * (head[5] & 7)
