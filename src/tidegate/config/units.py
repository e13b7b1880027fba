"""Durations and sizes as people write them: ``250ms``, ``15m``, ``30d``, ``64KiB``, ``8GB``.

A bare number is refused, as nobody can tell its unit later.

>>> duration("15m"), size("64KiB")
(900000000, 65536)
>>> duration_text(900_000_000), size_text(65_536)
('15m', '64KiB')
"""

import re

DURATION = {
    "us": 1,
    "ms": 1_000,
    "s": 1_000_000,
    "m": 60_000_000,
    "h": 3_600_000_000,
    "d": 86_400_000_000,
}
SIZE = {
    "B": 1,
    "kB": 10**3,
    "KiB": 2**10,
    "MB": 10**6,
    "MiB": 2**20,
    "GB": 10**9,
    "GiB": 2**30,
    "TB": 10**12,
    "TiB": 2**40,
}
PATTERN = r"^[0-9]{1,16} ?(?:%s)$"
_MAX = 2**53 - 1


def duration(text: str) -> int:
    """Read a duration into microseconds.

    Raises:
        ValueError: It is not a whole number with a unit of us, ms, s, m, h or d.
    """
    return _read(text, DURATION, "a duration such as '250ms', '15m' or '30d'")


def size(text: str) -> int:
    """Read a size into bytes.

    Raises:
        ValueError: It is not a whole number with a unit such as B, kB, KiB, MB, MiB, GB, GiB.
    """
    return _read(text, SIZE, "a size such as '64KiB' or '8GB'")


def duration_text(micros: int) -> str:
    """Write microseconds in the largest unit that divides them."""
    return _write(micros, DURATION)


def size_text(count: int) -> str:
    """Write bytes in the largest unit that divides them."""
    return _write(count, SIZE)


def _read(text: str, units: dict[str, int], what: str) -> int:
    match = re.fullmatch(r"([0-9]{1,16}) ?([A-Za-z]{1,3})", text)
    if match is None or match[2] not in units:
        raise ValueError(f"{text[:40]!r} is not {what}")
    value = int(match[1]) * units[match[2]]
    if value > _MAX:
        raise ValueError(f"{text[:40]!r} is too large")
    return value


def _write(value: int, units: dict[str, int]) -> str:
    fitting = [(factor, unit) for unit, factor in units.items() if value % factor == 0]
    factor, unit = max(fitting) if value else min(fitting)
    return f"{value // factor}{unit}"
