"""Files that scikit-learn, joblib and NumPy write are clean; a change that matters is not."""

import io
import pickle
import struct
import tomllib
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
import sklearn
from sklearn import ensemble, feature_extraction, linear_model, pipeline, preprocessing

from tidegate.detect.supply import ScanReport, Status, Use, load_packs, scan_bytes
from tidegate.detect.supply.allow.packs import Allowlist
from tidegate.detect.supply.allow.vet import vet_package

X = np.random.default_rng(0).normal(size=(40, 3))
Y = (X[:, 0] > 0).astype(int)
MODELS: dict[str, Callable[[], Any]] = {
    "logistic": lambda: linear_model.LogisticRegression().fit(X, Y),
    "forest": lambda: ensemble.RandomForestClassifier(3).fit(X, Y),
    "boosting": lambda: ensemble.HistGradientBoostingClassifier(max_iter=3).fit(X, Y),
    "pipeline": lambda: pipeline.make_pipeline(
        preprocessing.StandardScaler(),
        preprocessing.FunctionTransformer(np.tanh),
        linear_model.SGDClassifier(),
    ).fit(X, Y),
    "text": lambda: feature_extraction.text.TfidfVectorizer().fit(["a cat sat", "on the mat"]),
    "strings": lambda: np.array(["a", None, {"b": 1}], dtype=object),
    "structured": lambda: np.zeros(3, dtype=[("a", "i4"), ("b", "f8")]),
    "empty": lambda: np.zeros((0, 3)),
}


def dumped(value: object, **options: Any) -> bytes:
    buffer = io.BytesIO()
    joblib.dump(value, buffer, **options)
    return buffer.getvalue()


def slugs(report: ScanReport) -> set[str]:
    return {finding.rule.partition("/")[2] for finding in report.findings}


@pytest.mark.parametrize("name", MODELS)
def test_what_frameworks_save_is_clean(name: str) -> None:
    model = MODELS[name]()
    forms = [pickle.dumps(model, protocol) for protocol in (2, 4, 5)]
    forms += [dumped(model), dumped(model, compress=3), dumped(model, compress=("xz", 1))]
    for data in forms:
        report = scan_bytes(data, "x")
        assert (report.status, report.findings, report.files[0].gaps) == (Status.CLEAN, (), ())


def test_a_function_that_a_model_would_call_later_is_found() -> None:
    import os  # noqa: PLC0415 - the reference under test

    model = preprocessing.FunctionTransformer(func=os.system)
    assert slugs(scan_bytes(pickle.dumps(model), "x")) == {"pickle-reference"}
    assert slugs(scan_bytes(dumped(model), "x")) == {"pickle-reference"}


def test_raw_arrays_are_passed_over_to_the_byte() -> None:
    planted = np.frombuffer(b"cos\nsystem\n(S'id'\ntR." + bytes(11), "u1")
    data = dumped({"a": planted, "b": [1, 2]})
    assert scan_bytes(data, "x").status is Status.CLEAN, "array bytes are no opcodes to joblib"


def old_wrapper(raw: bytes) -> bytes:
    """A joblib array without alignment, as releases before 1.2 wrote it."""

    def key(text: str) -> bytes:
        return b"X" + struct.pack("<I", len(text)) + text.encode()

    dtype = b"cnumpy\ndtype\n" + key("u1") + b"\x89\x88\x87R"
    state = b"}(" + key("subclass") + b"cnumpy\nndarray\n" + key("shape")
    state += b"K" + bytes([len(raw)]) + b"\x85" + key("order") + key("C")
    state += key("dtype") + dtype + key("allow_mmap") + b"\x88u"
    head = b"\x80\x02cjoblib.numpy_pickle\nNumpyArrayWrapper\n)\x81"
    return head + state + b"b" + raw + b"."


def test_array_bytes_that_plain_pickle_would_run_are_found() -> None:
    assert scan_bytes(old_wrapper(bytes(range(64))), "x").status is Status.CLEAN
    ambush = old_wrapper(b"cos\nsystem\n(S'id'\ntR.".ljust(64, b"\0"))
    assert slugs(scan_bytes(ambush, "x")) == {"loader-ambiguity"}


def test_an_array_longer_than_its_file_is_inconclusive() -> None:
    data = dumped(np.zeros(64, "f8"))
    report = scan_bytes(data[: len(data) // 2], "x")
    assert report.status is Status.INCONCLUSIVE


def test_padding_with_content_is_found() -> None:
    data = bytearray(dumped(np.zeros(1, "f8")))
    at = data.rindex(b"\xff")
    data[at] = 0x41
    assert "loader-ambiguity" in slugs(scan_bytes(bytes(data), "x"))


def torch_zip(pid_count: int, stored: int, *, extra: dict[str, bytes] | None = None) -> bytes:
    """A checkpoint of one float tensor, as ``torch.save`` lays it out."""
    storage = (
        b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpu"
        b"M" + struct.pack("<H", pid_count) + b"tQ"
    )
    rebuild = b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage
    rebuild += b"K\x00K\x02\x85K\x01\x85\x89ccollections\nOrderedDict\n)RtR"
    stream = b"\x80\x02}X\x01\x00\x00\x00w" + rebuild + b"s."
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("m/data.pkl", stream)
        archive.writestr("m/data/0", b"\x07" * stored)
        archive.writestr("m/version", b"3\n")
        for name, body in (extra or {}).items():
            archive.writestr(name, body)
    return buffer.getvalue()


def test_torch_checkpoints() -> None:
    assert scan_bytes(torch_zip(2, 8), "x").status is Status.CLEAN
    assert scan_bytes(torch_zip(2, 12), "x").status is Status.INCONCLUSIVE, "of the wrong size"
    evil = b"\x80\x02cos\nsystem\n)R."
    for name in ("m/extra.pkl", "m/notes.txt", "m/data/1"):
        report = scan_bytes(torch_zip(2, 8, extra={name: evil}), "x")
        assert "pickle-call" in slugs(report)


def torch_legacy(tail: bytes) -> bytes:
    magic = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
    head = magic + pickle.dumps(1001, 2) + pickle.dumps({"little_endian": True}, 2)
    storage = (
        b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\n"
        b"X\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x02NtQ"
    )
    tensor = b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage
    tensor += b"K\x00K\x02\x85K\x01\x85\x89ccollections\nOrderedDict\n)RtR"
    return head + b"\x80\x02" + tensor + b"." + pickle.dumps(["0"], 2) + tail


def test_torch_legacy_files() -> None:
    raw = struct.pack("<q", 2) + b"\x07" * 8
    assert scan_bytes(torch_legacy(raw), "x").status is Status.CLEAN
    assert slugs(scan_bytes(torch_legacy(raw + b"cos"), "x")) == {"pickle-trailing-bytes"}
    assert scan_bytes(torch_legacy(raw[:-1]), "x").status is Status.INCONCLUSIVE


@pytest.mark.slow
def test_the_sklearn_pack_is_true_to_the_installed_source() -> None:
    """Every listed Python class is still there, and still has no hook that was not read."""
    vetted = {item.name: item for item in vet_package(Path(sklearn.__file__).parent)}
    (pack,) = load_packs(["sklearn"])
    plan = tomllib.loads(Path(__file__).parents[3].joinpath("tools/vet_packs.toml").read_text())
    reviewed = plan["sklearn"]["reviewed"]
    by_hand = {"sklearn.utils._bunch:Bunch"}
    checked = 0
    for entry in pack.entries:
        item = vetted.get(entry.name)
        if item is not None and Use.NEW in entry.uses and entry.name not in by_hand:
            assert item.rejected(reviewed) == (), entry.name
            checked += 1
    assert checked > 150


def test_no_pack_lists_what_runs_code() -> None:
    allow = Allowlist(load_packs())
    names = """os:system posix:system subprocess:Popen builtins:eval builtins:exec builtins:getattr
    builtins:__import__ builtins:compile builtins:open importlib:import_module runpy:run_path
    torch.hub:load torch:load torch.serialization:load torch.storage:_load_from_bytes
    numpy:load numpy:fromfile numpy:memmap numpy:savez numpy:frompyfunc numpy:vectorize
    pickle:loads _pickle:loads joblib:load joblib.numpy_pickle:load functools:partial
    operator:attrgetter operator:methodcaller types:FunctionType types:CodeType
    pandas:read_pickle pandas:read_csv pandas:eval sklearn.utils._testing:assert_raises"""
    assert not [name for name in names.split() if allow.get(name)]
    assert all(entry.why for pack in allow.packs for entry in pack.entries)
