"""``tidegate scan``: look at model files without a workspace, and without loading them."""

import hashlib
import os
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, BinaryIO

from cyclopts import App, Parameter

from tidegate.cli import output
from tidegate.cli.options import FLAT, Reporting
from tidegate.config import duration
from tidegate.core.artifact.reference import resolve
from tidegate.core.clock import SECOND
from tidegate.core.decision import SubjectRef
from tidegate.core.digest import Digest
from tidegate.core.errors import SubjectError, UsageError
from tidegate.core.finding import Severity
from tidegate.detect.supply import Allowlist, Budget, ScanReport, scan_handle, scan_paths
from tidegate.report import FileLine, Report
from tidegate.sandbox.scanner import ConfinedScanner

app = App(name="scan", help="Look at model files, and say what they may use.")
app.command("tidegate.cli.scan_rules:approve", name="approve")
app.command("tidegate.cli.scan_rules:retract", name="retract")
app.command("tidegate.cli.scan_rules:packs", name="packs")
app.command("tidegate.cli.scan_convert:convert", name="convert")

MAX_STDIN = 16 << 30
"""Bytes that are read from standard input; more is refused, not cut."""
_STDIN = "stdin"
_FEW = 4
"""Paths that are told one by one in the title."""
_STEP = 1 << 20


@app.default
def scan(
    paths: Annotated[tuple[Path, ...], Parameter(allow_leading_hyphen=True)],
    /,
    *,
    time_limit: str = "10m",
    options: Annotated[Reporting, FLAT] = Reporting(),
) -> int:
    """Say what model files would do when they are loaded; nothing in them is run.

    Run in a workspace (or with -C), it goes by the packs and approvals of that workspace.
    Each file is examined by a process without files, network and the right to start programs; the
    report says what this host could confine it by. Exits with 0 only when everything was examined
    and is clean: 1 on findings, 3 when nothing could be examined, 4 when something could not be
    examined in full.

    Args:
        paths: Files and folders; or - for standard input.
        time_limit: When to give up, with a unit: 30s, 10m. What was not reached is inconclusive.
        options: How the result is shown; --fail-on low lets findings that are only
            informational pass.
    """
    budget = Budget(seconds=_seconds(time_limit))
    _check_paths(paths)
    named = _named(paths)
    rules = _rules(options.workspace)
    with (
        ConfinedScanner(rules) as scanner,
        output.progress(f"scanning {named}", quiet=options.quiet),
    ):
        scanner.prepare()
        found, subjects = (
            _piped(budget, scanner) if _is_piped(paths) else _scan(paths, budget, scanner)
        )
        notes = (*_notes(found), *_said(rules), f"examined by {scanner.confinement}")
    report = Report.of_findings(
        f"scan {named}",
        found.findings,
        found.coverage,
        subjects=subjects,
        notes=notes,
        files=tuple(
            FileLine(file.path, file.format, file.status.value, len(file.findings), file.gaps)
            for file in found.files
        ),
        fail_on=Severity.INFO if options.fail_on is None else options.fail_on,
    )
    return output.emit_report(report, options)


def _named(paths: tuple[Path, ...]) -> str:
    if _is_piped(paths):
        return "standard input"
    return " ".join(map(str, paths)) if len(paths) <= _FEW else f"{len(paths)} paths"


def _rules(folder: Path) -> Allowlist | None:
    """Return what the workspace in a folder allows; the packs that ship where there is none."""
    if not (folder / ".tidegate").is_dir():
        return None
    from tidegate.app.model_rules import rules_in_force  # noqa: PLC0415 - most scans need no store
    from tidegate.app.workspace import Workspace  # noqa: PLC0415 - as above

    return rules_in_force(Workspace.open(folder))


def _said(rules: Allowlist | None) -> tuple[str, ...]:
    if rules is None:
        return ()
    held = f"{len(rules.packs)} packs and {len(rules.approved)} approved classes"
    return (f"rules of this workspace: {held}, {rules.digest.short}",)


_Found = tuple[ScanReport, tuple[SubjectRef, ...]]


def _is_piped(paths: tuple[Path, ...]) -> bool:
    return [str(path) for path in paths] == ["-"]


def _check_paths(paths: tuple[Path, ...]) -> None:
    if _is_piped(paths):
        return
    for path in map(str, paths):
        if path.startswith("-"):
            raise UsageError(
                "standard input is scanned alone" if path == "-" else f"unknown option {path}",
                next_step="see `tidegate scan --help`; a file of this name is ./" + path,
                slug="arguments",
            )


def _piped(budget: Budget, scanner: ConfinedScanner) -> _Found:
    with _spooled() as (file, digest):
        subject = SubjectRef(_STDIN, "model", str(digest))
        return scan_handle(file, _STDIN, budget=budget, examiner=scanner), (subject,)


@contextmanager
def _spooled() -> Generator[tuple[BinaryIO, Digest]]:
    """Copy standard input into a file without a name, which is then open for reading alone."""
    state, size = hashlib.sha256(), 0
    with tempfile.TemporaryFile() as spool:
        while block := sys.stdin.buffer.read(_STEP):
            size += len(block)
            if size > MAX_STDIN:
                raise UsageError(
                    f"standard input is larger than {MAX_STDIN} bytes",
                    next_step="write it to a file, and scan that",
                    slug="stdin-too-large",
                )
            state.update(block)
            spool.write(block)
        spool.flush()
        spool.seek(0)
        readable = Path(f"/proc/self/fd/{spool.fileno()}")
        if readable.exists():
            with readable.open("rb") as file:
                yield file, Digest("sha256", state.hexdigest())
        else:
            yield os.fdopen(os.dup(spool.fileno()), "rb"), Digest("sha256", state.hexdigest())


def _scan(paths: tuple[Path, ...], budget: Budget, scanner: ConfinedScanner) -> _Found:
    found = scan_paths(paths, budget=budget, examiner=scanner)
    return found, tuple(subject for path in paths for subject in _subjects(path))


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
