"""Rules: what a check can find, as data with a page of its own.

Each detector and gate module declares ``RULES``; the catalogue is the sum of them.
"""

from dataclasses import dataclass

from tidegate.core.finding.model import Severity


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing that can be found, and what to do about it."""

    id: str
    """``<control>/<slug>``: ``TG-REG-03/pickle-call``."""
    title: str
    """A noun phrase."""
    severity: Severity
    """Default severity."""
    risk: str
    """What can happen, in one or two sentences."""
    fix: str
    """What to do, in one or two sentences."""
    atlas: tuple[str, ...] = ()
    """MITRE ATLAS technique ids."""
    owasp: tuple[str, ...] = ()
    """OWASP LLM, ASI or ML ids."""

    @property
    def control(self) -> str:
        """The control that the rule serves."""
        return self.id.partition("/")[0]
