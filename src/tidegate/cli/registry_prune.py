"""``tidegate registry prune``: let go of what is kept of old versions."""

from typing import Annotated

from tidegate.app.retention import plan_pruning
from tidegate.app.retention import prune as erase_all
from tidegate.cli import output, session
from tidegate.cli.options import FLAT, Acting, Flag, Reason
from tidegate.config import duration
from tidegate.core.canonical import Json
from tidegate.core.clock import Micros
from tidegate.core.errors import UsageError


def prune(
    *,
    keep: int,
    older_than: str,
    reason: Reason,
    yes: Flag = False,
    acting: Annotated[Acting, FLAT] = Acting(),
) -> int:
    """Erase what is kept of old versions (not their files, nor anything of the log).

    A dry run without --yes. What stays: versions that a stage means or meant, so that it can be
    rolled back; versions that are held, so that their weights are known when they come again; what
    those were made from; the newest of each name, and the young. Each erasure is a signed act of a
    steward or operator.

    JSON: `prunable` (`digest`, `names`, `blobs`); `stay` (`name`, `reason`); `erasures`, log
    indices; `dryRun`.

    Args:
        keep: How many of the newest versions of each name stay; 1 or more.
        older_than: How old a version must be to go, with a unit: 180d.
        reason: Why, for the record.
        yes: Do it.
        acting: Who signs, and how the answer is shown.
    """
    # To look at the plan takes no key.
    really = yes and not acting.dry_run
    workspace = session.acting(acting) if really else session.reading(acting)
    plan = plan_pruning(workspace, keep=keep, older_than=_micros(older_than))
    done = erase_all(workspace, plan, reason) if really else []
    going: list[Json] = [
        {"digest": one.digest, "names": list(one.versions), "blobs": len(one.documents)}
        for one in plan.go
    ]
    facts: dict[str, Json] = {
        "prunable": going,
        "stay": [{"name": name, "reason": why} for name, why in plan.stay],
        "erasures": [index for _, index in done],
        "dryRun": not really,
    }
    verb = "erased" if really else "would go"
    rows = [
        (verb, f"{', '.join(one.versions) or one.digest[:19]}: {len(one.documents)} documents")
        for one in plan.go
    ] or [("nothing goes", "no version is old, replaced and unneeded")]
    rows += [("stays", f"{name}: {why}") for name, why in plan.stay]
    output.emit(acting, facts, rows)
    if not really:
        output.notice("dry run: nothing was erased; add --yes to do it")
    return 0


def _micros(text: str) -> Micros:
    try:
        return Micros(duration(text))
    except ValueError as error:
        raise UsageError(
            "not a duration",
            where="--older-than",
            cause=str(error),
            next_step="write it with a unit: 30d, 180d",
            slug="bad-duration",
        ) from None
