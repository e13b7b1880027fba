"""The Drill contract: an attack run for real, with the gate off, with it on, and its harmless twin.

A drill proves something only if all three arms come out: the attack works where no gate stands,
the *named* control ends it where one does, and the twin without the attack passes.

>>> lure = Arm(End.SUCCEEDED, "the code ran")
>>> held = Arm(End.STOPPED, "refused", frozenset({"TG-REG-03"}))
>>> held.by("TG-REG-03").end, held.by("TG-REG-01").end
(<End.STOPPED: 'stopped'>, <End.MISSED: 'missed'>)
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Protocol, Self

from tidegate.core.canonical import Json
from tidegate.core.stage import Stage

__all__ = ["Arm", "Attack", "Drill", "End", "Exercise", "Twin"]

MAX_DETAIL = 600
"""Characters of a detail that are kept."""


class End(StrEnum):
    """How an arm of a drill ended."""

    SUCCEEDED = "succeeded"
    """The attack reached its goal."""
    FAILED = "failed"
    """The attack did not work, although no gate stood in its way."""
    STOPPED = "stopped"
    """A gate refused before any harm."""
    DETECTED = "detected"
    """A reader noticed."""
    MISSED = "missed"
    """Neither."""
    PASSED = "passed"
    """The harmless twin went through."""
    BLOCKED = "blocked"
    """The harmless twin did not."""
    NOT_RUN = "not-run"
    """The arm could not be run here."""


@dataclass(frozen=True, slots=True)
class Arm:
    """What one arm came to."""

    end: End
    detail: str
    """One sentence with what was seen: a measured value, a rule id, an error code."""
    controls: frozenset[str] = frozenset()
    """Controls whose rules or findings decided."""

    def to_json(self) -> dict[str, Json]:
        """Return the arm as it is signed."""
        return {
            "end": self.end.value,
            "detail": self.detail[:MAX_DETAIL],
            "controls": sorted(self.controls),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Json]) -> Self:
        """Read what :meth:`to_json` wrote."""
        return cls(End(value["end"]), str(value["detail"]), frozenset(value["controls"]))

    def by(self, control: str) -> "Arm":
        """Return the arm as it counts for one control: what another ended is missed by it."""
        if self.end not in _HELD or control in self.controls:
            return self
        others = ", ".join(sorted(self.controls)) or "no control"
        return replace(self, end=End.MISSED, detail=f"ended by {others} alone: {self.detail}")


_HELD = (End.STOPPED, End.DETECTED)


class Attack(Protocol):
    """Performs the attack in an empty folder of its own, on state that it makes there."""

    def __call__(self, folder: Path, *, gate_on: bool) -> Arm:
        """Run it against a pipeline without Tidegate, or against one with the gate."""
        ...


Twin = Callable[[Path], Arm]
"""Does the same without the attack, with the gate on, in an empty folder of its own."""


@dataclass(frozen=True, slots=True)
class Drill:
    """An entry of the attack catalogue."""

    id: str
    """``DR-REG-01``."""
    stage: Stage
    control: str
    """The control that must end it: ``TG-REG-03``."""
    title: str
    attack: Attack
    benign: Twin
    atlas: tuple[str, ...] = ()
    """MITRE ATLAS techniques that it performs."""
    missions: tuple[str, ...] = ()
    """Requirements of the mission that it exercises: ``M17``."""
    seconds: int = 60
    """Time that one run may take."""

    def to_json(self) -> dict[str, Json]:
        """Return what it is, without what it does."""
        return {
            "id": self.id,
            "stage": self.stage.value,
            "control": self.control,
            "title": self.title,
            "atlas": list(self.atlas),
            "missions": list(self.missions),
        }


@dataclass(frozen=True, slots=True)
class Exercise:
    """What a drill came to."""

    drill: Mapping[str, Json]
    """:meth:`Drill.to_json`."""
    control_arm: Arm
    treatment: Arm
    benign: Arm
    milliseconds: int

    @property
    def ok(self) -> bool:
        """Whether the attack works without the gate, is ended by it, and its twin passes."""
        return (
            self.control_arm.end is End.SUCCEEDED
            and self.treatment.end in _HELD
            and self.benign.end is End.PASSED
        )

    @property
    def ran(self) -> bool:
        """Whether all three arms ran."""
        return End.NOT_RUN not in (self.control_arm.end, self.treatment.end, self.benign.end)

    def counted(self) -> "Exercise":
        """Return it with the treatment counted for the named control alone."""
        return replace(self, treatment=self.treatment.by(str(self.drill["control"])))

    def to_json(self) -> dict[str, Json]:
        """Return the result as it is printed."""
        return {
            "id": self.drill["id"],
            "stage": self.drill["stage"],
            "control": self.drill["control"],
            "control_arm": self.control_arm.end.value,
            "treatment": self.treatment.end.value,
            "benign": self.benign.end.value,
            "ok": self.ok,
            "seconds": round(self.milliseconds / 1000, 3),
            "detail": {
                "control_arm": self.control_arm.detail,
                "treatment": self.treatment.detail,
                "benign": self.benign.detail,
            },
        }

    def to_predicate(self) -> dict[str, Json]:
        """Return the result as it is signed (``urn:tidegate:predicate:drill:v1``)."""
        return {
            "drill": dict(self.drill),
            "controlArm": self.control_arm.to_json(),
            "treatment": self.treatment.to_json(),
            "benign": self.benign.to_json(),
            "ok": self.ok,
            "milliseconds": self.milliseconds,
        }
