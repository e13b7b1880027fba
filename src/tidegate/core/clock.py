"""Time as UTC integer microseconds, from a clock that is handed in.

>>> FixedClock(1_700_000_000_000_000).now()
1700000000000000
>>> iso(1_700_000_000_000_000)
'2023-11-14T22:13:20.000000Z'
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from time import time_ns
from typing import NewType, Protocol

Micros = NewType("Micros", int)
"""Microseconds since 1970-01-01T00:00:00Z."""

SECOND = Micros(1_000_000)
DAY = Micros(86_400 * SECOND)


class Clock(Protocol):
    """Where the time comes from; nothing in Tidegate reads the system clock by itself."""

    def now(self) -> Micros:
        """Return the present."""
        ...


@dataclass(frozen=True, slots=True)
class SystemClock:
    """The machine's clock."""

    def now(self) -> Micros:
        """Return the present."""
        return Micros(time_ns() // 1_000)


@dataclass(slots=True)
class FixedClock:
    """A clock for tests and drills: it stands still until it is moved."""

    time: int

    def now(self) -> Micros:
        """Return the time that was set."""
        return Micros(self.time)

    def advance(self, micros: int) -> None:
        """Move the clock forward."""
        self.time += micros


def iso(micros: int) -> str:
    """Write microseconds as RFC 3339 in UTC, to the microsecond."""
    seconds, rest = divmod(micros, SECOND)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:06d}Z"


def parse_iso(text: str) -> Micros:
    """Read RFC 3339 with an offset back into microseconds.

    Raises:
        ValueError: The text is not a date with an offset.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no UTC offset")
    delta = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return Micros((delta.days * 86_400 + delta.seconds) * SECOND + delta.microseconds)
