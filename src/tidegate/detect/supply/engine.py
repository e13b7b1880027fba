r"""Scans model files without loading them: a file, a folder or bytes in, a report out.

>>> import pickle
>>> scan_bytes(pickle.dumps([1, 2, 3]), "numbers.pkl").status.value
'clean'
>>> report = scan_bytes(b"cos\nsystem\n(S'id'\ntR.", "model.pkl")
>>> report.status.value, report.findings[0].rule, report.findings[0].location.offset
('findings', 'TG-REG-03/pickle-call', 19)

Nothing is imported that a file names, nothing is unpickled, extracted or run, and no network is
used. A file that can't be examined in full, for whatever reason, is inconclusive, never clean.
"""

import logging
import mmap
import os
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import BinaryIO, Final

from tidegate.core.errors import CheckError, SubjectError
from tidegate.core.finding import Detector, Measured
from tidegate.detect.supply.allow.packs import Allowlist, Entry, Pack, load_packs
from tidegate.detect.supply.budget import Budget, Meter
from tidegate.detect.supply.formats.dispatch import examine
from tidegate.detect.supply.pickles.cursor import Buffer
from tidegate.detect.supply.report import FileReport, ScanReport, Status
from tidegate.detect.supply.scan import Scan

_log = logging.getLogger(__name__)

ENGINE_VERSION: Final = "1"
"""Grows with each change of the engine that can change a verdict."""
RULESET: Final = "bd5fed5e389e"
"""First digits of the digest over the packs that ship; a test keeps it current."""
MEASURED: Final = Measured(
    recall="0.98 [0.89, 1.00]",
    false_positive_rate="0.000 [0.000, 0.002]",
    data=(
        "48 published attack files at first contact; 2,010 benign files of scikit-learn 1.4.2 and"
        " 1.6.1, on which no pack was written. A format that is not examined is not clean either"
    ),
    date="2026-11-22",
)
DETECTOR: Final = Detector("model-scan", f"{ENGINE_VERSION}.{RULESET}", MEASURED)
"""What a verdict names as its instrument."""
_MAPPED: Final = 1 << 24
"""Files from this size on are mapped rather than read."""


def scan_path(
    path: Path,
    *,
    budget: Budget | None = None,
    packs: Sequence[Pack] | None = None,
    approved: Sequence[Entry] = (),
) -> ScanReport:
    """Scan a file, or each file of a folder.

    Args:
        path: The file or folder. A link is followed here, and nowhere below. A folder that can't
            be listed is a gap, reported as one file that can't be read.
        budget: Limits for the whole call.
        packs: The allow packs; all that ship where it is ``None``.
        approved: Further globals that a person vetted.

    Raises:
        SubjectError: There is no such file or folder.
    """
    meter = (budget or Budget()).meter()
    allowlist = _allowlist(packs, approved)
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise SubjectError(
            "there is nothing to scan here",
            where=str(path),
            cause=error.strerror,
            next_step="check the path",
            slug="no-such-file",
        ) from None
    if not S_ISDIR(mode):
        return ScanReport((_file(path, path.name, meter, allowlist, follow=True),))
    found = [_file(file, name, meter, allowlist) for file, name in _walk(path)]
    return ScanReport(tuple(found))


def scan_bytes(
    data: bytes,
    name: str,
    *,
    budget: Budget | None = None,
    packs: Sequence[Pack] | None = None,
    approved: Sequence[Entry] = (),
) -> ScanReport:
    """Scan content that is in memory.

    Args:
        data: The content.
        name: How findings call it; it has no influence on the verdict.
        budget: As for :func:`scan_path`.
        packs: As for :func:`scan_path`.
        approved: As for :func:`scan_path`.
    """
    meter = (budget or Budget()).meter()
    return ScanReport((_content(data, name, meter, _allowlist(packs, approved)),))


def scan_handle(
    handle: BinaryIO,
    name: str,
    *,
    budget: Budget | None = None,
    packs: Sequence[Pack] | None = None,
    approved: Sequence[Entry] = (),
) -> ScanReport:
    """Scan an open file, as a confined worker gets it.

    Args:
        handle: A regular file, open for reading.
        name: How findings call it.
        budget: As for :func:`scan_path`.
        packs: As for :func:`scan_path`.
        approved: As for :func:`scan_path`.
    """
    meter = (budget or Budget()).meter()
    return ScanReport((_open(handle.fileno(), name, meter, _allowlist(packs, approved)),))


def _allowlist(packs: Sequence[Pack] | None, approved: Sequence[Entry]) -> Allowlist:
    if packs is None and not approved:
        return _shipped()
    return Allowlist(_shipped().packs if packs is None else packs, approved)


@lru_cache(maxsize=1)
def _shipped() -> Allowlist:
    """All packs that ship; they are constants of the program."""
    return Allowlist(load_packs())


def silent_scan() -> Scan:
    """Return a scan with the shipped packs, for running one examiner by itself."""
    return Scan("-", Budget().meter(), _shipped(), examine)


def _walk(root: Path) -> Iterator[tuple[Path, str]]:
    """Yield every entry that is no folder, in the order of paths; links are not followed.

    A folder that can't be listed stands for what is in it: it is yielded, and read by nobody.
    """
    todo = [root]
    files: list[Path] = []
    while todo:
        folder = todo.pop()
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    place = Path(entry.path)
                    (todo if entry.is_dir(follow_symlinks=False) else files).append(place)
        except OSError:
            files.append(folder)
    for file in sorted(files, key=lambda place: os.fsencode(place.relative_to(root).as_posix())):
        name = os.fsencode(file.relative_to(root).as_posix()).decode("utf-8", "backslashreplace")
        yield file, name


def _file(
    path: Path, name: str, meter: Meter, allowlist: Allowlist, *, follow: bool = False
) -> FileReport:
    try:
        meter.member()
        flags = os.O_RDONLY | os.O_NONBLOCK | getattr(os, "O_CLOEXEC", 0)
        handle = os.open(path, flags if follow else flags | os.O_NOFOLLOW)
    except (OSError, CheckError) as error:
        return _unread(name, str(error)[:200])
    try:
        return _open(handle, name, meter, allowlist)
    finally:
        os.close(handle)


def _open(handle: int, name: str, meter: Meter, allowlist: Allowlist) -> FileReport:
    status = os.fstat(handle)
    if not S_ISREG(status.st_mode):
        return _unread(name, "not a regular file")
    if status.st_size < _MAPPED:
        with os.fdopen(os.dup(handle), "rb") as file:
            file.seek(0)
            return _content(file.read(), name, meter, allowlist)
    with mmap.mmap(handle, status.st_size, access=mmap.ACCESS_READ) as data:
        return _content(data, name, meter, allowlist)


def _unread(name: str, why: str) -> FileReport:
    return FileReport(name, "unread", Status.INCONCLUSIVE, 0, (), (why,), failed=True)


def _content(data: Buffer, name: str, meter: Meter, allowlist: Allowlist) -> FileReport:
    scan = Scan(name, meter, allowlist, examine)
    kind = "unknown"
    try:
        meter.read(len(data))
        kind = examine(scan, data)
    except CheckError as error:
        scan.gap(error.problem, failed=True)
    except (RecursionError, MemoryError) as error:
        scan.gap(f"too deep or too large: {type(error).__name__}", failed=True)
    notes = scan.notes
    if notes.findings:
        status = Status.FINDINGS
    else:
        status = Status.INCONCLUSIVE if notes.gaps else Status.CLEAN
    _log.debug("scanned format=%s status=%s findings=%d", kind, status.value, len(notes.findings))
    findings = tuple(
        sorted(notes.findings, key=lambda f: (f.location.path, f.location.offset or 0))
    )
    return FileReport(
        name, kind, status, len(data), findings, tuple(notes.gaps), failed=notes.failed
    )
