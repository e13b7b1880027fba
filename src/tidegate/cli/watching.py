"""``tidegate serve watch``: verify running replicas, again and again."""

import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

from tidegate.app.replicas import Look, Replica, ReplicaWatch
from tidegate.cli import output, session
from tidegate.cli.options import FLAT, Acting, Flag
from tidegate.config import duration
from tidegate.core.clock import SECOND, Micros, iso
from tidegate.core.errors import RemoteError, UsageError
from tidegate.core.stage import Outcome

_EXIT = {Outcome.ALLOW: 0, Outcome.UNDECIDED: 4, Outcome.DENY: 1}


def watch(
    replica: tuple[str, ...],
    /,
    *,
    every: str = "5m",
    refresh: str = "6h",
    releases: Path | None = None,
    cloudevents: str | None = None,
    once: Flag = False,
    acting: Annotated[Acting, FLAT] = Acting(),
) -> int:
    """Verify running replicas again and again; log what changed, and raise an alert.

    Looks at every replica as often as --every says, and logs a verdict when it changed or the last
    one has grown older than --refresh. Ends on SIGTERM, or with --once after one look, for a timer.

    JSON: a line a look, with `time`, `deployment`, `path`, `outcome`, `logged`, `index`, `alert`.

    Args:
        replica: PATH=NAME/STAGE: where the files are, and what they should be.
        every: Time between two looks, with a unit: 30s, 5m.
        refresh: How old the last logged verdict may grow.
        releases: Keep a release file for each replica here, while it verifies.
        cloudevents: File or web address that gets alerts; a file of the workspace without it.
        once: Look once, and end with the worst outcome's code.
        acting: Who signs, and how the answer is shown.
    """
    if acting.dry_run:
        raise UsageError(
            "a watch has no dry run", where="--dry-run",
            next_step="look once with `tidegate serve check --dry-run`", slug="arguments",
        )  # fmt: skip
    pause = _duration("--every", every) / SECOND
    workspace = session.acting(acting)
    guard = ReplicaWatch(
        workspace,
        [_replica(text) for text in replica],
        _duration("--refresh", refresh),
        releases,
        cloudevents,
    )
    with _until_told() as told:
        while True:
            try:
                looks = guard.look()
            except RemoteError as error:
                # The alert is in the outbox, and the watch must go on.
                output.notice(f"{error.problem}: {error.cause}")
                looks = []
            for look in looks:
                _tell(look, acting, iso(workspace.clock.now()))
            if once:
                return max((_EXIT[look.decision.outcome] for look in looks), default=6)
            if told.wait(pause):
                return 0


def _tell(look: Look, acting: Acting, time: str) -> None:
    decision = look.decision
    facts = {
        "time": time,
        "deployment": look.replica.alias,
        "path": str(look.replica.path),
        "outcome": decision.outcome.value,
        "logged": look.logged,
        "index": decision.index,
        "alert": None if look.alert is None else look.alert.message,
    }
    said = f"log {decision.index}" if look.logged else "as before"
    line = f"{time}  {decision.outcome.value:9s} {look.replica.alias}  {said}"
    output.emit_line(acting, facts, line, *([look.alert.message] if look.alert else []))


def _replica(text: str) -> Replica:
    path, separator, alias = text.rpartition("=")
    if not (separator and path and "/" in alias):
        raise UsageError(
            "not PATH=NAME/STAGE",
            where=text[:100],
            next_step="write it like /srv/models/credit=credit/prod",
            slug="bad-replica",
        )
    return Replica(Path(path), alias)


def _duration(flag: str, text: str) -> Micros:
    try:
        micros = duration(text)
    except ValueError as error:
        raise UsageError(
            "not a duration",
            where=flag,
            cause=str(error),
            next_step="write it with a unit: 30s, 5m",
            slug="bad-duration",
        ) from None
    return Micros(micros)


@contextmanager
def _until_told() -> Generator[threading.Event]:
    """Set an event on SIGTERM, so that a look in progress is finished first."""
    told = threading.Event()
    before = signal.signal(signal.SIGTERM, lambda *_: told.set())
    try:
        yield told
    finally:
        signal.signal(signal.SIGTERM, before)
