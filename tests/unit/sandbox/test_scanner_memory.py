"""Whatever a file holds or expands to, its examiner stays below 200 MB; the next file is fine."""

import bz2
import gzip
import io
import pickle
import struct
import sys
import zipfile
from pathlib import Path

import pytest

from tidegate.detect.supply import Status, scan_path
from tidegate.sandbox.scanner import ConfinedScanner

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="Linux alone")]

MOST = 200_000_000
MAPPED = 1 << 24
ZEROS = bytes(1 << 20)


def zipped(megabytes: int) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as made, made.open("a", "w") as member:
        for _ in range(megabytes):
            member.write(ZEROS)
    return buffer.getvalue()


def nested(levels: int) -> bytes:
    data = zipped(64)
    for _ in range(levels):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as made:
            for number in range(8):
                made.writestr(str(number), data)
        data = buffer.getvalue()
    return data


def long_bytes(size: int) -> bytes:
    return b"\x80\x04\x8e" + struct.pack("<Q", size) + bytes(size) + b"."


HOSTILE = {
    "zip bomb": lambda: zipped(512),
    "zip bombs in zips": lambda: nested(3),
    "gzip bomb": lambda: gzip.compress(bytes(400 << 20), 9),
    "bz2 bomb": lambda: bz2.compress(bytes(200 << 20)),
    "a constant of 300 MB": lambda: long_bytes(300 << 20),
    "a million memo entries": lambda: b"\x80\x04(" + b"K\x01\x94" * 1_500_000 + b"l.",
    "a deep stack": lambda: b"\x80\x04" + b"(" * 1_900_000 + b".",
    "nested lists": lambda: b"\x80\x04" + b"]" * 500_000 + b"a" * 499_999 + b".",
    "a huge header": lambda: struct.pack("<Q", 90 << 20) + b'{"a":' + b"[" * (90 << 20),
    "deep JSON": lambda: b"[" * (8 << 20),
    "long text": lambda: b'{"a": "' + b"x" * (60 << 20) + b'"}',
    "many members": lambda: b"PK\x03\x04" * 5_000_000,
}


def peak(scanner: ConfinedScanner) -> int:
    """Return the most memory that the present process had resident (proc(5), VmHWM)."""
    assert scanner._cell is not None
    text = Path(f"/proc/{scanner._cell._process.pid}/status").read_text()
    return next(int(line.split()[1]) for line in text.splitlines() if "VmHWM" in line) * 1024


@pytest.mark.parametrize("case", HOSTILE)
def test_memory_stays_small(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hostile, fine = tmp_path / "hostile", tmp_path / "fine"
    hostile.write_bytes(HOSTILE[case]())
    fine.write_bytes(pickle.dumps([1]))
    peaks: list[int] = []
    close = ConfinedScanner.close

    def measure(self: ConfinedScanner) -> None:
        if self._cell is not None and not self._cell.gone:
            peaks.append(peak(self))
        close(self)

    monkeypatch.setattr(ConfinedScanner, "close", measure)
    with ConfinedScanner() as scanner:
        report = scan_path(hostile, examiner=scanner)
        assert scan_path(fine, examiner=scanner).status is Status.CLEAN
    assert report.status in {Status.FINDINGS, Status.INCONCLUSIVE, Status.CLEAN}
    size = hostile.stat().st_size
    # A large file is mapped: its pages are the kernel's cache, which it takes back at need.
    own = max(peaks) - (size if size >= MAPPED else 0)
    assert own <= MOST, f"{own / 1e6:.0f} MB"
