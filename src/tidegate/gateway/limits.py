"""How much a caller may ask: a token bucket for the rate, counters for what runs at once.

>>> from tidegate.core.clock import FixedClock
>>> buckets = Buckets(FixedClock(0), per_minute=60, burst=2)
>>> [buckets.take("ana").granted for _ in range(3)]
[True, True, False]
>>> buckets.take("ben").remaining
1
"""

from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil

from tidegate.core.clock import SECOND, Clock
from tidegate.gateway.problems import BUSY, TOO_MANY_AT_ONCE, Refused

_MINUTE = 60 * SECOND


@dataclass(frozen=True, slots=True)
class Allowance:
    """What became of one request's claim."""

    granted: bool
    remaining: int
    """Requests that could be sent at once now."""
    wait: int
    """Seconds until the next is granted; 0 while some remain."""
    limit: int
    """Requests a minute."""

    def headers(self) -> list[tuple[bytes, bytes]]:
        """Return the headers of draft-ietf-httpapi-ratelimit-headers-10, and Retry-After."""
        found = [
            (b"ratelimit-policy", b'"default";q=%d;w=60' % self.limit),
            (b"ratelimit", b'"default";r=%d;t=%d' % (self.remaining, max(1, self.wait))),
        ]
        if not self.granted:
            found.append((b"retry-after", b"%d" % max(1, self.wait)))
        return found


class Buckets:
    """One token bucket a caller; only callers with a key get here, so their number is bounded."""

    def __init__(self, clock: Clock, *, per_minute: int, burst: int) -> None:
        self._clock = clock
        self._rate = per_minute
        self._full = burst * _MINUTE
        self._held: dict[str, tuple[int, int]] = {}

    def take(self, caller: str) -> Allowance:
        """Claim one request."""
        # In units of 1/60,000,000 request: integers, so that no rounding adds up.
        now = self._clock.now()
        level, last = self._held.get(caller, (self._full, now))
        level = min(self._full, level + max(0, now - last) * self._rate)
        granted = level >= _MINUTE
        level -= _MINUTE if granted else 0
        self._held[caller] = (level, now)
        wait = ceil(max(0, _MINUTE - level) / self._rate / SECOND)
        return Allowance(granted, level // _MINUTE, wait, self._rate)


class Slots:
    """How many requests run at once, in all and by caller."""

    def __init__(self, total: int, each: int) -> None:
        self._total = total
        self._each = each
        self._running: Counter[str] = Counter()

    @contextmanager
    def hold(self, caller: str) -> Generator[None]:
        """Hold a place while the request runs.

        Raises:
            Refused: There is none; nobody waits in line.
        """
        if self._running[caller] >= self._each:
            raise Refused(TOO_MANY_AT_ONCE)
        if self._running.total() >= self._total:
            raise Refused(BUSY)
        self._running[caller] += 1
        try:
            yield
        finally:
            self._running[caller] -= 1
            if not self._running[caller]:
                del self._running[caller]
