"""What the demonstration tells while it runs, and what it remembers for its page."""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum


class Mark(StrEnum):
    """What a line reports."""

    PASSED = "passed"
    """An honest step went through."""
    STOPPED = "stopped"
    """An attack was stopped, as it should be."""
    WRONG = "wrong"
    """Something else happened: the demonstration has failed."""


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that happened."""

    scene: str
    mark: Mark
    what: str
    why: str
    """What the gate said."""
    seconds: float


@dataclass(slots=True)
class Narrator:
    """Collects lines, and hands each to whoever shows it."""

    show: Callable[[str | Line], None]
    clock: Callable[[], float]
    lines: list[Line] = field(default_factory=list[Line])
    _scene: str = ""
    _since: float = 0.0

    def scene(self, title: str) -> None:
        """Begin a scene."""
        self._scene, self._since = title, self.clock()
        self.show(title)

    def tell(self, what: str, why: str, *, expected: bool, attack: bool = False) -> None:
        """Tell what happened; what was not expected fails the demonstration."""
        mark = Mark.WRONG if not expected else Mark.STOPPED if attack else Mark.PASSED
        now = self.clock()
        line = Line(self._scene, mark, what, why, now - self._since)
        self._since = now
        self.lines.append(line)
        self.show(line)

    @property
    def failed(self) -> list[Line]:
        """The lines that went otherwise than they should."""
        return [line for line in self.lines if line.mark is Mark.WRONG]

    @property
    def stopped(self) -> list[Line]:
        """The attacks that were stopped."""
        return [line for line in self.lines if line.mark is Mark.STOPPED]
