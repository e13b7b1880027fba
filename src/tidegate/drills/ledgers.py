"""What an attacker with the database does to a log, and what a naive reader makes of it."""

import json
import shutil
import sqlite3
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path

from tidegate.app.workspace import Workspace
from tidegate.core.canonical import Json
from tidegate.core.digest import Digest, sha256
from tidegate.core.policy.directives import Approve, Quarantine

SUBJECT = sha256(b"a model that somebody wants to release")


def approve(workspace: Workspace) -> int:
    """Log an approval; return its index."""
    act = Approve(subject=str(SUBJECT), action="registry/promote", reason="reviewed")
    return workspace.act(act).index


def quarantine(workspace: Workspace, digest: Digest = SUBJECT) -> int:
    """Log a quarantine; return its index."""
    return workspace.act(Quarantine(digest=str(digest), reason="found poisoned")).index


def rows(workspace: Workspace) -> list[dict[str, Json]]:
    """Read the entries as a script over the database does: rows as they are, nothing verified."""
    with database(workspace) as opened:
        query = "SELECT entry FROM log_entry ORDER BY idx"
        return [json.loads(bytes(entry)) for (entry,) in opened.execute(query)]


@contextmanager
def database(workspace: Workspace) -> Generator[sqlite3.Connection]:
    """Open the store's file without Tidegate; what was done there is committed at the end."""
    workspace.engine.dispose()
    with closing(sqlite3.connect(store_file(workspace))) as opened, opened:
        yield opened


def store_file(workspace: Workspace) -> Path:
    """Return the SQLite file of an arena's workspace."""
    url = workspace.engine.url
    return Path(str(url.database))


def copy_store(workspace: Workspace, target: Path) -> Path:
    """Copy the store's file with all that was committed, as a backup does."""
    with database(workspace) as opened, closing(sqlite3.connect(target)) as copy:
        opened.backup(copy)
    return target


def put_back(workspace: Workspace, copy: Path) -> None:
    """Replace the store by an older copy of itself."""
    workspace.engine.dispose()
    file = store_file(workspace)
    for suffix in ("-wal", "-shm"):
        Path(f"{file}{suffix}").unlink(missing_ok=True)
    shutil.copyfile(copy, file)
