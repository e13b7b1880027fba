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
from typing import BinaryIO, Final, Protocol

from tidegate.core.errors import CheckError, SubjectError
from tidegate.core.finding import Detector, Measured
from tidegate.detect.supply.allow.packs import Allowlist, Entry, Pack, load_packs
from tidegate.detect.supply.budget import Budget, Meter
from tidegate.detect.supply.formats.dispatch import examine
from tidegate.detect.supply.pickles.cursor import Buffer
from tidegate.detect.supply.report import FileReport, ScanReport, Status
from tidegate.detect.supply.scan import Scan

_log = logging.getLogger(__name__)

ENGINE_VERSION: Final = "3"
"""Grows with each change of the engine that can change a verdict."""
RULESET: Final = "0ea9c24242a3"
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


class Examiner(Protocol):
    """Examines one open file: in this process, or in a confined one."""

    def __call__(self, handle: int, name: str, meter: Meter, /) -> FileReport:
        """Return the report; what can't be examined is a gap in it, never an exception.

        Args:
            handle: A regular file, open for reading.
            name: How findings call it.
            meter: What the whole call may still spend.
        """
        ...


def scan_path(
    path: Path,
    *,
    budget: Budget | None = None,
    packs: Sequence[Pack] | None = None,
    approved: Sequence[Entry] = (),
    examiner: Examiner | None = None,
) -> ScanReport:
    """Scan a file, or each file of a folder.

    Args:
        path: The file or folder. A link is followed here, and nowhere below. A folder that can't
            be listed is a gap, reported as one file that can't be read.
        budget: Limits for the whole call.
        packs: The allow packs; all that ship where it is ``None``.
        approved: Further globals that a person vetted.
        examiner: What examines each file, with packs and approvals of its own; this process
            where it is ``None``.

    Raises:
        SubjectError: There is no such file or folder.
    """
    return scan_paths((path,), budget=budget, examiner=examiner or local(packs, approved))


def scan_paths(
    paths: Sequence[Path], *, budget: Budget | None = None, examiner: Examiner | None = None
) -> ScanReport:
    """Scan several files and folders with one budget; findings name each with its path as given.

    Args:
        paths: As for :func:`scan_path`. One alone is named without its own path.
        budget: Limits for the whole call.
        examiner: As for :func:`scan_path`.

    Raises:
        SubjectError: One of them does not exist; then nothing was scanned.
    """
    meter, examiner = (budget or Budget()).meter(), examiner or local()
    folders = [_is_folder(path) for path in paths]
    found: list[FileReport] = []
    for path, folder in zip(paths, folders, strict=True):
        shown = "" if len(paths) == 1 else f"{_name(path)}/"
        if folder:
            found += [_file(file, shown + name, meter, examiner) for file, name in _walk(path)]
        else:
            name = path.name if len(paths) == 1 else _name(path)
            found.append(_file(path, name, meter, examiner, follow=True))
    return ScanReport(tuple(found))


def _is_folder(path: Path) -> bool:
    try:
        return S_ISDIR(path.stat().st_mode)
    except OSError as error:
        raise SubjectError(
            "there is nothing to scan here",
            where=str(path),
            cause=error.strerror,
            next_step="check the path",
            slug="no-such-file",
        ) from None


def _name(path: Path) -> str:
    return os.fsencode(path).decode("utf-8", "backslashreplace")


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
    examiner: Examiner | None = None,
) -> ScanReport:
    """Scan an open file.

    Args:
        handle: A regular file, open for reading.
        name: How findings call it.
        budget: As for :func:`scan_path`.
        packs: As for :func:`scan_path`.
        approved: As for :func:`scan_path`.
        examiner: As for :func:`scan_path`.
    """
    meter, examiner = (budget or Budget()).meter(), examiner or local(packs, approved)
    return ScanReport((_given(handle.fileno(), name, meter, examiner),))


def local(packs: Sequence[Pack] | None = None, approved: Sequence[Entry] = ()) -> Examiner:
    """Return an examiner that works in this process.

    Args:
        packs: As for :func:`scan_path`.
        approved: As for :func:`scan_path`.
    """
    allowlist = _allowlist(packs, approved)

    def examine_here(handle: int, name: str, meter: Meter) -> FileReport:
        return examine_file(handle, name, meter, allowlist)

    return examine_here


def _allowlist(packs: Sequence[Pack] | None, approved: Sequence[Entry]) -> Allowlist:
    if packs is None and not approved:
        return shipped()
    return Allowlist(shipped().packs if packs is None else packs, approved)


@lru_cache(maxsize=1)
def shipped() -> Allowlist:
    """Return all packs that ship; they are constants of the program."""
    return Allowlist(load_packs())


def silent_scan() -> Scan:
    """Return a scan with the shipped packs, for running one examiner by itself."""
    return Scan("-", Budget().meter(), shipped(), examine)


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
    path: Path, name: str, meter: Meter, examiner: Examiner, *, follow: bool = False
) -> FileReport:
    try:
        meter.start_file()
        meter.member()
        flags = os.O_RDONLY | os.O_NONBLOCK | getattr(os, "O_CLOEXEC", 0)
        handle = os.open(path, flags if follow else flags | os.O_NOFOLLOW)
    except (OSError, CheckError) as error:
        return unread(name, str(error)[:200])
    try:
        return _given(handle, name, meter, examiner)
    finally:
        os.close(handle)


def _given(handle: int, name: str, meter: Meter, examiner: Examiner) -> FileReport:
    if not S_ISREG(os.fstat(handle).st_mode):
        return unread(name, "not a regular file")
    return examiner(handle, name, meter)


def examine_file(handle: int, name: str, meter: Meter, allowlist: Allowlist) -> FileReport:
    """Examine one open file in this process.

    Args:
        handle: A regular file, open for reading.
        name: How findings call it.
        meter: What may be spent.
        allowlist: What pickles may use.
    """
    try:
        meter.start_file()
        size = os.fstat(handle).st_size
        if size < _MAPPED:
            with os.fdopen(os.dup(handle), "rb") as file:
                file.seek(0)
                return _content(file.read(), name, meter, allowlist)
        with mmap.mmap(handle, size, access=mmap.ACCESS_READ) as data:
            return _content(data, name, meter, allowlist)
    except (OSError, ValueError, MemoryError) as error:
        return unread(name, f"it can't be read: {str(error)[:200]}")


def unread(name: str, why: str) -> FileReport:
    """Return the report of a file that nobody could examine.

    Args:
        name: How findings would have called it.
        why: The reason, for a person.
    """
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
        name,
        kind,
        status,
        len(data),
        findings,
        tuple(notes.gaps),
        failed=notes.failed,
        names=tuple(sorted(notes.names)),
        names_cut=notes.names_cut,
    )
