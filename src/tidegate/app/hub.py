"""Take a snapshot of a hub's cache: its files laid out, and what is known of where it comes from.

::

    path, origin = take_snapshot(workspace, snapshot_folder, Path("models/tumour"))
    admit_model(workspace, Admission(path, "tumour", "1", origin=origin))
"""

from collections.abc import Iterator
from pathlib import Path

from tidegate.app.holdings import Holdings, NotKept
from tidegate.app.workspace import Workspace
from tidegate.core.errors import UsageError
from tidegate.gates.registry.origin import Moved, Origin, claimed_origin
from tidegate.interop.hub import Snapshot, lay_out, read_snapshot


def take_snapshot(workspace: Workspace, path: Path, target: Path | None) -> tuple[Path, Origin]:
    """Lay a snapshot out, and say what its origin is.

    Args:
        workspace: Whose publishers are allowed, and which admissions came before.
        path: ``models--OWNER--NAME/snapshots/COMMIT``.
        target: The new folder for its files.

    Raises:
        UsageError: No folder is named, or it is there already.
        SubjectError: It is no snapshot, or holds what no artifact can.
    """
    snapshot = read_snapshot(path)
    if target is None:
        raise UsageError(
            "a snapshot is a folder of links, which no artifact may hold",
            where=snapshot.repository,
            next_step="name a new folder for its files with --into, and deploy from there",
            slug="no-output",
        )
    moved = tuple(_moved(workspace, snapshot))
    made = lay_out(snapshot, target)
    return target, Origin(
        snapshot.repository,
        snapshot.revision,
        snapshot.refs,
        _is_listed(workspace, snapshot),
        moved,
        made.altered,
        made.files,
    )


def _is_listed(workspace: Workspace, snapshot: Snapshot) -> bool:
    allowed = workspace.settings.huggingface.publishers
    # Hubs compare names without regard to case.
    known = {name.lower() for name in allowed}
    names = {snapshot.repository.lower(), snapshot.publisher.lower()} - {""}
    return not allowed or bool(known & names)


def _moved(workspace: Workspace, snapshot: Snapshot) -> Iterator[Moved]:
    """Yield the tags that meant another commit when a version of this repository was admitted."""
    tags = set(snapshot.refs) - set(workspace.settings.huggingface.branches)
    if not tags:
        return
    holdings = Holdings.read(workspace)
    for model in holdings.models:
        try:
            told = claimed_origin(holdings.admission(model).gate.parameters)
        except NotKept:
            continue  # what does not verify says nothing about tags
        if told is None or told[0].lower() != snapshot.repository.lower():
            continue
        _, revision, refs = told
        if revision != snapshot.revision:
            name = model.versions[0] if model.versions else model.digest[:19]
            yield from (Moved(ref, revision, name) for ref in sorted(tags & set(refs)))
