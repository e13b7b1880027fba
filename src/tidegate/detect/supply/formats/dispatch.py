"""Tells what content is by the content itself, never by a name, and hands it to its examiner.

Every content is also tried as a pickle: a file that is valid in one format and imports something
in another is a finding. A format that no examiner knows is a gap, never clean.
"""

from collections.abc import Callable
from typing import Final

from tidegate.detect.supply.archives import seven_zip, tar_scan
from tidegate.detect.supply.archives.inflate import expand
from tidegate.detect.supply.archives.zip_layout import LOCAL, find_directory
from tidegate.detect.supply.archives.zip_scan import scan_zip
from tidegate.detect.supply.budget import BudgetSpentError
from tidegate.detect.supply.formats import (
    catboost_file,
    images,
    numpy_file,
    oci_manifest,
    safetensors_file,
    xgboost_binary,
    xgboost_ubj,
)
from tidegate.detect.supply.formats.binary import (
    MARKED,
    MAY_CARRY_ARCHIVE,
    examine_behind,
    examine_beside,
    examine_unmarked,
)
from tidegate.detect.supply.formats.text_scan import decode, scan_if_text
from tidegate.detect.supply.pickles.cursor import Buffer, first_content
from tidegate.detect.supply.pickles.scan import probe, scan_pickle
from tidegate.detect.supply.scan import Scan

_COMPRESSED: Final = (
    (b"\x1f\x8b", "gzip"),
    (b"BZh", "bz2"),
    (b"\xfd7zXZ\0", "xz"),
    (b"\x5d\0\0", "lzma"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"\x04\x22\x4d\x18", "lz4"),
    (b"\x78\x01", "zlib"),
    (b"\x78\x5e", "zlib"),
    (b"\x78\x9c", "zlib"),
    (b"\x78\xda", "zlib"),
)
_PROGRAMS: Final = (
    b"\x7fELF",
    b"MZ",
    b"\xfe\xed\xfa\xce",
    b"\xfe\xed\xfa\xcf",
    b"\xcf\xfa\xed\xfe",
    b"\xca\xfe\xba\xbe",
    b"\0asm",
)
_UNSUPPORTED: Final = (
    (0, b"Rar!\x1a\x07", "rar"),
    (0, b"PAR1", "parquet"),
    (0, b"ARROW1", "arrow"),
    (0, b"%PDF", "pdf"),
)
_OLD_JOBLIB: Final = b"ZF0x"
_OLD_JOBLIB_HEADER: Final = 2 + len(hex(2**64))
_HIGHEST_PROTOCOL: Final = 5


def _is_zip(data: Buffer) -> bool:
    return data[:4] in (LOCAL, b"PK\x05\x06")


def _is_npy(data: Buffer) -> bool:
    return data[: len(numpy_file.MAGIC)] == numpy_file.MAGIC


def _is_pickle(data: Buffer) -> bool:
    return data[:1] == b"\x80" and data[1:2] <= bytes([_HIGHEST_PROTOCOL]) and len(data) > 1


def _pickle(data: Buffer, scan: Scan) -> None:
    scan_pickle(data, scan)


_Examiner = tuple[str, Callable[[Buffer], bool], Callable[[Buffer, Scan], None]]
_EXAMINERS: Final[tuple[_Examiner, ...]] = (
    ("zip", _is_zip, scan_zip),
    ("npy", _is_npy, numpy_file.scan_npy),
    ("safetensors", safetensors_file.looks_like, safetensors_file.scan_safetensors),
    *MARKED,
    ("pickle", _is_pickle, _pickle),
    ("7z", seven_zip.looks_like, seven_zip.scan_seven_zip),
    ("tar", tar_scan.looks_like, tar_scan.scan_tar),
    ("png", images.is_png, images.scan_png),
    ("jpeg", images.is_jpeg, images.scan_jpeg),
    ("gif", images.is_gif, images.scan_gif),
    ("catboost", catboost_file.looks_like, catboost_file.scan_catboost),
    ("ubjson", xgboost_ubj.looks_like, xgboost_ubj.scan_ubj),
    ("xgboost-binary", xgboost_binary.looks_like, xgboost_binary.scan_binary),
)


def examine(scan: Scan, data: Buffer) -> str:
    """Examine content and return the name of its format.

    Raises:
        BudgetSpentError: It takes more than the budget.
    """
    oci_manifest.check_blob(data, scan)
    if len(data) == 0:
        return "empty"
    examine_behind(data, scan)
    kind = _strong(scan, data)
    if kind is None:
        return _weak(scan, data)
    examine_beside(data, scan)
    if kind != "pickle":
        _ambush(scan, data)
    if kind != "zip":
        _archive_behind(scan, data, usual=kind in MAY_CARRY_ARCHIVE)
    return kind


def _strong(scan: Scan, data: Buffer) -> str | None:
    """Examine content that has a magic number."""
    for name, looks_like, scan_it in _EXAMINERS:
        if looks_like(data):
            scan_it(data, scan)
            return name
    head = data[:16]
    for magic, method in _COMPRESSED:
        if head.startswith(magic):
            _compressed(scan, data, method, 0)
            return method
    if head.startswith(_OLD_JOBLIB):
        _compressed(scan, data, "zlib", _OLD_JOBLIB_HEADER)
        return "joblib-zfile"
    return _named_only(scan, data, head)


def _named_only(scan: Scan, data: Buffer, head: bytes) -> str | None:
    if head.startswith(_PROGRAMS) and decode(data) is None:
        scan.find("program", "a native program or library", 0)
        scan.gap("a program is not judged by the model scanner")
        return "program"
    for at, magic, name in _UNSUPPORTED:
        if head[at : at + len(magic)] == magic:
            scan.gap(f"the format {name} is not examined")
            return name
    return None


def _weak(scan: Scan, data: Buffer) -> str:
    """Examine content without a magic number: an old pickle, text, or nothing that is known."""
    if probe(data, scan) is not None:
        scan_pickle(data, scan)
        return "pickle"
    _archive_behind(scan, data)
    kind = examine_unmarked(data, scan) or scan_if_text(data, scan)
    if kind is None:
        scan.gap("the format is unknown")
    return kind or "unknown"


def _compressed(scan: Scan, data: Buffer, method: str, start: int) -> None:
    try:
        result = expand(method, data, scan.meter, start)
    except BudgetSpentError as error:
        scan.find("archive-bomb", f"compressed content {error.problem}", 0)
        raise
    if result.error:
        scan.gap(f"the {method} stream is damaged: {result.error}", failed=True)
    if first_content(data, result.end) < len(data) and not result.error:
        scan.find("trailing-data", f"bytes follow the {method} stream", result.end)
    with scan.inside(method) as inner:
        scan.descend(inner, result.body)


def _ambush(scan: Scan, data: Buffer) -> None:
    ahead = probe(data, scan)
    # A stream that only stops may be chance; one that imports or calls is not.
    if ahead is not None and (ahead.imports or ahead.judge.calls):
        scan.find("loader-ambiguity", "it is also a pickle that imports something", 0)


def _archive_behind(scan: Scan, data: Buffer, *, usual: bool = False) -> None:
    """Look for a zip archive whose end is the file's end: zip readers find it from there."""
    directory = find_directory(data)
    if directory is not None and directory.size:
        if not usual:
            why = "a zip archive lies behind other content"
            scan.find("loader-ambiguity", why, directory.start)
        with scan.inside("zip") as inner:
            scan_zip(data, inner, appended=usual)
