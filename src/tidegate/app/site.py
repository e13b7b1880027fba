"""Where a workspace's store is, what schema it has, and what it holds."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tidegate.app.workspace import Workspace, check_home, state_folder, store_url
from tidegate.config import load
from tidegate.core.canonical import Json
from tidegate.store.blobs import LocalBlobs
from tidegate.store.engine import bare_engine
from tidegate.store.failures import place_of
from tidegate.store.migrate import upgrade
from tidegate.store.schema import SCHEMA_VERSION, schema_version
from tidegate.store.transactions import reading
from tidegate.store.workspaces import Workspaces

SQLITE_FILES = ("", "-wal", "-shm")
"""What is appended to a SQLite store's path for the files that it consists of."""


@dataclass(frozen=True, slots=True)
class Site:
    """Where a workspace's store is, or is to be; nothing is opened yet."""

    root: Path
    url: str
    workspace: str
    origin: str
    name: str
    blobs: Path
    """Folder of all workspaces' blobs."""
    state: Path

    @classmethod
    def of(cls, root: Path, environ: Mapping[str, str]) -> "Site":
        """Read it from the configuration.

        Raises:
            UsageError: There is no workspace here.
            ConfigError: Its configuration is wrong.
        """
        settings = load(root, environ).settings
        check_home(root)
        identifier = settings.workspace.id
        return cls(
            root, store_url(root, settings), identifier,
            settings.ledger.origin or f"tidegate/{identifier}", settings.workspace.name,
            root / settings.store.blobs, state_folder(environ),
        )  # fmt: skip

    @property
    def place(self) -> str:
        """The store's address without a password; a file's path."""
        engine = bare_engine(self.url)
        try:
            return place_of(engine.url)
        finally:
            engine.dispose()

    @property
    def file(self) -> Path | None:
        """The SQLite file; ``None`` for a server."""
        return Path(self.place) if self.url.startswith("sqlite") else None


def present_schema(site: Site) -> int | None:
    """Return the schema that the store has; ``None`` where there is none.

    Raises:
        StoreError: It is another program's database, or can't be reached.
    """
    if site.file is not None and not site.file.exists():
        return None
    engine = bare_engine(site.url)
    try:
        with reading(engine) as connection:
            return schema_version(connection, place_of(engine.url))
    finally:
        engine.dispose()


def upgrade_store(site: Site) -> int:
    """Bring the store to this version's schema; return that version."""
    return upgrade(site.url)


@dataclass(frozen=True, slots=True)
class StoreInfo:
    """What a store holds."""

    place: str
    kind: str
    schema: int | None
    bytes: int | None
    """Of a SQLite store's files."""
    free: int | None
    """Free bytes on their disk."""
    entries: int
    projected: int
    blobs: int
    workspaces: tuple[str, ...]

    def to_json(self) -> dict[str, Json]:
        """Return all fields."""
        return {
            "place": self.place,
            "kind": self.kind,
            "schema": self.schema,
            "supported": SCHEMA_VERSION,
            "bytes": self.bytes,
            "free": self.free,
            "entries": self.entries,
            "projected": self.projected,
            "blobs": self.blobs,
            "workspaces": list(self.workspaces),
        }


def info(site: Site, workspace: Workspace) -> StoreInfo:
    """Return what an open store holds."""
    head = workspace.storage.head()
    file = site.file
    files = [Path(f"{file}{suffix}") for suffix in SQLITE_FILES] if file else []
    return StoreInfo(
        place=site.place,
        kind="sqlite" if file else "postgresql",
        schema=present_schema(site),
        bytes=sum(one.stat().st_size for one in files if one.exists()) if file else None,
        free=shutil.disk_usage(file.parent).free if file else None,
        entries=head.size if head else 0,
        projected=workspace.projections.next_index(),
        blobs=sum(1 for _ in LocalBlobs(site.blobs / workspace.id).list()),
        workspaces=tuple(one.name for one in Workspaces(workspace.engine).list()),
    )
