"""Formats: content decides, never the name; each container's tricks have their rules."""

import bz2
import gzip
import io
import json
import lzma
import pickle
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save

from tidegate.detect.supply import Budget, ScanReport, Status, scan_bytes

EVIL = b"\x80\x02cos\nsystem\nX\x04\x00\x00\x00true\x85R."
GOOD = pickle.dumps({"weights": [1.0, 2.0]}, 4)


def slugs(report: ScanReport) -> set[str]:
    return {finding.rule.partition("/")[2] for finding in report.findings}


def rules_of(data: bytes) -> set[str]:
    return slugs(scan_bytes(data, "x"))


def make_zip(members: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, body in members.items():
            archive.writestr(name, body)
    return buffer.getvalue()


def npy(array: "np.ndarray[Any, Any]") -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=True)
    return buffer.getvalue()


def tar(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, body in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(body)
            archive.addfile(info, io.BytesIO(body))
    return buffer.getvalue()


WRAPPERS: dict[str, Callable[[bytes], bytes]] = {
    "as it is": lambda body: body,
    "gzip": gzip.compress,
    "zlib": zlib.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "lzma": lambda body: lzma.compress(body, lzma.FORMAT_ALONE),
    "two gzip members": lambda body: gzip.compress(body[:9]) + gzip.compress(body[9:]),
    "old joblib": lambda body: b"ZF" + hex(len(body)).ljust(19).encode() + zlib.compress(body),
    "tar": lambda body: tar({"model": body}),
    "tar.gz": lambda body: gzip.compress(tar({"a/b": body})),
    "zip": lambda body: make_zip({"model": body}),
    "deflated zip": lambda body: make_zip({"model": body}, zipfile.ZIP_DEFLATED),
    "zip in zip": lambda body: make_zip({"inner.txt": make_zip({"model": body})}),
    "torch-like zip": lambda body: make_zip({"archive/data.pkl": body, "archive/version": b"3\n"}),
}


@pytest.mark.parametrize("name", WRAPPERS)
def test_a_pickle_is_found_inside_every_container(name: str) -> None:
    assert "pickle-call" in rules_of(WRAPPERS[name](EVIL))
    assert scan_bytes(WRAPPERS[name](GOOD), "x").status is Status.CLEAN


@pytest.mark.parametrize("name", ["model.safetensors", "README.md", "x.png", "", "a.json"])
def test_the_name_changes_nothing(name: str) -> None:
    assert scan_bytes(EVIL, name).status is Status.FINDINGS


def patched(data: bytes, signature: bytes, at: int, new: bytes) -> bytes:
    place = data.index(signature) + at
    return data[:place] + new + data[place + len(new) :]


CENTRAL, LOCAL = b"PK\x01\x02", b"PK\x03\x04"
PLAIN = make_zip({"model.bin": EVIL})
ZIP_TRICKS = {
    "encrypted flag in both headers": (
        patched(patched(PLAIN, CENTRAL, 8, b"\x01\x00"), LOCAL, 6, b"\x01\x00"),
        "archive-encrypted",
    ),
    "encrypted flag in one header": (
        patched(PLAIN, CENTRAL, 8, b"\x01\x00"),
        "archive-disagreement",
    ),
    "another name in the local header": (
        patched(PLAIN, LOCAL, 30, b"label.txt"),
        "archive-disagreement",
    ),
    "another size in the directory": (
        patched(PLAIN, CENTRAL, 20, b"\x05\x00\x00\x00"),
        "archive-disagreement",
    ),
    "a wrong checksum": (
        patched(patched(PLAIN, CENTRAL, 16, b"1234"), LOCAL, 14, b"1234"),
        "archive-integrity",
    ),
    "no central directory": (PLAIN[: PLAIN.index(CENTRAL)], "archive-disagreement"),
    "bytes behind": (PLAIN + b"more", "trailing-data"),
}


@pytest.mark.parametrize("name", ZIP_TRICKS)
def test_a_zip_that_contradicts_itself_is_told_and_still_read(name: str) -> None:
    data, rule = ZIP_TRICKS[name]
    assert {rule, "pickle-call"} <= rules_of(data)


def test_a_member_that_the_directory_leaves_out_is_examined() -> None:
    hidden = make_zip({"hidden.pkl": EVIL})
    visible = make_zip({"readme.txt": b"hello"})
    body = hidden[: hidden.index(CENTRAL)]
    directory = visible.index(CENTRAL)
    shifted = bytearray(visible[directory:])
    shifted[42:46] = struct.pack("<I", len(body))
    end = shifted.index(b"PK\x05\x06")
    shifted[end + 16 : end + 20] = struct.pack("<I", len(body) + directory)
    data = body + visible[:directory] + bytes(shifted)
    assert zipfile.ZipFile(io.BytesIO(data)).namelist() == ["readme.txt"]
    assert {"archive-disagreement", "pickle-call"} <= rules_of(data)


def test_duplicates_slips_and_links_are_found() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.txt", "one")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("a.txt", "two")
        archive.writestr("../../etc/x", "three")
        link = zipfile.ZipInfo("link")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    found = rules_of(buffer.getvalue())
    assert {"archive-duplicate", "archive-slip", "archive-link"} <= found
    archive_bytes = io.BytesIO()
    with tarfile.open(fileobj=archive_bytes, mode="w") as tarball:
        info = tarfile.TarInfo("link")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc"
        tarball.addfile(info)
        tarball.addfile(tarfile.TarInfo("/abs"))
        tarball.addfile(tarfile.TarInfo("/abs"))
    found = rules_of(archive_bytes.getvalue())
    assert {"archive-duplicate", "archive-slip", "archive-link"} <= found


@pytest.mark.parametrize(
    "bomb",
    [zlib.compress(bytes(66 << 20), 1), make_zip({"b": bytes(66 << 20)}, zipfile.ZIP_DEFLATED)],
    ids=["zlib", "zip"],
)
def test_a_bomb_stops_at_its_ratio(bomb: bytes) -> None:
    report = scan_bytes(bomb, "x", budget=Budget(ratio=100))
    assert report.status is Status.FINDINGS
    assert "archive-bomb" in slugs(report)
    assert report.coverage.failed


def test_an_array_of_zeros_is_no_bomb() -> None:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, a=np.zeros(1 << 20))
    assert scan_bytes(buffer.getvalue(), "x").status is Status.CLEAN


def test_nesting_is_bounded() -> None:
    data = GOOD
    for _ in range(9):
        data = zlib.compress(data)
    report = scan_bytes(data, "x")
    assert report.status is Status.INCONCLUSIVE
    assert "nesting" in report.files[0].gaps[0]


def test_a_zip_behind_other_content_is_found() -> None:
    data = b"A harmless text.\n" + make_zip({"m": EVIL})
    assert {"loader-ambiguity", "pickle-call"} <= rules_of(data)
    assert "loader-ambiguity" in rules_of(GOOD + make_zip({"m": EVIL}))


def test_numpy_files() -> None:
    assert scan_bytes(npy(np.zeros((3, 4), "<f4")), "x").status is Status.CLEAN
    structured = np.zeros(3, dtype=[("a", "i4"), ("b", "U5"), ("c", "f8", (2,))])
    assert scan_bytes(npy(structured), "x").status is Status.CLEAN
    objects = npy(np.array([{"a": 1}, "x", None], dtype=object))
    assert scan_bytes(objects, "x").status is Status.CLEAN
    start = objects.index(b"\n") + 1
    assert "pickle-call" in rules_of(objects[:start] + EVIL)
    assert rules_of(npy(np.zeros(3)) + b"tail") == {"trailing-data"}
    assert scan_bytes(npy(np.zeros(3))[:-1], "x").status is Status.INCONCLUSIVE
    assert rules_of(b"\x93NUMPY\x01\x00\x0a\x00[1, 2,    ") == {"header-malformed"}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, a=np.ones(5), b=np.arange(3))
    assert scan_bytes(buffer.getvalue(), "x").status is Status.CLEAN


def safetensors(header: object, body: bytes = bytes(8)) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body


def tensor(begin: int, end: int, shape: list[int], dtype: str = "F32") -> dict[str, object]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


SAFETENSORS = {
    "good": (save({"a": np.zeros(2, "f4")}, {"format": "pt", "url": "https://a.example"}), set()),
    "out of bounds": (safetensors({"a": tensor(0, 12, [3])}), {"header-malformed"}),
    "overlap": (
        safetensors({"a": tensor(0, 8, [2]), "b": tensor(4, 8, [1])}),
        {"header-malformed"},
    ),
    "a hole": (safetensors({"a": tensor(4, 8, [1])}), {"header-malformed"}),
    "wrong size": (safetensors({"a": tensor(0, 8, [3])}), {"header-malformed", "trailing-data"}),
    "negative shape": (
        safetensors({"a": tensor(0, 8, [-2, -1])}),
        {"header-malformed", "trailing-data"},
    ),
    "twice the same name": (safetensors(b'{"a":1,"a":2}'), {"header-malformed"}),
    "data of no tensor": (safetensors({"a": tensor(0, 4, [1])}), {"trailing-data"}),
    "code in metadata": (
        safetensors({"__metadata__": {"x": "import os; os.system('id')"}, "a": tensor(0, 8, [2])}),
        {"metadata-content"},
    ),
    "metadata that is no text": (
        safetensors({"__metadata__": {"x": 1}, "a": tensor(0, 8, [2])}),
        {"header-malformed"},
    ),
}


@pytest.mark.parametrize("name", SAFETENSORS)
def test_safetensors_headers(name: str) -> None:
    data, expected = SAFETENSORS[name]
    report = scan_bytes(data, "x")
    assert report.files[0].format == "safetensors"
    assert slugs(report) == expected


TEXTS = {
    "a chat template": (
        '{"t": "{% for m in messages %}{{ m[\'role\'] }}: {{ m.content|trim }}{% endfor %}"}',
        set(),
    ),
    "a template that reaches out": (
        '{"chat_template": "{{ self.__init__.__globals__ }}"}',
        {"template-code"},
    ),
    "by subscript": ("{{ x['__class__'] }}", {"template-code"}),
    "by a hidden subscript": ("{{ x['\\x5f_class__'] }}", {"template-code"}),
    "by a computed subscript": ("{{ x['__cl' ~ 'ass__'] }}", {"template-code"}),
    "by a filter": ("{{ x|attr('y') }}", {"template-code"}),
    "by map": ("{{ x|map('attr', 'y')|list }}", {"template-code"}),
    "by an include": ("{% include 'x' %}", {"template-code"}),
    "a macro of its own": (
        "{% macro show(m) %}{{ m }}{% endmacro %}{{ show(messages[0]) }}",
        set(),
    ),
    "remote code": ('{"auto_map": {"AutoModel": "modeling.Net"}}', {"config-code"}),
    "a Lambda layer": ('{"class_name": "Lambda", "config": {}}', {"config-code"}),
    "a YAML object": ("a: !!python/object/apply:os.system [id]\n", {"config-code"}),
    "a private key": ("-----BEGIN RSA PRIVATE KEY-----\nMII\n", {"metadata-content"}),
    "prose with braces": ("Use {{ name }} or {% weird %}.\n", set()),
    "a model card with code": ("# Card\n```python\nimport torch\n```\n", set()),
    "labels that look like a pickle": ("cat\ndog\nbird\n", set()),
    "a csv": ("columns,values\n1,2\n", set()),
}


@pytest.mark.parametrize("name", TEXTS)
def test_texts(name: str) -> None:
    text, expected = TEXTS[name]
    report = scan_bytes(text.encode(), "x")
    assert slugs(report) == expected
    if not expected:
        assert report.status is Status.CLEAN


UNKNOWN = {
    "random bytes": (bytes(range(1, 255)), "unknown"),
    "hdf5": (b"\x89HDF\r\n\x1a\n" + bytes(64), "hdf5"),
    "gguf": (b"GGUF" + bytes(64), "gguf"),
    "rar": (b"Rar!\x1a\x07" + bytes(64), "rar"),
    "source code": (b"import os\n\n\ndef run():\n    pass\n", "text"),
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_what_is_not_understood_is_never_clean(name: str) -> None:
    data, kind = UNKNOWN[name]
    report = scan_bytes(data, "x")
    assert (report.status, report.files[0].format) == (Status.INCONCLUSIVE, kind)
    assert report.coverage.skipped or report.coverage.failed


def test_a_program_is_a_finding() -> None:
    assert rules_of(b"\x7fELF" + bytes(range(256))) == {"program"}


def test_names_from_a_file_cannot_steer_a_terminal() -> None:
    data = make_zip({"a\x1b[2J\n.pkl": EVIL, "../\x07": b"x"})
    (report,) = scan_bytes(data, "x").files
    assert report.findings
    for finding in report.findings:
        assert (finding.message + finding.location.path).isprintable()
    stream = b"\x80\x04\x8c\x05o\x1b[2J\x8c\x01x\x93."
    (finding,) = scan_bytes(stream, "x").findings
    assert finding.message.isprintable()


def test_text_that_is_hard_on_patterns_is_quick() -> None:
    for text in ("\n" * 300_000, "import " * 50_000, "```\n~~~\n" * 30_000, "{{" * 50_000):
        assert scan_bytes(text.encode(), "x", budget=Budget(seconds=30)).coverage.planned == 1


def test_braces_in_json_that_are_no_template_do_not_block() -> None:
    data = json.dumps({"citation": "title = {{Attention you need}}"}).encode()
    assert scan_bytes(data, "x").status is Status.CLEAN
    data = json.dumps({"chat_template": "{{Attention you need}}"}).encode()
    assert scan_bytes(data, "x").status is Status.INCONCLUSIVE
