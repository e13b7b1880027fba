"""Real workspaces for tests: throw-away folders, a fixed clock, a gate with given checks."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tidegate.app.genesis import Founder, everything, found
from tidegate.app.workspace import Workspace
from tidegate.core.clock import FixedClock
from tidegate.core.decision import Decision
from tidegate.core.finding import Coverage, Detector
from tidegate.core.identity.roles import Role
from tidegate.core.stage import Stage
from tidegate.gates.contract import Check, CheckResult, GateRequest, Order, Target

START = 1_800_000_000_000_000
GOVERNED: dict[str, bool | int | str] = {
    "has_owner": True,
    "has_source": True,
    "has_licence": True,
    "has_label": True,
    "has_approval": True,
    "tier": "trusted",
}


def workspace(folder: Path, *founders: Founder) -> Workspace:
    """Found a workspace with a clock that stands still, remembering heads below the folder."""
    clock = FixedClock(START)
    people = founders or (everything("ann"), Founder("vic", frozenset({Role.VALIDATOR})))
    environ = {"XDG_STATE_HOME": str(folder / "state"), "HOME": str(folder)}
    return found(folder / "ws", people, clock=clock, environ=environ)


@dataclass(frozen=True)
class GivenGate:
    """A gate whose checks are given."""

    stage: Stage
    given: Sequence[Check]

    def checks(self, request: GateRequest) -> Sequence[Check]:  # noqa: ARG002 - the protocol's
        return self.given


def passing(name: str, facts: dict[str, bool | int | str] | None = None) -> Check:
    """Return a check that examined one thing and found nothing."""
    return Check(
        name,
        "TG-ING-02",
        Detector("test", "1"),
        lambda: CheckResult(Coverage(1, 1), (), facts or {}),
    )


def admit(where: Workspace, path: Path, name: str | None = None) -> Decision:
    """Admit a file with everything that the default policy wants of raw data."""
    checks = [passing("governance", dict(GOVERNED)), passing("pii", {"above_label": 0})]
    order = Order("admit", (Target(name or path.name, "dataset", path),))
    return where.run(GivenGate(Stage.INGEST, checks), order)
