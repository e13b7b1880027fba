"""``tidegate deps``: look at lock files and environments, offline, without a workspace."""

import os
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from tidegate.app.dependencies import DependencyCheck, advisories_place, dependency_check
from tidegate.cli import output
from tidegate.cli.options import FLAT, Reading, Reporting, Showing
from tidegate.config import load
from tidegate.core.canonical import Json
from tidegate.core.clock import SystemClock
from tidegate.core.finding import Severity
from tidegate.detect.dependencies.advisories import AdvisoryIndex, Imported, import_osv
from tidegate.report import Report

app = App(name="deps", help="Check what code installs: locks, origins, names, advisories.")
advisories = App(
    name="advisories", help="Import known flaws from a file, and say how old they are."
)
app.command(advisories)


@app.command
def check(
    path: Path,
    /,
    *more: Path,
    advisories: Annotated[Path | None, Parameter(show_default=False)] = None,
    options: Annotated[Reporting, FLAT] = Reporting(),
) -> int:
    """Check lock files, environments, or each lock of a folder; nothing is installed or asked.

    Reads uv.lock, poetry.lock, pylock.toml, Pipfile.lock, requirements files, conda-lock,
    environment.yml, the report that pip writes, and installed environments.

    Exits with 1 on a finding of medium severity or more, with 3 when there was nothing to check,
    and with 4 when something could not be told: an unreadable file, stale advisories.

    Args:
        path: A lock file, an environment, or a folder with locks.
        more: Further ones; licences that one of them states hold for all.
        advisories: Folder or file of imported advisories, instead of the configured one.
        options: How the result is shown.
    """
    settings = load(options.workspace, os.environ).settings
    now = SystemClock().now()
    with (
        dependency_check(options.workspace, settings, now=now, advisories=advisories) as ready,
        output.progress("checking dependencies", quiet=options.quiet),
    ):
        found = ready.run((path, *more))
    report = Report.of_findings(
        f"deps check {path}{f' and {len(more)} more' if more else ''}",
        found.findings,
        found.coverage,
        notes=_notes(ready, sum(len(lock.dependencies) for lock in found.locks)),
        fail_on=Severity.MEDIUM if options.fail_on is None else options.fail_on,
    )
    return output.emit_report(report, options)


def _notes(ready: DependencyCheck, dependencies: int) -> tuple[str, ...]:
    told = ready.advisories
    known = (
        f"advisories of {told.date}, {told.digest[:19]}"
        if told
        else "no advisories were imported: known flaws were not looked for"
    )
    return (f"{dependencies} dependencies", known)


@advisories.command(name="import")
def import_(
    archive: Path,
    /,
    *,
    into: Annotated[Path | None, Parameter(show_default=False)] = None,
    reading: Annotated[Reading, FLAT] = Reading(),
) -> int:
    """Import advisories from a zip archive of OSV records, such as osv.dev offers for PyPI.

    JSON: `digest`, `source`, of the index and of the archive; `date`, of the youngest record;
    `advisories`, `malicious`, `leftOut`, how many.

    Args:
        archive: The archive.
        into: Folder of indexes, or a file ending in .db; the configured folder otherwise.
        reading: Where the workspace is, and how the answer is written.
    """
    place = into or advisories_place(
        reading.workspace, load(reading.workspace, os.environ).settings
    )
    with output.progress(f"importing {archive.name}"):
        told = import_osv(archive, place)
    _tell(told, reading)
    return 0


@advisories.command
def status(
    *,
    index: Annotated[Path | None, Parameter(show_default=False)] = None,
    reading: Annotated[Reading, FLAT] = Reading(),
) -> int:
    """Say which advisories are in use, and how old they are; exits with 4 when they are stale.

    JSON: `digest`, `source`, `date`, `advisories`, `malicious`, `leftOut`, as for import; `stale`.

    Args:
        index: Folder or file of imported advisories, instead of the configured one.
        reading: Where the workspace is, and how the answer is written.
    """
    settings = load(reading.workspace, os.environ).settings
    with AdvisoryIndex.open(index or advisories_place(reading.workspace, settings)) as opened:
        told = opened.told
    stale = SystemClock().now() - told.newest > settings.dependencies.advisories_age
    _tell(told, reading, stale=stale)
    return 4 if stale else 0


def _tell(told: Imported, showing: Showing, *, stale: bool | None = None) -> None:
    facts: dict[str, Json] = {
        "digest": told.digest,
        "source": told.source,
        "date": told.date,
        "advisories": told.advisories,
        "malicious": told.malicious,
        "leftOut": told.withdrawn,
    }
    if stale is not None:
        facts["stale"] = stale
    counts = f"{told.advisories} advisories, {told.malicious} of malicious packages"
    rows = [
        ("advisories", f"{counts}; {told.withdrawn} records left out"),
        ("date", told.date + (", stale: import newer ones" if stale else "")),
        ("index", told.digest),
        ("source", told.source),
    ]
    output.emit(showing, facts, rows)
