"""Waivers: signed, short-lived, twice approved exceptions from one control.

A waiver that does not hold says why, so that a denial can name the waiver that expired.

>>> day = 86_400_000_000
>>> waiver = Waiver("waiver-7", "TG-REG-04", "*", "*", "ann", "migration", 0, 9 * day, ("bo", "cy"))
>>> waiver.fault(producer="dee", now=3 * day), waiver.fault(producer="cy", now=3 * day)
('', 'one of its two approvers is the producer')
"""

from dataclasses import dataclass

from tidegate.core.clock import DAY, iso

MAX_DAYS = 30
APPROVERS = 2
ANY = "*"


@dataclass(frozen=True, slots=True)
class Waiver:
    """An exception, as the log's directives give it (control TG-GOV-02)."""

    id: str
    """``waiver-<log index>`` of the directive that granted it."""
    control: str
    """The control that it is an exception from."""
    rule: str
    """One rule of that control, or ``*``."""
    scope: str
    """The subject's digest, or ``*``."""
    owner: str
    """The principal who answers for the risk."""
    reason: str
    granted: int
    """Log time of the grant, in microseconds."""
    expires: int
    """In microseconds; not later than 30 days after the grant."""
    approvers: tuple[str, ...]
    """Who signed it: the granter, then those who approved."""

    def covers(self, *, control: str, rule: str, digest: str) -> bool:
        """Return whether it speaks of this rule and subject, holding or not.

        An empty digest, a subject that is not known, is reached by ``*`` alone.
        """
        reaches = self.scope == ANY or (bool(digest) and self.scope == digest)
        return reaches and self.control == control and self.rule in (ANY, rule)

    def fault(self, *, producer: str | None, now: int) -> str:
        """Return why it does not hold now, or an empty text.

        Args:
            producer: Who made the subject; ``None`` when that is not known, and then no waiver
                holds, since its approvers can't be told from the producer.
            now: The present, in microseconds.
        """
        others = set(self.approvers) - {producer}
        faults = (
            (not (self.owner.strip() and self.reason.strip()), "it lacks an owner or a reason"),
            (
                self.expires - self.granted > MAX_DAYS * DAY,
                f"it runs for more than {MAX_DAYS} days",
            ),
            (now < self.granted, "its grant lies in the future"),
            (now >= self.expires, f"it expired at {_date(self.expires)}"),
            (producer is None, "the subject's producer is not known"),
            (len(set(self.approvers)) < APPROVERS, f"{APPROVERS} approvers are needed"),
            (len(others) < APPROVERS, "one of its two approvers is the producer"),
        )
        return next((text for holds, text in faults if holds), "")


def _date(micros: int) -> str:
    """Write a time; one beyond the calendar as a number."""
    try:
        return iso(micros)
    except (ValueError, OverflowError, OSError):
        return f"{micros} µs"
