"""The instrument: which program looked, so that a verdict names it.

>>> Detector("pii", "1").to_json()
{'name': 'pii', 'version': '1'}
"""

from dataclasses import dataclass

from tidegate.core.canonical import Json
from tidegate.core.finding.model import Measured


@dataclass(frozen=True, slots=True)
class Detector:
    """A detector's name and version, and what it was measured to do."""

    name: str
    """Short and stable: it names facts and documentation pages."""
    version: str
    """Changes whenever the same input could give another answer."""
    measured: Measured | None = None
    """Its calibration, shown with every finding; absent where none was made."""

    def to_json(self) -> dict[str, Json]:
        """Return the form that is signed."""
        out: dict[str, Json] = {"name": self.name, "version": self.version}
        if self.measured:
            out["measured"] = self.measured.to_json()
        return out
