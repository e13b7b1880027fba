"""The pickle machine against CPython's C unpickler, on streams that nobody would write.

The C unpickler runs with ``find_class`` replaced: it notes the name and hands out an inert
stand-in, so nothing that a stream names is ever imported or called.
"""

import io
import pickle
import struct
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tidegate.core.errors import CheckError
from tidegate.detect.supply import Allowlist, Status, load_packs, scan_bytes
from tidegate.detect.supply.engine import silent_scan
from tidegate.detect.supply.pickles.machine import PickleMachine

ALLOW = Allowlist(load_packs())


class _Inert:
    """Stands in for every global; takes anything, does nothing."""

    def __init__(self, *_: Any, **__: Any) -> None:
        """Ignore everything."""

    def __call__(self, *_: Any, **__: Any) -> "_Inert":
        return _Inert()

    def __setstate__(self, state: Any) -> None:
        """Ignore it."""

    def __setitem__(self, key: Any, value: Any) -> None:
        """Ignore it."""

    def append(self, item: Any) -> None:
        """Ignore it."""


class _Recorder(pickle.Unpickler):
    def __init__(self, data: bytes) -> None:
        super().__init__(io.BytesIO(data))
        self.names: list[tuple[str, str]] = []

    def find_class(self, module: str, name: str, /) -> Any:
        self.names.append((module, name))
        return type("Inert", (_Inert,), {})

    def persistent_load(self, pid: Any, /) -> Any:  # noqa: ARG002 - the base class's signature
        return _Inert()


def c_imports(data: bytes) -> tuple[list[tuple[str, str]], bool]:
    """Names that the C unpickler asks for, in order, and whether it got to STOP."""
    recorder = _Recorder(data)
    try:
        recorder.load()
    except Exception:  # noqa: BLE001 - whatever a damaged stream makes it raise
        return recorder.names, False
    return recorder.names, True


def short(text: str) -> bytes:
    return b"\x8c" + bytes([len(text)]) + text.encode()


NAMES = st.sampled_from(
    ["os", "system", "collections", "OrderedDict", "numpy", "ndarray", "a", "__class__", "copyreg"]
)
PIECES = st.one_of(
    st.sampled_from([bytes([code]) for code in b".(012N)]}tlduesaRboR\x81\x85\x86\x87\x88\x89"]),
    st.sampled_from([b"\x8f", b"\x90", b"\x91", b"\x92", b"\x93", b"\x93", b"\x94", b"Q"]),
    st.integers(0, 5).map(lambda n: b"h" + bytes([n])),
    st.integers(0, 5).map(lambda n: b"q" + bytes([n])),
    st.integers(0, 255).map(lambda n: b"K" + bytes([n])),
    st.integers(0, 5).map(lambda n: b"\x80" + bytes([n])),
    st.integers(0, 30).map(lambda n: b"\x95" + struct.pack("<Q", n)),
    NAMES.map(short),
    st.tuples(NAMES, NAMES).map(lambda pair: f"c{pair[0]}\n{pair[1]}\n".encode()),
    st.tuples(NAMES, NAMES).map(lambda pair: f"(i{pair[0]}\n{pair[1]}\n".encode()),
    st.binary(max_size=3).map(lambda raw: b"C" + bytes([len(raw)]) + raw),
    st.integers(-9, 9).map(lambda n: f"I{n}\n".encode()),
    st.sampled_from([b"S'os'\n", b"Vsystem\n", b"I01\n", b"L5L\n", b"F1.5\n", b"g0\n", b"p1\n"]),
)
STREAMS = st.lists(PIECES, max_size=24).map(lambda parts: b"".join(parts) + b".")


def key_of(name: tuple[str, str]) -> str:
    return f"{name[0]}:{name[1]}"


@settings(max_examples=700, deadline=None)
@given(STREAMS)
def test_the_machine_sees_every_import_that_the_c_unpickler_makes(data: bytes) -> None:
    scan = silent_scan()
    machine = PickleMachine(data, 0, scan)
    finished = True
    try:
        machine.run()
    except CheckError:
        finished = False
    names, _ = c_imports(data)
    if any(f.rule.endswith("pickle-frame") for f in scan.notes.findings):
        return  # reading a file, the C unpickler loses bytes of a line that crosses a frame's end
    seen = [(item.module, item.name) for item in machine.imports]
    if finished:
        assert names == [name for name in seen if name != ("?", "?")][: len(names)]
    else:
        assert scan_bytes(b"\x80\x02" + data, "x").status is not Status.CLEAN


@settings(max_examples=700, deadline=None)
@given(STREAMS)
def test_clean_means_that_only_listed_names_are_imported(data: bytes) -> None:
    data = b"\x80\x03" + data
    if scan_bytes(data, "x").status is Status.CLEAN:
        names, _ = c_imports(data)
        assert all(ALLOW.get(key_of(name)) for name in names)


SAMPLE = pickle.dumps({"a": [1, (2, "x")], "b": {"c": b"yy"}, "e": complex(1, 2)}, 4)


@settings(max_examples=400, deadline=None)
@given(st.integers(0, len(SAMPLE) - 1), st.integers(1, 255))
def test_a_changed_byte_never_slips_an_import_through(place: int, change: int) -> None:
    data = bytearray(SAMPLE)
    data[place] ^= change
    report = scan_bytes(bytes(data), "x")
    names, _ = c_imports(bytes(data))
    if report.status is Status.CLEAN and report.files[0].format == "pickle":
        assert all(ALLOW.get(key_of(name)) for name in names)
