"""Whose signature on a model counts: judged by when it was made, as the log says it.

A signature file bears no time of its own. Where an admission in the log names its digest, it was
there by then; anything else is judged by the present, and any revocation of its key counts.
"""

from dataclasses import replace
from pathlib import Path

from tidegate.app.workspace import Workspace
from tidegate.core.clock import Micros
from tidegate.core.digest import sha256
from tidegate.core.errors import TrustError
from tidegate.core.identity.trust import (
    Purpose,
    TrustedKey,
    TrustRoot,
    check_not_revoked,
)
from tidegate.core.stage import Stage
from tidegate.gates.history import Query, newest_first
from tidegate.gates.signature import MAX_BUNDLE
from tidegate.graph.acts import revocations


def model_trust(
    workspace: Workspace, digest: str | None, signature: Path, *, drill: bool = False
) -> TrustRoot:
    """Return the trust root with only those people's keys that count for a model's signature.

    Args:
        workspace: Where.
        digest: The model that was admitted; ``None`` for one that is not known.
        signature: The file that should hold its signature.
        drill: Whether the admission was made in a drill.
    """
    at, index = workspace.clock.now(), None
    if digest is not None and signature.is_file():
        with signature.open("rb") as file:
            given = str(sha256(file.read(MAX_BUNDLE + 1)))
        query = Query({Stage.REGISTRY}, "admit", drill=drill)
        for spoken in newest_first(workspace.chains(), digest, query):
            if spoken.gate.parameters.get("signature") == given:
                at, index = spoken.verified.time, spoken.index
                break
    return standing(workspace, at=at, index=index)


def standing(workspace: Workspace, *, at: Micros, index: int | None) -> TrustRoot:
    """Return the trust root without people's keys that do not count for what was signed then.

    Args:
        workspace: Where.
        at: When, in log time.
        index: Log index of what names the signature; ``None`` where nothing does.
    """
    revoked = revocations(workspace.directives())

    def counts(key: TrustedKey) -> bool:
        try:
            key.check(at=at, purpose=Purpose.ATTEST)
            check_not_revoked(key.key.key_id, index, revoked)
        except TrustError:
            return False
        return True

    trust = workspace.trust
    kept = (key for key in trust.keys if key.purpose is not Purpose.ATTEST or counts(key))
    return replace(trust, keys=tuple(kept))
