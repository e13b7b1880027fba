"""Archives: their tricks are told, and their content is examined whatever packs it."""

import bz2
import gzip
import io
import lzma
import pickle
import struct
import subprocess
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidegate.detect.supply import Budget, ScanReport, Status, scan_bytes
from tidegate.detect.supply.archives.inflate import Inflated, expand
from tidegate.detect.supply.archives.windows import Part

EVIL = b"\x80\x02cos\nsystem\nX\x04\x00\x00\x00true\x85R."
GOOD = pickle.dumps({"weights": [1.0, 2.0]}, 4)
LONG = b"".join(b"%07d\n" % i for i in range(2_500_000))


def slugs(report: ScanReport) -> set[str]:
    return {finding.rule.partition("/")[2] for finding in report.findings}


def rules_of(data: bytes) -> set[str]:
    return slugs(scan_bytes(data, "x"))


def make_zip(
    members: dict[str, bytes], method: int = zipfile.ZIP_STORED, note: bytes = b""
) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, body in members.items():
            archive.writestr(name, body)
        archive.comment = note
    return buffer.getvalue()


def make_tar(*infos: tarfile.TarInfo, form: int = tarfile.PAX_FORMAT) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as archive:
        for info in infos:
            archive.addfile(info, io.BytesIO(b"x" * info.size))
    return buffer.getvalue()


def entry(
    name: str, kind: bytes = tarfile.REGTYPE, link: str = "", size: int = 0
) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, link, size
    return info


COMPRESSORS: dict[str, Callable[[bytes], bytes]] = {
    "zlib": zlib.compress,
    "gzip": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "lzma": lambda body: lzma.compress(body, lzma.FORMAT_ALONE),
}


@pytest.mark.slow
@pytest.mark.parametrize("method", COMPRESSORS)
def test_what_is_long_is_read_in_stretches_and_not_held(method: str) -> None:
    packed = COMPRESSORS[method](LONG)
    result = expand(method, packed, Budget().meter())
    assert isinstance(result.body, Inflated)
    assert (len(result.body), result.crc, result.end) == (len(LONG), zlib.crc32(LONG), len(packed))
    for at in (0, 19_999_990, 5, len(LONG) - 20):
        assert result.body[at : at + 16] == LONG[at : at + 16]
    assert result.body.find(b"2000000\n") == LONG.find(b"2000000\n")
    assert result.body.rfind(b"0000001\n", 0, 1 << 20) == 8


@given(st.binary(max_size=40), st.integers(0, 40), st.integers(0, 40), st.binary(max_size=3))
def test_a_part_behaves_like_the_bytes_that_it_shows(
    data: bytes, start: int, size: int, sub: bytes
) -> None:
    part, plain = Part(data, start, start + size), data[start : start + size]
    assert len(part) == len(plain)
    assert part[:] == plain
    assert part[-3:] == plain[-3:]
    assert part.find(sub or b"a") == plain.find(sub or b"a")
    assert part.rfind(sub or b"a") == plain.rfind(sub or b"a")


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_every_method_of_zip_is_unpacked(method: int) -> None:
    assert "pickle-call" in rules_of(make_zip({"m": EVIL}, method))
    assert scan_bytes(make_zip({"m": GOOD}, method), "x").status is Status.CLEAN


@pytest.mark.parametrize("method", ["zstd", "lz4"])
def test_zstandard_and_lz4_are_unpacked_where_pyarrow_is(method: str) -> None:
    arrow = pytest.importorskip("pyarrow")
    for body, rule in ((EVIL, {"pickle-call"}), (GOOD, set())):
        sink = arrow.BufferOutputStream()
        with arrow.CompressedOutputStream(sink, method) as stream:
            stream.write(body)
        assert rules_of(sink.getvalue().to_pybytes()) == rule


def test_a_zstandard_window_that_would_take_all_memory_is_a_gap() -> None:
    frame = b"\x28\xb5\x2f\xfd\x00\xa8" + bytes(64)
    report = scan_bytes(frame, "x")
    assert report.status is Status.INCONCLUSIVE
    assert "64 MiB" in report.files[0].gaps[0]


def patched(data: bytes, signature: bytes, at: int, new: bytes) -> bytes:
    place = data.index(signature) + at
    return data[:place] + new + data[place + len(new) :]


CENTRAL, LOCAL, END = b"PK\x01\x02", b"PK\x03\x04", b"PK\x05\x06"
PLAIN = make_zip({"a.txt": b"hello"})
COMMENTED = make_zip({"a.txt": b"hello"}, note=b"made by hand")
ZIP_TRICKS: dict[str, tuple[bytes, set[str]]] = {
    "plain": (PLAIN, set()),
    "a comment that is text": (COMMENTED, set()),
    "several disks": (patched(PLAIN, END, 4, b"\x01\x00"), {"archive-disagreement"}),
    "a reserved flag": (
        patched(patched(PLAIN, CENTRAL, 8, b"\x20\x00"), LOCAL, 6, b"\x20\x00"),
        {"archive-disagreement"},
    ),
    "names that differ by case": (make_zip({"a.txt": b"1", "A.TXT": b"2"}), {"archive-duplicate"}),
    "names that differ by form": (
        make_zip({"\ufb01le": b"1", "file": b"2"}),
        {"archive-duplicate"},
    ),
    "an archive in the comment": (
        make_zip({"a.txt": b"hello"}, note=make_zip({"b": b"x"})[:60]),
        {"archive-disagreement", "trailing-data"},
    ),
    "a program in the comment": (
        make_zip({"a.txt": b"hello"}, note=b"\x7fELF" + bytes(range(128, 200))),
        {"trailing-data", "program"},
    ),
    "a drive": (make_zip({"C:/a.txt": b"1"}), {"archive-slip"}),
    "a backslash": (make_zip({"..\\a.txt": b"1"}), {"archive-slip"}),
}


@pytest.mark.parametrize("name", ZIP_TRICKS)
def test_zip_tricks(name: str) -> None:
    data, expected = ZIP_TRICKS[name]
    assert rules_of(data) == expected


def test_a_second_name_in_a_unicode_path_field_is_told() -> None:
    info = zipfile.ZipInfo("a.txt")
    other = b"b.txt"
    body = struct.pack("<BI", 1, zlib.crc32(b"a.txt")) + other
    info.extra = struct.pack("<HH", 0x7075, len(body)) + body
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(info, b"x")
    assert rules_of(buffer.getvalue()) == {"archive-disagreement"}


def test_entries_that_overlap_are_told() -> None:
    """As in a zip quine, or a bomb without recursion: many entries, one stretch of data."""
    data = bytearray(make_zip({"a": b"one", "b": b"two"}))
    second = data.index(CENTRAL, data.index(CENTRAL) + 1)
    data[second + 42 : second + 46] = struct.pack("<I", 0)
    assert "archive-disagreement" in rules_of(bytes(data))


def link(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = 0o120777 << 16
    return info


@pytest.mark.parametrize(
    ("target", "expected"),
    [("../b/c", set()), ("../../c", {"archive-link"}), ("/etc", {"archive-link"})],
)
def test_links_in_a_zip_are_judged_by_where_they_lead(target: str, expected: set[str]) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(link("a/l"), target)
    assert rules_of(buffer.getvalue()) == expected


TAR_TRICKS: dict[str, tuple[bytes, set[str]]] = {
    "plain": (make_tar(entry("a/b", size=3), entry("a", tarfile.DIRTYPE)), set()),
    "old format": (make_tar(entry("a/b", size=3), form=tarfile.GNU_FORMAT), set()),
    "a long name": (make_tar(entry("a/" * 90 + "b", size=3), form=tarfile.GNU_FORMAT), set()),
    "a long pax name": (make_tar(entry("ä/" * 90 + "b", size=3)), set()),
    "a link inside": (make_tar(entry("a/l", tarfile.SYMTYPE, "../b")), set()),
    "a link out": (make_tar(entry("a/l", tarfile.SYMTYPE, "../../b")), {"archive-link"}),
    "a link that climbs late": (make_tar(entry("l", tarfile.SYMTYPE, "a/../..")), {"archive-link"}),
    "a member beneath a link": (
        make_tar(entry("d", tarfile.SYMTYPE, "e"), entry("d/x", size=1)),
        {"archive-link"},
    ),
    "a hard link": (make_tar(entry("a", size=1), entry("b", tarfile.LNKTYPE, "a")), set()),
    "a hard link out": (make_tar(entry("b", tarfile.LNKTYPE, "/etc/passwd")), {"archive-link"}),
    "a device": (make_tar(entry("dev", tarfile.CHRTYPE)), {"archive-link"}),
    "a pipe": (make_tar(entry("p", tarfile.FIFOTYPE)), {"archive-link"}),
    "a slip": (make_tar(entry("../a", size=1)), {"archive-slip"}),
    "twice": (make_tar(entry("a", size=1), entry("a", size=1)), {"archive-duplicate"}),
    "alike": (make_tar(entry("a", size=1), entry("./A", size=1)), {"archive-duplicate"}),
    "bytes behind": (make_tar(entry("a", size=1)) + b"more", {"trailing-data"}),
    "a whiteout of its own layer": (
        make_tar(entry("etc/a", size=1), entry("etc/.wh.a")),
        {"archive-duplicate"},
    ),
    "a whiteout": (make_tar(entry("etc/.wh.b"), entry("etc/.wh..wh..opq")), set()),
}


@pytest.mark.parametrize("name", TAR_TRICKS)
def test_tar_tricks(name: str) -> None:
    data, expected = TAR_TRICKS[name]
    report = scan_bytes(data, "x")
    assert report.files[0].format == "tar"
    assert slugs(report) == expected


def header(name: bytes, size: int, kind: bytes, magic: bytes = b"ustar\x0000") -> bytes:
    block = bytearray(512)
    block[: len(name)] = name
    block[100:108] = b"0000644\0"
    block[124:136] = b"%011o\0" % size
    block[156:157] = kind
    block[257 : 257 + len(magic)] = magic
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def padded(body: bytes) -> bytes:
    return body + bytes(-len(body) % 512)


def pax(**records: str) -> bytes:
    out = b""
    for key, value in records.items():
        text = f" {key}={value}\n".encode()
        size = len(text)
        while size != len(text) + len(str(size)):
            size = len(text) + len(str(size))
        out += str(size).encode() + text
    return out


def test_tar_extensions_that_contradict_the_header_are_told() -> None:
    smuggled = padded(EVIL)
    record = pax(size="0")
    data = header(b"x", len(record), b"x") + padded(record)
    data += header(b"a", len(EVIL), b"0") + smuggled + bytes(1024)
    assert "archive-disagreement" in rules_of(data)
    record = pax(path="same")
    data = header(b"g", len(record), b"g") + padded(record) + header(b"a", 0, b"0") + bytes(1024)
    assert "archive-disagreement" in rules_of(data)
    twice = header(b"L", 2, b"L") + padded(b"b\0")
    data = twice + twice + header(b"a", 0, b"0") + bytes(1024)
    assert "archive-disagreement" in rules_of(data)


def test_a_tar_without_the_mark_is_a_tar() -> None:
    data = header(b"model", len(EVIL), b"0", b"") + padded(EVIL) + bytes(1024)
    assert "pickle-call" in rules_of(data)


def test_what_lies_behind_the_end_of_a_tar_is_examined() -> None:
    assert "pickle-call" in rules_of(make_tar(entry("a", size=1)) + EVIL)


def test_a_sparse_member_is_a_gap() -> None:
    record = pax(**{"GNU.sparse.major": "1", "GNU.sparse.minor": "0"})
    data = header(b"x", len(record), b"x") + padded(record) + header(b"a", 3, b"0")
    report = scan_bytes(data + padded(b"abc") + bytes(1024), "x")
    assert any("sparse" in gap for gap in report.files[0].gaps)


def number(value: int) -> bytes:
    assert value < 1 << 14
    return bytes([value]) if value < 0x80 else bytes([0x80 | value >> 8, value & 0xFF])


def seven_zip(
    name: str, body: bytes, coder: bytes = b"\x01\0", packed: bytes | None = None
) -> bytes:
    """Write an archive of one file, by hand; the coder is a copy unless another is handed in."""
    raw = body if packed is None else packed
    crc = struct.pack("<I", zlib.crc32(body))
    pack = b"\x06" + number(0) + number(1) + b"\x09" + number(len(raw)) + b"\0"
    unpack = b"\x07\x0b" + number(1) + b"\0" + number(1) + coder
    unpack += b"\x0c" + number(len(body)) + b"\x0a\x01" + crc + b"\0"
    text = b"\0" + name.encode("utf-16-le") + b"\0\0"
    files = b"\x05" + number(1) + b"\x11" + number(len(text)) + text + b"\0"
    head = b"\x01\x04" + pack + unpack + b"\0" + files + b"\0"
    start = struct.pack("<QQI", len(raw), len(head), zlib.crc32(head))
    signature = b"7z\xbc\xaf\x27\x1c\0\x04" + struct.pack("<I", zlib.crc32(start))
    return signature + start + raw + head


def lzma2(body: bytes) -> bytes:
    chain = [{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 16}]
    return lzma.compress(body, lzma.FORMAT_RAW, filters=chain)


SEVEN: dict[str, Callable[[bytes], bytes]] = {
    "a copy": lambda body: seven_zip("m", body),
    "lzma2": lambda body: seven_zip("m", body, b"\x21\x21\x01\x08", lzma2(body)),
    "deflate": lambda body: seven_zip("m", body, b"\x03\x04\x01\x08", zlib.compress(body)[2:-4]),
}


@pytest.mark.parametrize("name", SEVEN)
def test_seven_zip_is_unpacked(name: str) -> None:
    assert rules_of(SEVEN[name](EVIL)) == {"pickle-call"}
    report = scan_bytes(SEVEN[name](GOOD), "x")
    assert (report.status, report.files[0].format) == (Status.CLEAN, "7z")


def test_seven_zip_tricks() -> None:
    assert rules_of(seven_zip("../m", GOOD)) == {"archive-slip"}
    assert rules_of(seven_zip("m", GOOD) + b"more") == {"trailing-data"}
    assert "archive-integrity" in rules_of(seven_zip("m", GOOD)[:-1] + b"\x01")
    assert rules_of(seven_zip("m", GOOD, b"\x24\x06\xf1\x07\x01\x01\x00")) == {"archive-encrypted"}
    report = scan_bytes(seven_zip("m", GOOD, b"\x03\x03\x04\x01"), "x")
    assert report.status is Status.INCONCLUSIVE
    assert "scan that" in report.files[0].gaps[0]
    for cut in (8, 31, 60):
        assert scan_bytes(seven_zip("m", GOOD)[:cut], "x").status is not Status.CLEAN


MEASURE = """
import pathlib, sys
from tidegate.detect.supply import scan_path
scan_path(pathlib.Path(sys.argv[1]))
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no peak memory to read here")
@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_memory_stays_small_whatever_an_archive_holds(tmp_path: Path, method: int) -> None:
    place = tmp_path / "big.zip"
    block = b"".join(i.to_bytes(4, "little") for i in range(1 << 18))
    with (
        zipfile.ZipFile(place, "w", method, compresslevel=1) as archive,
        archive.open("m.bin", "w") as member,
    ):
        for i in range(300):
            member.write(bytes([i % 251]) + block[1:])
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(place)], capture_output=True, check=True, text=True
    )
    assert int(done.stdout) < 200 * 1024, "KiB"


WHOLE = [
    PLAIN,
    COMMENTED,
    TAR_TRICKS["a long pax name"][0],
    seven_zip("m", GOOD),
    gzip.compress(GOOD),
]


@pytest.mark.slow
@settings(deadline=None, max_examples=300)
@given(st.data())
def test_a_changed_archive_never_breaks_the_scanner(data: st.DataObject) -> None:
    body = bytearray(data.draw(st.sampled_from(WHOLE)))
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(body) - 1))
        body[at] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(body)))
    for candidate in (bytes(body), bytes(body[:cut])):
        report = scan_bytes(candidate, "x", budget=Budget(seconds=30))
        assert report.coverage.planned == 1
