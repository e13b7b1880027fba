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
    registry_confusion,
    registry_image,
    registry_lambda,
    registry_laptop,
    registry_pickle,
    registry_repointed,
    registry_resigned,
    registry_shadow,
    registry_stolen_key,
    registry_template,
    serve_injection,
    serve_rollback,
    serve_swapped,
    serve_tampered,
    train_edited,
    train_exfiltration,
    train_swapped,
    validate_backdoor,
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
    validate_backdoor.DRILL,
    registry_pickle.DRILL,
    registry_resigned.DRILL,
    registry_alone.DRILL,
    registry_lambda.DRILL,
    registry_template.DRILL,
    registry_confusion.DRILL,
    registry_image.DRILL,
    registry_repointed.DRILL,
    registry_laptop.DRILL,
    registry_stolen_key.DRILL,
    registry_shadow.DRILL,
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
