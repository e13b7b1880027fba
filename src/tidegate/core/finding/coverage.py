"""Coverage: what a check meant to look at, and what it did look at.

"Not scanned" is never "clean": a check that examined nothing, skipped or failed leaves the gate
undecided, and the coverage is part of the signed verdict.

>>> total = Coverage(planned=2, examined=1, skipped=(Skipped("b.bin", "encrypted"),))
>>> total.complete
False
>>> (total + Coverage(planned=1, examined=1)).examined
2
"""

from dataclasses import dataclass

from tidegate.core.canonical import Json

_ANY = "item"
"""The unit of what says none, and of a sum over different ones."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """A thing that was planned and not examined."""

    what: str
    """Path, column, member or test."""
    why: str
    """The reason, for a person."""

    def to_json(self) -> dict[str, Json]:
        """Return both fields."""
        return {"what": self.what, "why": self.why}


@dataclass(frozen=True, slots=True)
class Coverage:
    """Counts of units (files, columns, rows, tests: the check says which), and the gaps.

    Coverages add up, and ``Coverage()`` is neutral: a part that counts nothing has no say in the
    unit. A sum over different units counts items.
    """

    planned: int = 0
    examined: int = 0
    skipped: tuple[Skipped, ...] = ()
    failed: tuple[Skipped, ...] = ()
    unit: str = _ANY

    @property
    def empty(self) -> bool:
        """Whether it counts nothing."""
        return not (self.planned or self.examined or self.skipped or self.failed)

    @property
    def complete(self) -> bool:
        """Whether something was examined, and nothing that was planned is missing."""
        gaps = bool(self.skipped or self.failed)
        return self.examined > 0 and self.examined >= self.planned and not gaps

    def __add__(self, other: "Coverage") -> "Coverage":
        return Coverage(
            self.planned + other.planned,
            self.examined + other.examined,
            self.skipped + other.skipped,
            self.failed + other.failed,
            self._joint_unit(other),
        )

    def _joint_unit(self, other: "Coverage") -> str:
        if self.empty and other.empty:
            return other.unit if self.unit == _ANY else self.unit
        if self.empty or other.empty:
            return other.unit if self.empty else self.unit
        return self.unit if self.unit == other.unit else _ANY

    def to_json(self) -> dict[str, Json]:
        """Return the form that is signed inside a gate predicate."""
        return {
            "planned": self.planned,
            "examined": self.examined,
            "skipped": [item.to_json() for item in self.skipped],
            "failed": [item.to_json() for item in self.failed],
            "unit": self.unit,
        }
