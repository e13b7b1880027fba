"""Whether an act would change anything, asked before it is signed and stands in the log for ever.

::

    check_effect(workspace, RetractWaiver(waiver="waiver-99", reason="…"))  # UsageError
"""

from tidegate.app.workspace import Workspace
from tidegate.core.errors import UsageError
from tidegate.core.policy.directives import Directive


def check_effect(workspace: Workspace, act: Directive) -> None:
    """Check that an act of the present principal has an effect, such as something to undo.

    Raises:
        UsageError: It has none: the log would refuse it.
        AccessError: The principal's key can't be used.
    """
    before = workspace.directives()
    who, now = workspace.principal.name, workspace.clock.now()
    after = before.apply(before.last_index + 1, act, who, now)
    if len(after.refused) > len(before.refused):
        raise UsageError(
            f"{act.kind} would have no effect",
            where=_about(act),
            cause=after.refused[-1].why,
            next_step="check what it is about; nothing was signed",
            slug="no-effect",
        )


def _about(act: Directive) -> str:
    said = act.to_json()
    names = ("digest", "key_id", "waiver", "subject", "source", "name")
    return next((str(said[name]) for name in names if name in said), act.kind)
