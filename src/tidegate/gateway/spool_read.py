"""Read a spool: its events in order, and each gap in them.

::

    contents = read_spool(Path("spool"), after=last_position)
    for event in contents.events: ...
    assert not contents.gaps

A process that was killed leaves at most half a line that was promised to nobody; that is told as
``torn`` and is no gap. A missing number, a broken chain or a line that is no event is one.
"""

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

GENESIS = "0" * 64
MAX_LINE = 64 * 1024
_NAME = re.compile(r"(\d{20})-(\d{3})\.jsonl")


@dataclass(frozen=True, slots=True)
class Position:
    """A line by its number and hash: where a drain stopped."""

    number: int = 0
    digest: str = GENESIS


@dataclass(frozen=True, slots=True)
class Spooled:
    """One event as it was written."""

    number: int
    time: int
    """UTC microseconds, by the gateway's clock."""
    event: dict[str, Any]
    position: Position


@dataclass(frozen=True, slots=True)
class Gap:
    """Something that is missing or was changed."""

    segment: str
    after: int
    """Number of the last good event before."""
    why: str
    """``missing``, ``changed`` or ``damaged``."""
    missing: int = 0
    """How many numbers are absent; 0 where that is not known."""


@dataclass(frozen=True, slots=True)
class Contents:
    """All that a spool holds."""

    events: tuple[Spooled, ...]
    gaps: tuple[Gap, ...]
    end: Position
    torn: int = 0
    """Bytes of half lines at the ends of segments."""


@dataclass(slots=True)
class _End:
    number: int = 0
    digest: str = GENESIS
    rest: int = 0


@dataclass(slots=True)
class _Reading:
    at: Position
    events: list[Spooled] = field(default_factory=list[Spooled])
    gaps: list[Gap] = field(default_factory=list[Gap])
    torn: int = 0


def segment_name(first: int, attempt: int = 0) -> str:
    """Return the name of a segment by the number of its first event."""
    return f"{first:020d}-{attempt:03d}.jsonl"


def segments(folder: Path) -> list[Path]:
    """Return the segments in order."""
    return sorted(path for path in folder.iterdir() if _NAME.fullmatch(path.name))


def read_spool(folder: Path, after: Position | None = None) -> Contents:
    """Read every event after a position, also while a gateway writes.

    Raises:
        OSError: The folder can't be read.
    """
    reading = _Reading(after or Position())
    for path in segments(folder):
        _read_segment(path, reading)
    return Contents(tuple(reading.events), tuple(reading.gaps), reading.at, reading.torn)


def drop_segments(folder: Path, upto: int) -> int:
    """Remove the segments of which every event was drained; return how many.

    The last segment with an event always stays: it carries the chain on.
    """
    paths = segments(folder)
    dropped = 0
    for path, following in pairwise(paths):
        if _first(following) > upto + 1 or not following.stat().st_size:
            break
        path.unlink()
        dropped += 1
    return dropped


def last_good(folder: Path) -> _End:
    """Return the last event that a writer can go on from, and how many bytes follow it."""
    rest = 0
    for path in reversed(segments(folder)):
        good: Spooled | None = None
        used = 0
        for size, spooled in _lines(path):
            if spooled is None or (good is not None and spooled.number != good.number + 1):
                break
            good, used = spooled, used + size
        rest += path.stat().st_size - used
        if good is not None:
            return _End(good.number, good.position.digest, rest)
    return _End(rest=rest)


def _read_segment(path: Path, reading: _Reading) -> None:
    used = 0
    for size, spooled in _lines(path):
        if spooled is None:
            data = path.read_bytes()[used : used + size]
            if b"\n" in data:
                reading.gaps.append(Gap(path.name, reading.at.number, "damaged"))
            else:
                reading.torn += size
            return
        used += size
        if spooled.number <= reading.at.number:
            if spooled.number == reading.at.number and spooled.position != reading.at:
                reading.gaps.append(Gap(path.name, spooled.number - 1, "changed"))
            continue
        missing = spooled.number - reading.at.number - 1
        if missing:
            reading.gaps.append(Gap(path.name, reading.at.number, "missing", missing))
        elif spooled.event.get("prev") != reading.at.digest:
            reading.gaps.append(Gap(path.name, reading.at.number, "changed"))
        reading.at = spooled.position
        said = spooled.event["event"]
        reading.events.append(Spooled(spooled.number, spooled.time, said, spooled.position))


def _lines(path: Path) -> Iterator[tuple[int, Spooled | None]]:
    """Yield each line's size and what it says; at a bad line, the size of all the rest."""
    left = path.stat().st_size
    with path.open("rb") as file:
        while left > 0:
            line = file.readline(MAX_LINE + 1)
            spooled = _parse(line)
            if spooled is None:
                yield left, None
                return
            left -= len(line)
            yield len(line), spooled


def _parse(line: bytes) -> Spooled | None:
    if not line.endswith(b"\n"):
        return None
    try:
        whole = json.loads(line)
        number, time = whole["n"], whole["t"]
        if not (isinstance(number, int) and isinstance(time, int) and number > 0):
            return None
        if not isinstance(whole["event"], dict) or not isinstance(whole["prev"], str):
            return None
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return Spooled(number, time, whole, Position(number, hashlib.sha256(line).hexdigest()))


def _first(path: Path) -> int:
    return int(path.name[:20])
