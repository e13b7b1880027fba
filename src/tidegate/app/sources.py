"""The register of sources: who answers for each, and how far it is trusted.

>>> TIERS
('trusted', 'partner', 'web')
"""

from tidegate.app.workspace import Workspace
from tidegate.core.errors import TidegateError, UsageError
from tidegate.core.policy.directives import RegisterSource, RetireSource

TIERS = ("trusted", "partner", "web")
"""How far a source is trusted."""
UNSTATED = "unstated"
"""The licence of a source that was registered without one."""


def add_source(
    workspace: Workspace,
    name: str,
    *,
    tier: str,
    owner: str,
    licence: str = "",
    reason: str = "",
) -> RegisterSource:
    """Return the act that registers a source, to be signed with ``workspace.act``.

    Raises:
        UsageError: A field is not what it should be, or the source is registered so already.
    """
    if tier not in TIERS:
        raise UsageError(
            "no such tier", where=tier[:100], next_step=f"use {', '.join(TIERS)}", slug="bad-tier"
        )
    try:
        act = RegisterSource(
            source=name,
            tier=tier,
            owner=owner,
            licence=licence or UNSTATED,
            reason=reason or f"registers {name}",
        )
    except TidegateError as error:
        raise UsageError(
            "a source can't be registered so",
            where=f"{error.where}: {name}"[:200],
            next_step="use letters, digits, dots, dashes and underscores for its name, and name "
            "an owner",
            slug="bad-source",
        ) from None
    known = workspace.directives().sources.get(name)
    if known is not None and (known.tier, known.owner, known.licence) == (tier, owner, act.licence):
        raise UsageError("the source is registered so already", where=name, slug="same-source")
    return act


def remove_source(workspace: Workspace, name: str, *, reason: str) -> RetireSource:
    """Return the act that takes a source off the register.

    Raises:
        UsageError: It is not in the register.
    """
    if name not in workspace.directives().sources:
        raise UsageError(
            "there is no such source",
            where=name[:100],
            next_step="see `tidegate ingest source list`",
            slug="no-such-source",
        )
    return RetireSource(source=name, reason=reason or f"retires {name}")
