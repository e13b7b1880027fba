"""Drops of one partner at the ingest gate."""

from collections.abc import Iterable
from pathlib import Path

from tidegate.app.ingest import AdmitRequest, admit
from tidegate.app.sources import add_source
from tidegate.core.decision import Decision
from tidegate.drills.arena import Arena
from tidegate.drills.arms import require_allow
from tidegate.drills.feed import Application, write_feed

SOURCE, OWNER = "partner-a", "Partner A"


def first_drop(arena: Arena, rows: Iterable[Application]) -> Decision:
    """Register the partner and admit its first drop."""
    workspace = arena.workspace
    workspace.act(add_source(workspace, SOURCE, tier="partner", owner=OWNER))
    path = write_feed(arena.folder / "first.csv", rows)
    return require_allow(deliver(arena, path, target="granted"))


def next_drop(arena: Arena, rows: Iterable[Application]) -> Decision:
    """Ask for the next drop's admission."""
    return deliver(arena, write_feed(arena.folder / "next.csv", rows), target="granted")


def deliver(arena: Arena, path: Path, *, target: str | None = None) -> Decision:
    """Ask for a file's admission, with all duties fulfilled."""
    request = AdmitRequest(
        path=path,
        source=SOURCE,
        owner=OWNER,
        licence="CC-BY-4.0",
        label="internal",
        target=target,
    )
    return admit(arena.workspace, request)
