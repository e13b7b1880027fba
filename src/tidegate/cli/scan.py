"""``tidegate scan``: look at model files without a workspace, and without loading them."""

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from tidegate.cli import output
from tidegate.cli.options import FLAT, Reporting
from tidegate.config import duration
from tidegate.core.artifact.reference import resolve
from tidegate.core.clock import SECOND
from tidegate.core.decision import SubjectRef
from tidegate.core.digest import sha256
from tidegate.core.errors import SubjectError, UnreadableSubject, UsageError
from tidegate.core.finding import Severity
from tidegate.detect.supply import Budget, ScanReport, scan_bytes, scan_path
from tidegate.report import Report

app = App(name="scan", help="Look at files without a workspace: models, tables, documents.")

MAX_STDIN = 1 << 30
"""Bytes that are read from standard input; more is refused, not cut."""
_STDIN = "stdin"


@app.default
def scan(
    path: Annotated[Path, Parameter(allow_leading_hyphen=True)],
    /,
    *,
    time_limit: str = "10m",
    options: Annotated[Reporting, FLAT] = Reporting(),
) -> int:
    """Say what model files would do when they are loaded; nothing in them is run.

    Exits with 0 only when everything was examined and is clean: 1 on findings, 3 when nothing
    could be examined, 4 when something could not be examined in full.

    Args:
        path: A file, a folder, or - for standard input.
        time_limit: When to give up, with a unit: 30s, 10m. What was not reached is inconclusive.
        options: How the result is shown; --fail-on low lets findings that are only
            informational pass.
    """
    budget = Budget(seconds=_seconds(time_limit))
    if str(path) != "-" and str(path).startswith("-"):
        raise UsageError(
            f"unknown option {path}",
            next_step="see `tidegate scan --help`; a file of this name is ./" + str(path),
            slug="arguments",
        )
    with output.progress(f"scanning {path}", quiet=options.quiet):
        found, subjects = _piped(budget) if str(path) == "-" else _scan(path, budget)
    report = Report.of_findings(
        f"scan {'standard input' if str(path) == '-' else path}",
        found.findings,
        found.coverage,
        subjects=subjects,
        notes=_notes(found),
        fail_on=Severity.INFO if options.fail_on is None else options.fail_on,
    )
    return output.emit_report(report, options)


_Found = tuple[ScanReport, tuple[SubjectRef, ...]]


def _piped(budget: Budget) -> _Found:
    data = sys.stdin.buffer.read(MAX_STDIN + 1)
    if len(data) > MAX_STDIN:
        raise UsageError(
            f"standard input is larger than {MAX_STDIN} bytes",
            next_step="write it to a file, and scan that",
            slug="stdin-too-large",
        )
    subject = SubjectRef(_STDIN, "model", str(sha256(data)))
    return scan_bytes(data, _STDIN, budget=budget), (subject,)


def _scan(path: Path, budget: Budget) -> _Found:
    try:
        return scan_path(path, budget=budget), _subjects(path)
    except OSError as error:
        # A folder below that can't be listed: what is in it was not examined.
        raise UnreadableSubject(
            "a folder can't be read",
            where=str(error.filename or path),
            cause=error.strerror,
            next_step="make it readable, or scan the parts that are",
            slug="unreadable",
        ) from None


def _subjects(path: Path) -> tuple[SubjectRef, ...]:
    try:
        found = resolve(path, kind="model")
    except SubjectError:  # no artifact as a whole (a link in it, say); each file was scanned
        return ()
    return (SubjectRef(found.name, found.kind, str(found.digest)),)


def _notes(found: ScanReport) -> tuple[str, ...]:
    formats = sorted({file.format for file in found.files})
    return (f"formats: {', '.join(formats)}",) if formats else ()


def _seconds(text: str) -> float:
    try:
        return duration(text) / SECOND
    except ValueError as error:
        raise UsageError(
            "not a duration",
            where="--time-limit",
            cause=str(error),
            next_step="write it with a unit: 30s, 10m",
            slug="bad-duration",
        ) from None
