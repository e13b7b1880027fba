"""Moments as lock files write them."""

from datetime import UTC, datetime

from tidegate.core.clock import SECOND, Micros


def moment(value: object) -> Micros | None:
    """Return a time as UTC microseconds; nothing where it is no time.

    >>> moment("2026-10-18T16:21:07.655Z")
    1792340467655000
    """
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    if not isinstance(value, datetime):
        return None
    aware = value if value.tzinfo else value.replace(tzinfo=UTC)
    try:
        delta = aware - datetime(1970, 1, 1, tzinfo=UTC)
    except OverflowError:
        return None
    whole = delta.days * 86_400 + delta.seconds
    return Micros(whole * SECOND + delta.microseconds)
