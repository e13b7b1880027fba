"""A small workspace with a command line beside it, for tests of what people type."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tidegate.app.genesis import Founder, everything, found
from tidegate.app.signed_policy import sign
from tidegate.app.workspace import Workspace
from tidegate.core.finding import Coverage
from tidegate.core.identity.roles import Role
from tidegate.core.stage import Stage
from tidegate.gates.contract import (
    Check,
    CheckResult,
    Detector,
    GateRequest,
    Order,
    Scalar,
    Target,
)


@dataclass(frozen=True)
class Ran:
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Its answer."""
        return json.loads(self.out)


Tidegate = Callable[..., Ran]


@dataclass(frozen=True)
class AnyGate:
    """A gate whose one check finds nothing, or can't look."""

    stage: Stage = Stage.INGEST
    whole: bool = True

    def checks(self, request: GateRequest) -> list[Check]:  # noqa: ARG002 - a Gate
        """One check."""
        coverage = Coverage(1, 1 if self.whole else 0, unit="file")
        facts: dict[str, Scalar] = {"has_owner": True, "has_source": True, "tier": "trusted"}
        return [
            Check("governance", "TG-ING-01", Detector("any", "1"),
                  lambda: CheckResult(coverage, (), facts))
        ]  # fmt: skip


@dataclass(frozen=True)
class Site:
    """A workspace of several people, and what was decided in it."""

    root: Path

    def open(self, act_as: str = "me") -> Workspace:
        """Open it as somebody."""
        return Workspace.open(self.root, act_as=act_as)

    def use(self, bundle: str) -> None:
        """Put a policy file of the folder in force, signed."""
        config = self.root / "tidegate.toml"
        config.write_text(config.read_text() + f'\n[policy]\nbundle = "{bundle}"\n')
        workspace = self.open()
        sign(workspace, workspace.policy, [])

    def admit(self, name: str = "data.csv", *, whole: bool = True) -> str:
        """Run a gate over a file, which the default policy denies; return its digest."""
        path = self.root / name
        if not path.exists():
            path.write_text(f"a,b\n1,{name}\n")
        order = Order("admit", (Target(name, "dataset", path),))
        decision = self.open().run(AnyGate(whole=whole), order)
        return decision.subjects[0].digest


def found_site(root: Path) -> None:
    """Make a workspace with unsealed keys: ``me`` may everything, ``ana`` and ``bo`` less."""
    people = (
        everything("me"),
        Founder("ana", frozenset({Role.STEWARD})),
        Founder("bo", frozenset({Role.OPERATOR})),
    )
    found(root, people).engine.dispose()
