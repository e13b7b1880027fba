"""The attack catalogue: every drill that there is, by stage.

>>> drill_by_id("DR-REG-01").control
'TG-REG-03'
"""

from tidegate.core.errors import UsageError
from tidegate.drills import (
    ingest_flipped,
    ingest_pii,
    ingest_trigger,
    log_edited,
    log_forked,
    log_rolled_back,
    monitor_shift,
    prepare_leak,
    prepare_shadow,
    registry_alone,
    registry_pickle,
    registry_resigned,
    serve_injection,
    serve_rollback,
    serve_swapped,
    serve_tampered,
    train_edited,
    train_exfiltration,
    train_swapped,
    validate_one_source,
    validate_tainted,
)
from tidegate.gates.drill import Drill

CATALOGUE: tuple[Drill, ...] = (
    ingest_flipped.DRILL,
    ingest_pii.DRILL,
    ingest_trigger.DRILL,
    prepare_leak.DRILL,
    prepare_shadow.DRILL,
    train_exfiltration.DRILL,
    train_edited.DRILL,
    train_swapped.DRILL,
    validate_tainted.DRILL,
    validate_one_source.DRILL,
    registry_pickle.DRILL,
    registry_resigned.DRILL,
    registry_alone.DRILL,
    serve_swapped.DRILL,
    serve_rollback.DRILL,
    serve_injection.DRILL,
    serve_tampered.DRILL,
    monitor_shift.DRILL,
    log_edited.DRILL,
    log_rolled_back.DRILL,
    log_forked.DRILL,
)


def drill_by_id(text: str) -> Drill:
    """Return the drill of an id, in any case of letters.

    Raises:
        UsageError: There is none.
    """
    for drill in CATALOGUE:
        if drill.id == text.upper():
            return drill
    raise UsageError(
        "there is no such drill",
        where=text[:100],
        next_step="see `tidegate drill list`",
        slug="no-such-drill",
    )
