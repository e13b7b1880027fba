"""Counts of requests that were refused before a decision, so that a flood fills no disk.

>>> from tidegate.core.clock import FixedClock
>>> clock = FixedClock(0)
>>> tally = Tally(clock, every=10)
>>> tally.count("unauthenticated"), tally.due()
(None, None)
>>> clock.advance(10)
>>> tally.due().fields
{'unauthenticated': 1}
"""

from collections import Counter

from tidegate.core.clock import SECOND, Clock
from tidegate.gateway.spool import Event


class Tally:
    """Sums refusals by code, and gives them out as one event now and then."""

    def __init__(self, clock: Clock, *, every: int = 10 * SECOND) -> None:
        self._clock = clock
        self._every = every
        self._counts: Counter[str] = Counter()
        self._last = clock.now()

    def count(self, code: str) -> None:
        """Count one refusal."""
        self._counts[code] += 1

    def due(self, *, closing: bool = False) -> Event | None:
        """Return the sums as an event where it is time and there are any."""
        now = self._clock.now()
        if not self._counts or not (closing or now - self._last >= self._every):
            return None
        event = Event("refused", dict(self._counts))
        self._counts.clear()
        self._last = now
        return event
