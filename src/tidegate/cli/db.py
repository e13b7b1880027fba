"""``tidegate db``: upgrade, back up, restore and rebuild the store."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated

from cyclopts import App

from tidegate.app import maintenance
from tidegate.app import site as stores
from tidegate.app.erasure import check_erasable, erase
from tidegate.app.site import Site
from tidegate.cli import output, session
from tidegate.cli.options import FLAT, Acting, Flag, Place, Reading, Reason, Target
from tidegate.config import size_text
from tidegate.core.clock import SystemClock
from tidegate.core.digest import Digest
from tidegate.core.errors import UsageError, VerificationError

app = App(name="db", help="Upgrade, back up, restore and rebuild the store.")

_Reading = Annotated[Reading, FLAT]
_PRIVATE = 0o600


@app.command
def upgrade(*, dry_run: Flag = False, reading: _Reading = Reading()) -> int:
    """Create the store's tables, or bring them to the schema of this version.

    JSON: `store`; `before`, `schema`, numbers, null where there is none; `supported`, what this
    version writes; `dryRun`.

    Args:
        dry_run: Say what would be done; write nothing.
        reading: Where the workspace is, and how the answer is shown.
    """
    site = _site(reading)
    before = stores.present_schema(site)
    now = before if dry_run else stores.upgrade_store(site)
    supported = maintenance.WRITTEN_SCHEMA
    was = "none" if before is None else str(before)
    facts = {
        "store": site.place,
        "before": before,
        "schema": now,
        "supported": supported,
        "dryRun": dry_run,
    }
    if dry_run:
        output.emit(reading, facts, [("schema", was), ("this version", str(supported))])
        output.notice("dry run: nothing was changed")
        return 0
    output.emit(reading, facts, [("store", site.place), ("schema", f"was {was}, is {now}")])
    return 0


@app.command
def backup(file: Path, /, *, dry_run: Flag = False, reading: _Reading = Reading()) -> int:
    """Copy the store into one file while it is in use, and its blobs beside it.

    JSON: `file`, `store`; `bytes`, of the file; `blobs`, how many, both null on a dry run;
    `dryRun`.

    Args:
        file: The file to write; blobs go to FILE.blobs.
        dry_run: Say what would be copied; write nothing.
        reading: Where the workspace is, and how the answer is shown.
    """
    site = _site(reading)
    facts = {"file": str(file), "store": site.place, "dryRun": dry_run}
    if dry_run:
        unmade = {"bytes": None, "blobs": None}
        would = [("would copy", f"{site.place} to {file}")]
        output.emit(reading, {**facts, **unmade}, would)
        output.notice("dry run: nothing was copied")
        return 0
    size, blobs = maintenance.backup_store(site, file)
    rows = [
        ("copy", f"{file} ({size_text(size)}), {blobs} blobs in {file}.blobs"),
        ("not in it", f"{site.root / '.tidegate/keys'}, trust.json, trust-anchor: keep them"),
    ]
    output.emit(reading, {**facts, "bytes": size, "blobs": blobs}, rows)
    return 0


@app.command
def restore(
    file: Path,
    /,
    *,
    accept_rollback: Flag = False,
    dry_run: Flag = False,
    reading: _Reading = Reading(),
) -> int:
    """Take a copy back, to where there is no store; exit 5 if it is behind a head seen here.

    JSON: `file`, `store`; `log`, `size`, of the restored log, null on a dry run; `seen`, the size
    that this client remembers, or null; `lost`, how many entries; `dryRun`.

    Args:
        file: What `tidegate db backup` wrote.
        accept_rollback: Take back a copy that is behind; both heads are kept as evidence.
        dry_run: Say what would be done; write nothing.
        reading: Where the workspace is, and how the answer is shown.
    """
    site = _site(reading)
    head = maintenance.remembered(site)
    seen = None if head is None else head.size
    facts = {"file": str(file), "store": site.place, "seen": seen, "dryRun": dry_run}
    if dry_run:
        known = "no head is remembered" if seen is None else f"a head of {seen} is remembered"
        unmade = {"log": None, "size": None, "lost": 0}
        output.emit(reading, {**facts, **unmade}, [("would restore", f"{file} to {site.place}"),
                                                   ("seen", known)])  # fmt: skip
        output.notice("dry run: nothing was restored")
        return 0
    head = maintenance.restore_store(site, file, os.environ, accept_rollback=accept_rollback)
    lost = max(0, (seen or 0) - head.size)
    done = {"log": head.origin, "size": head.size, "lost": lost}
    rows = [("restored", site.place), ("log", f"{head.origin}, {head.size} entries")]
    output.emit(reading, {**facts, **done}, rows)
    if lost:
        step = "close the log: `tidegate trust log-successor FOLDER`"
        output.notice(f"{lost} entries are lost; {step}")
    return 0


@app.command
def export(file: Target | None = None, /, *, reading: _Reading = Reading()) -> int:
    """Write the log as lines of JSON, to move it to another database.

    JSON: `file`; `lines`, how many.

    Args:
        file: The file to write; - or none is standard output.
        reading: Where the workspace is, and how the answer is shown.
    """
    output.check_target(reading, file)
    lines = maintenance.export_lines(session.reading(reading))
    if file is None or output.is_stdout(file):
        for line in lines:
            output.write(line.decode())
        return 0
    counted = _Counted(lines)
    output.save(file, counted, mode=_PRIVATE)
    rows = [
        ("export", f"{file} ({counted.count} lines)"),
        ("next", "set store.url, then tidegate db upgrade, tidegate db import FILE"),
    ]
    output.emit(reading, {"file": str(file), "lines": counted.count}, rows)
    return 0


@app.command(name="import")
def import_(file: Path, /, *, dry_run: Flag = False, reading: _Reading = Reading()) -> int:
    """Write an exported log into the configured store; it must have no log of this workspace.

    JSON: `file`, `store`; `size`, `root`, of the log, null on a dry run; `dryRun`.

    Args:
        file: What `tidegate db export` wrote.
        dry_run: Say where it would go; write nothing.
        reading: Where the workspace is, and how the answer is shown.
    """
    site = _site(reading)
    facts = {"file": str(file), "store": site.place, "dryRun": dry_run}
    if dry_run:
        would = [("would import", f"{file} into {site.place}")]
        output.emit(reading, {**facts, "size": None, "root": None}, would)
        output.notice("dry run: nothing was imported")
        return 0
    done = maintenance.import_file(site, file, created=SystemClock().now())
    root = done.root.hex()
    rows = [("imported", f"{done.size} entries into {site.place}"), ("root", root)]
    output.emit(reading, {**facts, "size": done.size, "root": root}, rows)
    return 0


@app.command
def rebuild(*, reading: _Reading = Reading()) -> int:
    """Make lineage and inventory anew from the ledger; exit 5 if that is not what was there.

    JSON: `equal`; `entries`, `rows`, `unknown`, how many.

    Args:
        reading: Where the workspace is, and how the answer is shown.
    """
    done = maintenance.rebuild(session.reading(reading))
    same = "equal to what was there" if done.equal else "NOT equal to what was there"
    facts = {"equal": done.equal, "entries": done.entries, "rows": done.rows}
    rows = [
        ("projected", f"{done.entries} entries, {done.unknown} of them without effect"),
        ("rows", f"{done.rows}, {same}"),
    ]
    output.emit(reading, {**facts, "unknown": done.unknown}, rows)
    return 0 if done.equal else VerificationError.exit_code


@app.command
def shred(
    digest: str,
    /,
    *,
    reason: Reason,
    yes: Flag = False,
    acting: Annotated[Acting, FLAT] = Acting(),
) -> int:
    """Erase the bytes of an envelope or of evidence for good; its digest stays in the log.

    The erasure is signed and logged before anything is gone. An act or a version of the trust root
    is never erased: it may forbid something.

    JSON: `digest`; `entries`, log indices that name it; `erased`, false on a dry run and where it
    was erased before; `index`, where the erasure is logged; `dryRun`.

    Args:
        digest: sha256:… of the bytes.
        reason: Why, for the record.
        yes: Do it: nothing brings the bytes back.
        acting: Who signs, and how the answer is shown. A dry run says which entries name the bytes.
    """
    workspace = session.acting(acting)
    wanted = Digest.parse(digest)
    named = check_erasable(workspace, wanted)
    facts = {"digest": str(wanted), "entries": named, "dryRun": acting.dry_run}
    rows = [("named by", f"log {', '.join(map(str, named[:20]))}" if named else "no entry")]
    if acting.dry_run:
        output.emit(acting, {**facts, "erased": False, "index": None}, rows)
        output.notice("dry run: nothing was erased")
        return 0
    if not yes:
        raise UsageError(
            "erasure can't be undone",
            where=digest[:80],
            next_step="look with --dry-run, then repeat with --yes",
            slug="confirm",
        )
    receipt, gone = erase(workspace, wanted, reason)
    said = ("erased", digest if gone else "nothing: it was erased before")
    rows.append(("log", f"{receipt.index}, envelope {receipt.envelope}"))
    output.emit(acting, {**facts, "erased": gone, "index": receipt.index}, [said, *rows])
    return 0


@app.command
def info(*, reading: _Reading = Reading()) -> int:
    """Say what the store is and holds.

    JSON: `place`, `kind`, `schema`, `supported`, `bytes`, `free`, `entries`, `projected`, `blobs`,
    `workspaces`.

    Args:
        reading: Where the workspace is, and how the answer is shown.
    """
    found = stores.info(_site(reading), session.reading(reading))
    rows = [
        ("store", f"{found.kind} {found.place}"),
        ("schema", f"{found.schema}, this version writes {maintenance.WRITTEN_SCHEMA}"),
        ("entries", f"{found.entries}, {found.projected} projected"),
        ("blobs", str(found.blobs)),
        ("workspaces", ", ".join(found.workspaces)),
    ]
    if found.bytes is not None and found.free is not None:
        rows.append(("size", f"{found.bytes / 1e6:.1f} MB, {found.free / 1e9:.1f} GB free"))
    output.emit(reading, found.to_json(), rows)
    return 0


def _site(place: Place) -> Site:
    return Site.of(place.workspace, os.environ)


class _Counted:
    """Lines, counted while they are written."""

    def __init__(self, lines: Iterable[bytes]) -> None:
        self._lines = lines
        self.count = 0

    def __iter__(self) -> Iterator[bytes]:
        for line in self._lines:
            self.count += 1
            yield line
