"""The pickle machine: which streams are clean, and which rule names what is wrong, and where."""

import collections
import datetime as dt
import io
import pickle
import struct
import subprocess
import sys
import zlib
from dataclasses import dataclass
from pathlib import Path

import pytest

from tidegate.detect.supply import Entry, Status, scan_bytes
from tidegate.detect.supply.budget import Budget


def op_str(text: str) -> bytes:
    return b"X" + struct.pack("<I", len(text.encode())) + text.encode()


@dataclass(frozen=True)
class Case:
    name: str
    stream: bytes
    rule: str
    offset: int | None = None


OD = b"ccollections\nOrderedDict\n"
CALL = b"cos\nsystem\n" + op_str("true") + b"\x85R."
CASES = [
    Case("a call of an unlisted callable", b"\x80\x02" + CALL, "pickle-call", 23),
    Case("the same by INST", b"(S'true'\nios\nsystem\n.", "pickle-call", 9),
    Case("the same by OBJ", b"(cos\nsystem\nS'true'\no.", "pickle-call"),
    Case(
        "the same by STACK_GLOBAL",
        b"\x80\x04" + op_str("os") + op_str("system") + op_str("true") + b"\x85\x93.",
        "pickle-computed-name",
    ),
    Case(
        "a name read from the memo",
        b"\x80\x04" + op_str("os") + b"\x94" + op_str("system") + b"\x93h\x00\x85R.",
        "pickle-call",
    ),
    Case("the Python 2 name of a module", b"c__builtin__\neval\n(S'1'\ntR.", "pickle-call"),
    Case("an unlisted class", b"\x80\x02cm\nC\n)\x81.", "pickle-new", 8),
    Case("state for an unlisted class", b"\x80\x02cm\nC\n)\x81}b.", "pickle-new"),
    Case("an uncalled reference in a list", b"](cos\nsystem\ne.", "pickle-reference", 2),
    Case("a reference that is popped", b"cos\nsystem\n0N.", "pickle-reference", 0),
    Case("a reference that is left on the stack", b"cos\nsystem\nN.", "pickle-reference", 0),
    Case("a reference deep in tuples", b"cos\nsystem\n\x85\x85\x85\x85.", "pickle-reference"),
    Case("a reference as a dict's key", b"}cos\nsystem\nNs.", "pickle-reference"),
    Case("a dotted name below a listed one", b"\x80\x04" + op_str("collections")
         + op_str("OrderedDict.fromkeys") + b"\x93)R.", "pickle-call"),
    Case("a listed callable with a strange argument", OD + b"K\x01\x85R.", "pickle-arguments"),
    Case("a listed callable with a list for arguments", OD + b"]R.", "pickle-arguments"),
    Case("a factory that is no plain type", b"ccollections\ndefaultdict\ncos\nsystem\n\x85R.",
         "pickle-arguments"),
    Case("a reconstructor of an unlisted class",
         b"ccopyreg\n_reconstructor\n(cm\nC\ncbuiltins\nobject\nNtR.", "pickle-arguments"),
    Case("state written into a class", OD + b"}" + op_str("x") + b"K\x01sb.",
         "pickle-mutates-global"),
    Case("items set on a class", OD + op_str("x") + b"K\x01s.", "pickle-mutates-global"),
    Case("members appended to a class", OD + b"K\x01a.", "pickle-mutates-global"),
    Case("a special name in the state", b"\x80\x02cargparse\nNamespace\n)\x81}"
         + op_str("__class__") + b"Nsb.", "pickle-dunder-state"),
    Case("a special name in the slot state", b"\x80\x02cargparse\nNamespace\n)\x81N}"
         + op_str("__class__") + b"Ns\x86b.", "pickle-dunder-state"),
    Case("a special name that is set after the state", b"\x80\x02cargparse\nNamespace\n)\x81q\x00"
         b"}q\x01b0h\x01" + op_str("__class__") + b"Ns.", "pickle-dunder-state"),
    Case("a special name in an ordered dict", OD + b")R" + op_str("__class__") + b"Ns.",
         "pickle-dunder-state"),
    Case("a computed name in the state", b"\x80\x02cargparse\nNamespace\n)\x81}" + OD
         + b")RNsb.", "pickle-dunder-state"),
    Case("a call of what a call made", OD + b")R)R.", "pickle-indirect-call"),
    Case("a call of a string", op_str("x") + b")R.", "pickle-indirect-call"),
    Case("an extension code", b"\x80\x02\x82\x01.", "pickle-extension", 2),
    Case("a persistent id", b"Pid\n.", "pickle-persistent-id", 0),
    Case("a persistent id of PyTorch's form in a plain pickle", b"\x80\x02(" + op_str("storage")
         + b"ctorch\nFloatStorage\n" + op_str("0") + op_str("cpu") + b"K\x01tQ.",
         "pickle-persistent-id"),
    Case("an overwritten memo entry", b"K\x01q\x00K\x02q\x00.", "pickle-memo"),
    Case("a memo index out of reason", b"\x80\x02K\x01r\xff\xff\xff\x7f.", "pickle-memo"),
    Case("an opcode across a frame's end", b"\x80\x04\x95" + struct.pack("<Q", 2)
         + op_str("abc") + b".", "pickle-frame"),
    Case("a frame inside a frame", b"\x80\x04\x95" + struct.pack("<Q", 11) + b"\x95"
         + struct.pack("<Q", 2) + b"N.", "pickle-frame"),
    Case("a second stream", pickle.dumps(1) + b"\x80\x02" + CALL, "pickle-call"),
    Case("a second stream behind zeros", pickle.dumps(1) + bytes(99) + b"\x80\x02" + CALL,
         "pickle-call"),
    Case("bytes after STOP", pickle.dumps(1) + b"\xffpayload", "pickle-trailing-bytes"),
    Case("a pickle in bytes", pickle.dumps({"a": b"\x80\x02" + CALL}), "pickle-embedded"),
    Case("a pickle in hexadecimal", pickle.dumps((b"\x80\x02" + CALL).hex()), "pickle-embedded"),
    Case("a pickle in a pickle in bytes", pickle.dumps(pickle.dumps(b"\x80\x02" + CALL)),
         "pickle-embedded"),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_each_trick_has_its_rule(case: Case) -> None:
    report = scan_bytes(case.stream, "x")
    found = {f.rule.partition("/")[2]: f.location.offset for f in report.findings}
    assert report.status is Status.FINDINGS
    assert case.rule in found
    if case.offset is not None:
        assert found[case.rule] == case.offset


def test_base64_hides_nothing() -> None:
    import base64  # noqa: PLC0415 - for one test

    text = base64.b64encode(pickle.dumps(print)).decode()
    report = scan_bytes(pickle.dumps({"payload": text}), "x")
    assert [f.rule for f in report.findings] == ["TG-REG-03/pickle-embedded"]


_SHARED = [1]
BENIGN = {
    "numbers": [1, -1, 2**70, 1.5, True, None],
    "text": {"ключ": "значение", b"b": bytearray(b"x" * 9000)},
    "containers": [(), (1,), [2], {3: 4}, {5}, frozenset([6])],
    "shared": [_SHARED, _SHARED, (_SHARED, _SHARED)],
    "dates": [dt.datetime(2026, 1, 1, tzinfo=dt.UTC), dt.timedelta(1)],
    "collections": [
        collections.OrderedDict(a=1),
        collections.defaultdict(list, {"a": [1]}),
        collections.Counter("aab"),
        collections.deque([1], 3),
    ],
    "scary words": ["os", "system", "eval(", "__class__", "import os", "rm -rf /"],
    "special keys in plain data": {"__class__": 1, "__version__": "1"},
    "many": list(range(5000)),
}


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("name", BENIGN)
def test_plain_data_is_clean_in_every_protocol(name: str, protocol: int) -> None:
    report = scan_bytes(pickle.dumps(BENIGN[name], protocol), "x")
    assert (report.status, report.findings) == (Status.CLEAN, ())


BROKEN = {
    "it ends early": pickle.dumps([1, 2, 3])[:-1],
    "an unknown opcode": b"\x80\x04\xff.",
    "an unknown protocol": b"\x80\x05\x80\x09N.",
    "an empty stack": b"\x80\x04.",
    "a missing memo entry": b"\x80\x04h\x07.",
    "no mark": b"\x80\x04t.",
    "a value below the mark": b"\x80\x04K\x01(\x85.",
    "a length beyond the end": b"\x80\x04B\xff\xff\xff\x7fx.",
    "buffers outside the file": b"\x80\x05\x97.",
    "a frame longer than the file": b"\x80\x04\x95" + b"\xff" * 8 + b"N.",
    "a key without its value": b"\x80\x04}(K\x01u.",
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_no_unpickler_would_finish_is_inconclusive(name: str) -> None:
    report = scan_bytes(BROKEN[name], "x")
    assert report.status is Status.INCONCLUSIVE
    assert report.coverage.failed
    assert not report.coverage.complete


def test_findings_before_a_break_are_kept() -> None:
    report = scan_bytes(b"\x80\x02" + CALL[:-1] + b"\xff", "x")
    assert report.status is Status.FINDINGS
    assert report.coverage.failed


def test_an_approval_allows_a_class_and_never_a_call() -> None:
    stream = b"\x80\x02cmy.models\nNet\n)\x81}b."
    approved = Entry.approve("my.models:Net", "vetted by hand")
    assert scan_bytes(stream, "x").status is Status.FINDINGS
    assert scan_bytes(stream, "x", approved=[approved]).status is Status.CLEAN
    call = b"\x80\x02cmy.models\nNet\nN\x85R."
    assert scan_bytes(call, "x", approved=[approved]).status is Status.FINDINGS


@pytest.mark.parametrize(
    ("budget", "stream"),
    [
        (Budget(opcodes=2_000), pickle.dumps(list(range(5_000)))),
        (Budget(memo=1_000), pickle.dumps([str(i) for i in range(5_000)])),
        (Budget(stack=1_000), b"\x80\x02" + b"K\x01" * 5_000 + b"."),
        (Budget(read=10), pickle.dumps("more than ten bytes")),
        (Budget(seconds=0, elapsed=iter([0.0, *[1.0] * 99]).__next__), pickle.dumps([1])),
    ],
    ids=["opcodes", "memo", "stack", "bytes", "time"],
)
def test_a_spent_budget_is_inconclusive(budget: Budget, stream: bytes) -> None:
    report = scan_bytes(stream, "x", budget=budget)
    assert report.status is Status.INCONCLUSIVE
    assert report.coverage.failed


def test_a_scan_never_imports_what_a_file_names(tmp_path: Path) -> None:
    (tmp_path / "planted_module.py").write_text("raise SystemExit('imported')\n")
    stream = b"\x80\x02cplanted_module\nNet\n)\x81}b."
    program = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from tidegate.detect.supply import scan_bytes\n"
        "report = scan_bytes(bytes.fromhex(sys.argv[2]), 'x')\n"
        "assert report.findings and 'planted_module' not in sys.modules\n"
        "assert not {'numpy', 'joblib', 'sklearn', 'torch'} & set(sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path), stream.hex()], check=False, timeout=60
    )
    assert done.returncode == 0


class _Marker:
    """Pickles as a call that writes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (self.path,))


def test_a_pickle_that_would_write_a_marker_does_so_when_loaded_and_not_when_scanned(
    tmp_path: Path,
) -> None:
    marker, file = tmp_path / "marker", tmp_path / "model.pkl"
    file.write_bytes(pickle.dumps(_Marker(marker)))
    for wrapped in (file.read_bytes(), zlib.compress(file.read_bytes())):
        report = scan_bytes(wrapped, "model.pkl")
        assert report.status is Status.FINDINGS
    assert not marker.exists()
    load = "import pickle, sys; pickle.load(open(sys.argv[1], 'rb'))"
    subprocess.run([sys.executable, "-c", load, str(file)], check=True, timeout=60)
    assert marker.exists(), "the control arm shows that the file is live"


def test_the_verdict_is_the_same_every_time() -> None:
    stream = b"".join(case.stream for case in CASES[:10])
    first = scan_bytes(stream, "x").to_json()
    assert all(scan_bytes(stream, "x").to_json() == first for _ in range(3))


def test_recursive_values_end() -> None:
    loop: list[object] = []
    loop.append(loop)
    for protocol in range(6):
        buffer = io.BytesIO()
        pickle.Pickler(buffer, protocol).dump(loop)
        assert scan_bytes(buffer.getvalue(), "x").status is Status.CLEAN
