"""Pictures beside models: whole ones are clean, what hides in or behind them is told."""

import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.detect.supply import Status, scan_bytes


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(*more: bytes) -> bytes:
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
    pixels = chunk(b"IDAT", zlib.compress(b"\0\0"))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(more) + pixels + chunk(b"IEND", b"")


def segment(marker: int, body: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body


JPEG = (
    b"\xff\xd8" + segment(0xE0, b"JFIF\0\1\1\0\0\1\0\1\0\0") + segment(0xDB, bytes(65))
    + segment(0xDA, b"\1\1\0\0\x3f\0") + b"\x12\xff\x00\x34\xff\xd0\x56" + b"\xff\xd9"
)  # fmt: skip
GIF = (
    b"GIF89a" + struct.pack("<HHBBB", 1, 1, 0x80, 0, 0) + bytes(6)
    + b"\x21\xf9\x04\0\0\0\0\0" + b"\x2c" + struct.pack("<HHHHB", 0, 0, 1, 1, 0)
    + b"\x02\x02\x44\x01\x00" + b"\x3b"
)  # fmt: skip
PICTURES = {"png": png(), "jpeg": JPEG, "gif": GIF}


@pytest.mark.parametrize("kind", list(PICTURES))
def test_a_whole_picture_is_clean(kind: str) -> None:
    (found,) = scan_bytes(PICTURES[kind], "figure").files
    assert (found.format, found.status, found.gaps) == (kind, Status.CLEAN, ())


@pytest.mark.parametrize("kind", list(PICTURES))
def test_what_follows_the_end_is_told(kind: str) -> None:
    report = scan_bytes(PICTURES[kind] + b"cos\nsystem\n(S'id'\ntR.", "figure")
    assert report.status is Status.FINDINGS
    assert "TG-REG-03/trailing-data" in {one.rule for one in report.findings}


@pytest.mark.parametrize("kind", list(PICTURES))
def test_a_cut_picture_is_never_clean(kind: str) -> None:
    whole = PICTURES[kind]
    for size in range(8, len(whole) - 1):
        assert scan_bytes(whole[:size], "figure").status is not Status.CLEAN, size


def test_a_secret_in_a_text_is_told() -> None:
    text = chunk(b"tEXt", b"Comment\0import os; os.system('id')")
    assert scan_bytes(png(text), "figure.png").status is Status.FINDINGS


def test_a_wrong_checksum_is_a_gap() -> None:
    data = bytearray(png())
    data[20] ^= 1
    assert scan_bytes(bytes(data), "figure.png").status is Status.INCONCLUSIVE


@given(st.sampled_from(list(PICTURES.values())), st.data())
def test_damage_never_raises(picture: bytes, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(picture) - 1))
    scan_bytes(picture[:at] + data.draw(st.binary(max_size=9)) + picture[at:], "figure")
