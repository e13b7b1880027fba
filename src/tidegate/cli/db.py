"""``tidegate db``: upgrade, back up, restore and rebuild the store."""

import os
from collections.abc import Iterable
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Annotated

from cyclopts import App, Parameter

from tidegate.app import maintenance
from tidegate.app import site as stores
from tidegate.app.site import Site
from tidegate.cli import output, session
from tidegate.cli.options import FLAT, Place
from tidegate.config import size_text
from tidegate.core.clock import SystemClock
from tidegate.core.digest import Digest
from tidegate.core.errors import StoreError, UsageError, VerificationError

app = App(name="db", help="Upgrade, back up, restore and rebuild the store.")

_Flag = Annotated[bool, Parameter(negative=())]
_Here = Annotated[Place, FLAT]
_Shape = output.Shape


@app.command
def upgrade(*, dry_run: _Flag = False, place: _Here = Place()) -> int:
    """Create the store's tables, or bring them to the schema of this version.

    Args:
        dry_run: Say what would be done; write nothing.
        place: Where the workspace is.
    """
    site = _site(place)
    found = stores.present_schema(site)
    was = "none" if found is None else str(found)
    if dry_run:
        output.emit_text([("schema", was), ("this version", str(maintenance.WRITTEN_SCHEMA))])
        output.notice("dry run: nothing was changed")
        return 0
    now = stores.upgrade_store(site)
    output.emit_text([("store", site.place), ("schema", f"was {was}, is {now}")])
    return 0


@app.command
def backup(file: Path, /, *, dry_run: _Flag = False, place: _Here = Place()) -> int:
    """Copy the store into one file while it is in use, and its blobs beside it.

    Args:
        file: The file to write; blobs go to FILE.blobs.
        dry_run: Say what would be copied; write nothing.
        place: Where the workspace is.
    """
    site = _site(place)
    if dry_run:
        output.notice(f"dry run: {site.place} would be copied to {file}")
        return 0
    size, blobs = maintenance.backup_store(site, file)
    output.emit_text(
        [
            ("copy", f"{file} ({size_text(size)}), {blobs} blobs in {file}.blobs"),
            ("not in it", f"{site.root / '.tidegate/keys'}, trust.json, trust-anchor: keep them"),
        ]
    )
    return 0


@app.command
def restore(
    file: Path,
    /,
    *,
    accept_rollback: _Flag = False,
    dry_run: _Flag = False,
    place: _Here = Place(),
) -> int:
    """Take a copy back, to where there is no store; exit 5 if it is behind a head seen here.

    Args:
        file: What `tidegate db backup` wrote.
        accept_rollback: Take back a copy that is behind; both heads are kept as evidence.
        dry_run: Say what would be done; write nothing.
        place: Where the workspace is.
    """
    site = _site(place)
    seen = maintenance.remembered(site)
    if dry_run:
        known = "no head is remembered" if seen is None else f"a head of {seen.size} is remembered"
        output.notice(f"dry run: {file} would be restored to {site.place}; {known}")
        return 0
    head = maintenance.restore_store(site, file, os.environ, accept_rollback=accept_rollback)
    output.emit_text([("restored", site.place), ("log", f"{head.origin}, {head.size} entries")])
    if seen is not None and head.size < seen.size:
        lost = seen.size - head.size
        output.notice(
            f"{lost} entries are lost; close the log: `tidegate trust log-successor FOLDER`"
        )
    return 0


@app.command
def export(file: Path | None = None, /, *, place: _Here = Place()) -> int:
    """Write the log as lines of JSON, to move it to another database.

    Args:
        file: The file to write; standard output without it.
        place: Where the workspace is.
    """
    lines = maintenance.export_lines(session.reading(place))
    if file is None:
        for line in lines:
            output.write(line.decode())
        return 0
    count = _save(file, lines)
    output.emit_text(
        [
            ("export", f"{file} ({count} lines)"),
            ("next", "set store.url, then tidegate db upgrade, tidegate db import FILE"),
        ]
    )
    return 0


@app.command(name="import")
def import_(file: Path, /, *, dry_run: _Flag = False, place: _Here = Place()) -> int:
    """Write an exported log into the configured store; it must have no log of this workspace.

    Args:
        file: What `tidegate db export` wrote.
        dry_run: Say where it would go; write nothing.
        place: Where the workspace is.
    """
    site = _site(place)
    if dry_run:
        output.notice(f"dry run: {file} would be imported into {site.place}")
        return 0
    done = maintenance.import_file(site, file, created=SystemClock().now())
    output.emit_text(
        [("imported", f"{done.size} entries into {site.place}"), ("root", done.root.hex())]
    )
    return 0


@app.command
def rebuild(*, place: _Here = Place(), format: _Shape = _Shape.TEXT) -> int:  # noqa: A002 - the flag's name
    """Make lineage and inventory anew from the ledger; exit 5 if that is not what was there.

    Args:
        place: Where the workspace is.
        format: Text or one JSON document.
    """
    done = maintenance.rebuild(session.reading(place))
    if format is output.Shape.JSON:
        facts = {"entries": done.entries, "rows": done.rows, "unknown": done.unknown}
        output.emit_json({"equal": done.equal, **facts})
    else:
        same = "equal to what was there" if done.equal else "NOT equal to what was there"
        output.emit_text(
            [
                ("projected", f"{done.entries} entries, {done.unknown} of them without effect"),
                ("rows", f"{done.rows}, {same}"),
            ]
        )
    return 0 if done.equal else VerificationError.exit_code


@app.command
def shred(
    digest: str, /, *, yes: _Flag = False, dry_run: _Flag = False, place: _Here = Place()
) -> int:
    """Erase the bytes of an envelope or of evidence for good; its digest stays in the log.

    Args:
        digest: sha256:… of the bytes.
        yes: Do it: nothing brings the bytes back.
        dry_run: Say which entries name the bytes; erase nothing.
        place: Where the workspace is.
    """
    workspace = session.reading(place)
    wanted = Digest.parse(digest)
    named = maintenance.named_by(workspace, wanted)
    rows = [("named by", f"log {', '.join(map(str, named[:20]))}" if named else "no entry")]
    if dry_run:
        output.emit_text(rows)
        output.notice("dry run: nothing was erased")
        return 0
    if not yes:
        raise UsageError(
            "erasure can't be undone",
            where=digest[:80],
            next_step="look with --dry-run, then repeat with --yes",
            slug="confirm",
        )
    gone = maintenance.shred(workspace, wanted)
    output.emit_text([("erased", digest if gone else "nothing: it was erased before"), *rows])
    return 0


@app.command
def info(*, place: _Here = Place(), format: _Shape = _Shape.TEXT) -> int:  # noqa: A002 - the flag's name
    """Say what the store is and holds.

    Args:
        place: Where the workspace is.
        format: Text or one JSON document.
    """
    found = stores.info(_site(place), session.reading(place))
    if format is output.Shape.JSON:
        output.emit_json(found.to_json())
        return 0
    rows = [
        ("store", f"{found.kind} {found.place}"),
        ("schema", f"{found.schema}, this version writes {maintenance.WRITTEN_SCHEMA}"),
        ("entries", f"{found.entries}, {found.projected} projected"),
        ("blobs", str(found.blobs)),
        ("workspaces", ", ".join(found.workspaces)),
    ]
    if found.bytes is not None and found.free is not None:
        rows.append(("size", f"{found.bytes / 1e6:.1f} MB, {found.free / 1e9:.1f} GB free"))
    output.emit_text(rows)
    return 0


def _site(place: Place) -> Site:
    return Site.of(place.workspace, os.environ)


def _save(target: Path, lines: Iterable[bytes]) -> int:
    """Write lines into a file that is there whole or not at all."""
    count = 0
    part: Path | None = None
    try:
        with NamedTemporaryFile(dir=target.parent, prefix=f".{target.name}.", delete=False) as file:
            part = Path(file.name)
            for line in lines:
                file.write(line)
                count += 1
        part.replace(target)
    except OSError as error:
        raise StoreError(
            "the export can't be written",
            where=str(target),
            cause=error.strerror,
            next_step="name a file in a folder that exists and has room",
            slug="export",
        ) from None
    finally:
        if part is not None:
            part.unlink(missing_ok=True)
    return count
