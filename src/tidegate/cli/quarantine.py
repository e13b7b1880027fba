"""``tidegate quarantine``: hold an artifact, and with it everything that derives from it."""

from typing import Annotated

from cyclopts import App, Parameter

from tidegate.app.names import find_artifact
from tidegate.cli import output, session
from tidegate.cli.options import FLAT, Place, Reason, Signing
from tidegate.core.policy.directives import (
    Directive,
    Quarantine,
    ReinstateArtifact,
    Release,
    RevokeArtifact,
)
from tidegate.graph.lineage import taint

app = App(name="quarantine", help="Hold an artifact and all that derives from it.")
_Flag = Annotated[bool, Parameter(negative=())]


@app.command
def add(
    artifact: str,
    /,
    *,
    reason: Reason,
    revoke: _Flag = False,
    signing: Annotated[Signing, FLAT] = Signing(),
) -> int:
    """Hold an artifact; no gate lets it, or what is made from it, pass until it is released.

    Args:
        artifact: A path, a digest or a name.
        reason: Why, for the record.
        revoke: Withdraw it for good instead of holding it.
        signing: Who signs.
    """
    workspace = session.acting(signing)
    digest = find_artifact(workspace, artifact)
    act: Directive = (
        RevokeArtifact(digest=digest, reason=reason)
        if revoke
        else Quarantine(digest=digest, reason=reason)
    )
    code = output.emit_act(workspace, act, dry_run=signing.dry_run)
    derived = taint(workspace.projections, digest).digests
    if derived:
        output.notice(f"{len(derived)} artifacts derive from it and are held with it")
    return code


@app.command
def release(
    artifact: str, /, *, reason: Reason, signing: Annotated[Signing, FLAT] = Signing()
) -> int:
    """End a quarantine, or take a revocation back.

    Args:
        artifact: A path, a digest or a name.
        reason: Why, for the record.
        signing: Who signs.
    """
    workspace = session.acting(signing)
    digest = find_artifact(workspace, artifact)
    act: Directive = (
        ReinstateArtifact(digest=digest, reason=reason)
        if workspace.directives().is_revoked(digest)
        else Release(digest=digest, reason=reason)
    )
    return output.emit_act(workspace, act, dry_run=signing.dry_run)


@app.command(name="list")
def list_(*, place: Annotated[Place, FLAT] = Place()) -> int:
    """List what is held or revoked.

    Args:
        place: Where the workspace is.
    """
    workspace = session.reading(place)
    state = workspace.directives()
    rows = [
        (kind, _name(workspace.projections.artifact(digest)), digest[:19], act.principal,
         str(act.index), act.reason)
        for kind, held in (("quarantine", state.quarantined), ("revoked", state.revoked))
        for digest, act in held.items()
    ]  # fmt: skip
    output.emit_table(("state", "artifact", "digest", "by", "log", "reason"), rows)
    return 0


def _name(row: object) -> str:
    return str(getattr(row, "name", "(not seen)"))
