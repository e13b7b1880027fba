"""The registry as what runs is compared with it: from the log, and releases that verify."""

from tidegate.admission.inventory import Registry
from tidegate.app.holdings import Holdings
from tidegate.app.release import recalls
from tidegate.app.workspace import Workspace
from tidegate.core.attest.uris import VERIFICATION_SUMMARY
from tidegate.core.errors import TidegateError
from tidegate.interop.proved import Proved
from tidegate.interop.release import read_release

_LOOKED_AT = 2_000
"""So many of the newest summaries are read: each deployment is summarised again and again."""


def registry_of(workspace: Workspace) -> Registry:
    """Read what is registered, promoted, recalled and released.

    Raises:
        TidegateError: The log can't be verified.
    """
    holdings = Holdings.read(workspace).models
    stages = {
        alias: tuple(one.digest for one in history)
        for alias, history in sorted(workspace.directives().aliases.items())
        if "@" not in alias and not alias.startswith("allow-pack/")
    }
    return Registry(
        {one.digest: one.versions for one in holdings if one.versions},
        stages,
        recalls(workspace).digests,
        _resources(workspace),
    )


def _resources(workspace: Workspace) -> dict[str, str]:
    """Return the digest behind each resource, by its URI and the digest in it; the newest wins."""
    rows = workspace.projections.attestations(limit=100_000)
    indices = [row.index for row in rows if row.predicate_type == VERIFICATION_SUMMARY]
    reader = workspace.chains()
    judge = reader.verification
    found: dict[str, str] = {}
    for index in indices[:_LOOKED_AT]:
        try:
            logged = reader.statements.logged(index)
            if logged is None:  # erased
                continue
            release = read_release(
                Proved.of(logged, judge.head.note, workspace.trust),
                workspace.trust,
                now=workspace.clock.now(),
                revocations=judge.revocations,
            )
        except TidegateError:
            continue  # it says FAILED, or does not count any more: nothing was released by it
        _, at, pinned = release.resource.rpartition("@")
        found.setdefault(release.resource, str(release.digest))
        if at and pinned.startswith("sha256:"):
            found.setdefault(pinned, str(release.digest))
    return found
