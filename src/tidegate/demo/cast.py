"""Who takes part: five people with a key of their own each, and the workspace that they share."""

from dataclasses import dataclass
from pathlib import Path

from tidegate.app.genesis import Founder, found
from tidegate.app.keyring import models_key
from tidegate.app.workspace import Workspace
from tidegate.core.identity.roles import Role

FOUNDERS = (
    Founder("dana", frozenset({Role.STEWARD})),
    Founder("tara", frozenset({Role.TRAINER})),
    Founder("vic", frozenset({Role.VALIDATOR})),
    Founder("rory", frozenset({Role.RELEASER})),
    Founder("omar", frozenset({Role.OPERATOR})),
)


@dataclass(frozen=True, slots=True)
class Cast:
    """The people, each with an open workspace of their own."""

    root: Path
    environ: dict[str, str]

    def by(self, name: str) -> Workspace:
        """Open the workspace as one of them."""
        return Workspace.open(self.root, act_as=name, environ=self.environ)


def assemble(folder: Path) -> Cast:
    """Found the workspace in a folder; heads are remembered beside it, not in the user's home."""
    environ = {"XDG_STATE_HOME": str(folder / "client"), "HOME": str(folder)}
    workspace = found(folder / "workspace", FOUNDERS, name="demo", environ=environ)
    models_key(workspace, "rory", None)
    return Cast(folder / "workspace", environ)
