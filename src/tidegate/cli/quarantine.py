"""``tidegate quarantine``: hold an artifact, and with it everything that derives from it."""

from typing import Annotated

from cyclopts import App

from tidegate.app.names import find_artifact
from tidegate.cli import acts, output, session
from tidegate.cli.options import FLAT, Acting, Flag, Reading, Reason
from tidegate.core.policy.directives import (
    Directive,
    Quarantine,
    ReinstateArtifact,
    Release,
    RevokeArtifact,
)
from tidegate.graph.lineage import taint

app = App(name="quarantine", help="Hold an artifact and all that derives from it.")


@app.command
def add(
    artifact: str,
    /,
    *,
    reason: Reason,
    revoke: Flag = False,
    acting: Annotated[Acting, FLAT] = Acting(),
) -> int:
    """Hold an artifact; no gate lets it, or what is made from it, pass until it is released.

    JSON: `act`, `index`, `envelope`, `dryRun`; `derived`, digests of what derives from it and is
    held with it.

    Args:
        artifact: A path, a digest or a name.
        reason: Why, for the record.
        revoke: Withdraw it for good instead of holding it.
        acting: Who signs, and how the answer is shown.
    """
    workspace = session.acting(acting)
    digest = find_artifact(workspace, artifact)
    act: Directive = (
        RevokeArtifact(digest=digest, reason=reason)
        if revoke
        else Quarantine(digest=digest, reason=reason)
    )
    receipt = acts.append(workspace, act, acting)
    derived = list(taint(workspace.projections, digest).digests)
    held = [f"{len(derived)} artifacts derive from it and are held with it"] if derived else []
    return acts.tell(acting, act, receipt, {"derived": derived}, *held)


@app.command
def release(artifact: str, /, *, reason: Reason, acting: Annotated[Acting, FLAT] = Acting()) -> int:
    """End a quarantine, or take a revocation back.

    JSON: `act`, `index`, `envelope`, `dryRun`.

    Args:
        artifact: A path, a digest or a name.
        reason: Why, for the record.
        acting: Who signs, and how the answer is shown.
    """
    workspace = session.acting(acting)
    digest = find_artifact(workspace, artifact)
    act: Directive = (
        ReinstateArtifact(digest=digest, reason=reason)
        if workspace.directives().is_revoked(digest)
        else Release(digest=digest, reason=reason)
    )
    return acts.perform(workspace, act, acting)


@app.command(name="list")
def list_(*, reading: Annotated[Reading, FLAT] = Reading()) -> int:
    """List what is held or revoked.

    JSON: `held` (`state`, `name`, `digest`, `principal`, `index`, `reason`).

    Args:
        reading: Where the workspace is, and how the answer is shown.
    """
    workspace = session.reading(reading)
    state = workspace.directives()
    rows = [
        {
            "state": kind,
            "name": _name(workspace.projections.artifact(digest)),
            "digest": digest,
            "principal": act.principal,
            "index": act.index,
            "reason": act.reason,
        }
        for kind, held in (("quarantine", state.quarantined), ("revoked", state.revoked))
        for digest, act in held.items()
    ]
    headers = ("state", "artifact", "digest", "by", "log", "reason")
    shown = [[str(value)[:19] if name == "digest" else value for name, value in row.items()]
             for row in rows]  # fmt: skip
    output.emit(reading, {"held": rows}, output.Table(headers, shown, "nothing is held or revoked"))
    return 0


def _name(row: object) -> str:
    return str(getattr(row, "name", "(not seen)"))
