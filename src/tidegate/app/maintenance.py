"""Care of the store: what it is, copies of it, moves to another database, rebuilding, erasure.

What is taken back is compared with the newest head that this client remembers: a copy is older
than what it was made of, and the entries since are gone.
"""

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tidegate.app.logbook import newest_head
from tidegate.app.site import SQLITE_FILES, Site
from tidegate.app.workspace import Workspace, state_folder
from tidegate.core.canonical import loads
from tidegate.core.digest import Digest
from tidegate.core.errors import (
    ForkError,
    RollbackError,
    StoreError,
    SubjectError,
    TidegateError,
    UsageError,
)
from tidegate.core.ledger.checkpoint import Checkpoint
from tidegate.core.ledger.note import Note
from tidegate.graph.project import Projector
from tidegate.logbook.monitor import Memory
from tidegate.store import backup as copies
from tidegate.store.blobs import LocalBlobs
from tidegate.store.engine import open_engine
from tidegate.store.erase import shred as erase
from tidegate.store.schema import SCHEMA_VERSION
from tidegate.store.transfer import MAX_LINE, Imported, export_log, import_log
from tidegate.store.workspaces import Workspace as StoredWorkspace
from tidegate.store.workspaces import Workspaces

_KEPT = "superseded"
WRITTEN_SCHEMA = SCHEMA_VERSION
"""The store schema that this version writes."""


def backup_store(site: Site, target: Path) -> tuple[int, int]:
    """Copy a SQLite store, then its blobs into ``<target>.blobs``, while others write.

    Returns:
        Bytes of the copy, and how many blobs were copied.

    Raises:
        UsageError: There is something at the target, or the store is a server.
        StoreError: It can't be read, or the copy not written.
    """
    for place in (target, _beside(target)):
        if place.exists():
            raise UsageError(
                "there is something here already",
                where=str(place),
                next_step="name a new file",
                slug="exists",
            )
    size = copies.backup(site.url, target)
    return size, _copy_blobs(site.blobs, _beside(target))


def restore_store(
    site: Site, source: Path, environ: Mapping[str, str], *, accept_rollback: bool = False
) -> Checkpoint:
    """Take a copy back, to where there is no store, and compare it with the remembered head.

    Args:
        site: Where to.
        source: What :func:`backup_store` wrote.
        environ: Says where heads are remembered.
        accept_rollback: Take back a copy that is behind the remembered head. Both heads are kept
            as evidence, and other clients and witnesses will still refuse the log.

    Raises:
        UsageError: There is a store already, or the copy is of other workspaces.
        RollbackError: The copy is behind, and that was not accepted; nothing was restored.
        ForkError: The copy is of another history; nothing was restored.
        LedgerError: The copy contradicts itself; nothing was restored.
    """
    _refuse_leftovers(site)
    held = copies.restore(source, site.url)
    try:
        if site.workspace not in held:
            raise UsageError(
                "the copy has no log of this workspace",
                where=str(source),
                cause=f"it has {', '.join(held) or 'none'}, this workspace is {site.workspace}",
                next_step="restore it in the folder that has its tidegate.toml and its keys",
                slug="other-workspace",
            )
        workspace = Workspace.open(site.root, environ=environ)
        try:
            head = _remember(workspace, accept_rollback=accept_rollback)
        finally:
            workspace.engine.dispose()
    except TidegateError:
        for suffix in SQLITE_FILES if site.file else ():
            Path(f"{site.file}{suffix}").unlink(missing_ok=True)
        raise
    _copy_blobs(_beside(source), site.blobs)
    return head


def _refuse_leftovers(site: Site) -> None:
    # SQLite would replay the log of a store that is gone into the one that is restored.
    for suffix in SQLITE_FILES[1:] if site.file and not site.file.exists() else ():
        left = Path(f"{site.file}{suffix}")
        if left.exists():
            raise UsageError(
                "a part of the former store is still here",
                where=str(left),
                next_step=f"move it away, as the rest of {site.file.name if site.file else ''}",
                slug="leftover",
            )


def _remember(workspace: Workspace, *, accept_rollback: bool) -> Checkpoint:
    head = newest_head(workspace)
    memory = Memory(state := workspace.state or state_folder({}))
    try:
        memory.check(head, workspace.log.prove_consistency)
    except RollbackError as error:
        if not accept_rollback:
            error.next_step = (
                "restore a newer copy; or repeat with --accept-rollback, which keeps both heads "
                "as evidence, then close the log: `tidegate trust log-successor`"
            )
            raise
        _supersede(state, workspace.origin)
        memory.check(head, workspace.log.prove_consistency)
    except ForkError as error:
        error.next_step = "restore a copy of this log: this one has another history"
        raise
    return head.checkpoint


def _supersede(folder: Path, origin: str) -> None:
    """Put a remembered head aside; what it proves is kept."""
    for file in folder.glob("*.checkpoint"):
        if file.read_text("utf-8").partition("\n")[0] == origin:
            file.replace(file.with_suffix(f".{_KEPT}"))


def remembered(site: Site) -> Checkpoint | None:
    """Return the newest head of this log that this client saw.

    Raises:
        StoreError: The memory is damaged.
    """
    note = Memory(site.state).last(site.origin)
    return None if note is None else Checkpoint.parse(Note.parse(note).text)


def export_lines(workspace: Workspace) -> Iterator[bytes]:
    """Yield the log as lines that :func:`import_file` takes, into whatever database."""
    return export_log(workspace.engine, workspace.storage)


def import_file(site: Site, source: Path, *, created: int) -> Imported:
    """Write an exported log into this workspace's store, which must have no log of it.

    Args:
        site: Where to; its store must exist (``db upgrade`` makes it).
        source: What ``db export`` wrote.
        created: When the workspace's row is said to be made, in microseconds.

    Raises:
        UsageError: The store has the log already, or the export is another workspace's.
        RollbackError: The export is behind the remembered head; nothing was written.
        VerificationError: It is no export, or is cut off.
        LedgerError: Its entries do not give its head.
    """
    _check_header(site, source)
    engine = open_engine(site.url)
    try:
        stores = Workspaces(engine)
        if not any(one.id == site.workspace for one in stores.list()):
            stores.adopt(StoredWorkspace(site.workspace, site.name, site.origin, "main", created))
        with source.open("rb") as stream:
            lines = iter(lambda: stream.readline(MAX_LINE + 1), b"")
            return import_log(engine, lines, lambda one: LocalBlobs(site.blobs / one))
    finally:
        engine.dispose()


def _check_header(site: Site, source: Path) -> None:
    try:
        with source.open("rb") as stream:
            first = stream.readline(65_536)
    except OSError as error:
        raise SubjectError(
            "the export can't be read",
            where=str(source),
            cause=error.strerror,
            next_step="name the file that `tidegate db export` wrote",
            slug="unreadable",
        ) from None
    header = loads(first, what="the export's first line")
    named = header.get("workspace") if isinstance(header, dict) else None
    if named != site.workspace:
        raise UsageError(
            "the export is another workspace's",
            where=str(source),
            cause=f"it is of {str(named)[:60]}, this workspace is {site.workspace}",
            next_step="import it in the folder that has its tidegate.toml and its keys",
            slug="other-workspace",
        )
    seen, size = remembered(site), header.get("size")
    if seen is not None and isinstance(size, int) and size < seen.size:
        raise RollbackError(
            f"the export has {size} entries, and {seen.size} were seen",
            where=site.origin,
            next_step="import a newer export of this log",
            slug="rollback",
        )


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What making the projections anew gave."""

    entries: int
    equal: bool
    """Whether the rows are those that were there."""
    rows: int
    unknown: int
    """Entries that nothing rests on."""


def rebuild(workspace: Workspace) -> Rebuilt:
    """Bring the projections up to date, drop them, make them anew, and compare.

    Raises:
        ProofError: An entry was changed in the store.
        StoreError: The store failed.
    """
    workspace.catch_up()
    before = workspace.projections.dump()
    entries = Projector(workspace.ledger, workspace.projections, workspace.trust).rebuild()
    after = workspace.projections.dump()
    unknown = len(workspace.projections.unknown())
    return Rebuilt(entries, before == after, after.count(b"\n"), unknown)


def named_by(workspace: Workspace, digest: Digest) -> list[int]:
    """Return the entries that name bytes which are kept here.

    Raises:
        SubjectError: There are no such bytes.
    """
    found = workspace.storage.envelope_indices(str(digest))
    if not found and not _blobs(workspace).has(digest):
        raise SubjectError(
            "no envelope and no evidence of this digest is kept here",
            where=str(digest),
            next_step="name an envelope as `tidegate log show --format json` lists it",
            slug="no-such-bytes",
        )
    return found


def shred(workspace: Workspace, digest: Digest) -> bool:
    """Erase bytes; entries keep their digest, and what rested on them becomes *erased*.

    Returns:
        Whether there were bytes to erase.

    Raises:
        BusyError: Another writer holds the store.
    """
    gone = erase(workspace.engine, workspace.storage, _blobs(workspace), digest, workspace.clock)
    workspace.catch_up()
    return gone


def _blobs(workspace: Workspace) -> LocalBlobs:
    return LocalBlobs(workspace.root / workspace.settings.store.blobs / workspace.id)


def _beside(file: Path) -> Path:
    return Path(f"{file}.blobs")


def _copy_blobs(source: Path, target: Path) -> int:
    """Copy a folder of blobs, which never change; return how many there are."""
    if not source.is_dir():
        return 0
    try:
        shutil.copytree(source, target, dirs_exist_ok=True)
    except OSError as error:
        raise StoreError(
            "the blobs can't be copied", where=str(target), cause=error.strerror, slug="copy"
        ) from None
    return sum(1 for file in target.rglob("*") if file.is_file())
