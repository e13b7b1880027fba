"""From the spool of a data plane into the log: what happened, counted, chained and signed.

A gateway or a webhook holds no key and no database: it writes events to a durable spool, each line
with the hash of the line before. Draining signs one statement about the lines since the last time:
their numbers, the hashes at both ends, counts by kind, every gap, and each broken glass. The lines
stay where they are (or are archived): whoever has them can check them against the log.
"""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tidegate.app.workspace import Workspace
from tidegate.core.attest.statement import Statement, Subject
from tidegate.core.attest.uris import EVENTS
from tidegate.core.canonical import Json, dumps, loads
from tidegate.core.digest import Digest
from tidegate.core.errors import SubjectError, VerificationError
from tidegate.core.identity.reading import Fields
from tidegate.core.stage import Stage
from tidegate.gateway.spool_read import (
    GENESIS,
    Contents,
    Position,
    drop_segments,
    last_good,
    read_spool,
)
from tidegate.logbook.durable import read_file, replace_file

BOOKMARK: Final = "drained.json"
"""In the spool's folder: where the last drain stopped. The log has the same, signed."""
BREAK_GLASS: Final = "break-glass"
_MAX_BOOKMARK: Final = 4_096
_MAX_GLASS: Final = 1_000
_TOLD: Final = ("uid", "object", "reason", "refused")
"""Of a broken glass; who did it stands, under this uid, in the cluster's audit log."""


@dataclass(frozen=True, slots=True)
class Drained:
    """What a drain found and signed."""

    events: int
    counts: dict[str, int]
    gaps: int
    glass: int
    """Broken glasses."""
    index: int | None
    """Log index of the statement; ``None`` where there was nothing new."""
    dropped: int = 0
    """Segments that were removed."""


def drain(workspace: Workspace, spool: Path, *, prune: bool = False) -> Drained:
    """Sign and log what a spool holds beyond the last drain.

    Args:
        workspace: Where, and who signs: an operator or a releaser.
        spool: The folder.
        prune: Remove the segments that were drained whole.

    Raises:
        SubjectError: There is no spool here.
        AccessError: The principal may not sign for the serve gate.
        VerificationError: The spool does not go on from where the last drain stopped.
    """
    workspace.notary.authorise(Stage.SERVE)
    start = _bookmark(spool)
    try:
        found, last = read_spool(spool, start), last_good(spool).number
    except OSError as error:
        raise SubjectError(
            "the spool can't be read",
            where=str(spool),
            cause=error.strerror,
            next_step="name the folder that --spool named",
            slug="no-spool",
        ) from None
    if last < start.number:
        raise VerificationError(
            "the spool ends before the last drain did",
            where=str(spool),
            cause=f"event {start.number} was drained, {last} is the last one here",
            next_step="find out who removed or replaced its segments",
            slug="spool-rolled-back",
        )
    counts, glass = _counted(found), _glass(found)
    if not (found.events or found.gaps):
        return Drained(0, counts, 0, 0, None)
    statement = _statement(spool.name, start, found, counts, glass)
    receipt = workspace.notary.publish(statement, kind="attestation")
    end = {"number": found.end.number, "digest": found.end.digest, "index": receipt.index}
    replace_file(spool / BOOKMARK, dumps(end))
    dropped = drop_segments(spool, found.end.number) if prune else 0
    return Drained(len(found.events), counts, len(found.gaps), len(glass), receipt.index, dropped)


def _statement(
    name: str, start: Position, found: Contents, counts: dict[str, int], glass: list[Json]
) -> Statement:
    predicate: dict[str, Json] = {
        "from": {"number": start.number, "digest": start.digest},
        "to": {"number": found.end.number, "digest": found.end.digest},
        "counts": dict(counts),
        "gaps": [
            {"after": gap.after, "why": gap.why, "missing": gap.missing} for gap in found.gaps
        ],
        "breakGlass": list(glass[:_MAX_GLASS]),
    }
    # A spool is named by its chain: the hash of its last line commits to all before it.
    subject = Subject.of(f"spool:{name}", Digest("sha256", found.end.digest))
    return Statement((subject,), EVENTS, predicate)


def _counted(found: Contents) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for item in found.events:
        kind, outcome = item.event.get("kind"), item.event.get("outcome")
        counts[f"{kind} {outcome}" if outcome else str(kind)] += 1
    return dict(sorted(counts.items()))


def _glass(found: Contents) -> list[Json]:
    def told(event: dict[str, Any]) -> Json:
        return {name: str(event.get(name, ""))[:2_000] for name in _TOLD}

    return [told(one.event) for one in found.events if one.event.get("kind") == BREAK_GLASS]


def _bookmark(spool: Path) -> Position:
    data = read_file(spool / BOOKMARK, limit=_MAX_BOOKMARK)
    if data is None:
        return Position()
    fields = Fields(loads(data, what="the spool's bookmark"), "bookmark")
    digest = fields.text("digest", limit=len(GENESIS))
    return Position(fields.integer("number"), digest)
