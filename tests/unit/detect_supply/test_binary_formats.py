"""Binary model formats: clean as frameworks write them, named where they reach out."""

import io
import json
import struct
import zipfile
from collections.abc import Callable
from typing import Any

import pytest
from tests.models import gguf, gguf_text, golden, golden_names, keras_zip, pb

from tidegate.detect.supply import ScanReport, Status, scan_bytes
from tidegate.detect.supply.budget import Budget
from tidegate.detect.supply.formats.hdf5 import layout, values
from tidegate.detect.supply.formats.onnx_file import standard_operators
from tidegate.detect.supply.formats.tensorflow_ops import harmless


def slugs(report: ScanReport) -> set[str]:
    return {finding.rule.partition("/")[2] for finding in report.findings}


def rules_of(data: bytes) -> set[str]:
    return slugs(scan_bytes(data, "x"))


FORMATS = {
    "keras": "zip",
    "h5": "hdf5",
    "tflite": "tflite",
    "saved_model.pb": "saved-model",
    "keras_metadata.pb": "keras-metadata",
    "fingerprint.pb": "fingerprint",
    "graph.pb": "tensorflow-graph",
    "mlmodel": "coreml",
    "onnx": "onnx",
    "gguf": "gguf",
}
BENIGN = [
    name
    for name in golden_names()
    if not name.startswith("bad-") and not name.endswith("variables.index")
]


@pytest.mark.parametrize("name", BENIGN)
def test_what_a_framework_wrote_is_clean(name: str) -> None:
    report = scan_bytes(golden(name), "x")
    assert report.status is Status.CLEAN, report.to_json()
    suffix = next(end for end in FORMATS if name.endswith(end))
    assert report.files[0].format == FORMATS[suffix]


@pytest.mark.parametrize("name", BENIGN)
@pytest.mark.parametrize("share", [0.3, 0.9])
def test_a_file_that_breaks_off_is_never_clean(name: str, share: float) -> None:
    data = golden(name)
    assert scan_bytes(data[: int(len(data) * share)], "x").status is not Status.CLEAN


BAD = {
    "bad-external-link.h5": "external-data",
    "bad-external-dense.h5": "external-data",
    "bad-external-data.h5": "external-data",
    "bad-virtual.h5": "external-data",
    "bad-pickle-attribute.h5": "pickle-embedded",
    "bad-pickle-dataset.h5": "pickle-embedded",
}


@pytest.mark.parametrize("name", BAD)
def test_hdf5_that_reaches_out_or_holds_a_pickle(name: str) -> None:
    assert rules_of(golden(name)) == {BAD[name]}


# --- GGUF ---

F32 = 0


def text_pair(key: str, value: str) -> tuple[str, int, bytes]:
    return key, 8, gguf_text(value)


def array(kind: int, count: int, body: bytes) -> bytes:
    return struct.pack("<IQ", kind, count) + body


GGUF_CASES: dict[str, tuple[bytes, set[str]]] = {
    "empty": (gguf(), set()),
    "one tensor": (gguf((), [("w", [8], F32, 0)], bytes(32)), set()),
    "big-endian": (
        gguf(
            [("general.name", 8, gguf_text("x", ">"))], [("w", [8], F32, 0)], bytes(32), order=">"
        ),
        set(),
    ),
    "a key twice": (gguf([text_pair("a", "x"), text_pair("a", "y")]), {"header-malformed"}),
    "past the end": (gguf((), [("w", [99], F32, 0)], bytes(32)), {"header-malformed"}),
    "overlap": (
        gguf((), [("a", [16], F32, 0), ("b", [8], F32, 32)], bytes(64)),
        {"header-malformed"},
    ),
    "a hole": (gguf((), [("a", [8], F32, 32)], bytes(64)), {"header-malformed"}),
    "not aligned": (gguf((), [("a", [1], F32, 4)], bytes(32)), {"header-malformed"}),
    "huge shape": (gguf((), [("a", [2**62, 2**62], F32, 0)], bytes(32)), {"header-malformed"}),
    "bytes behind": (gguf((), [("a", [8], F32, 0)], bytes(96)), {"trailing-data"}),
    "a template that reaches out": (
        gguf([text_pair("tokenizer.chat_template", "{{ x.__class__ }}")]),
        {"template-code"},
    ),
    "a named template that reaches out": (
        gguf([text_pair("tokenizer.chat_template.tool_use", "{{ x|attr('y') }}")]),
        {"template-code"},
    ),
    "a template under another name": (
        gguf([text_pair("general.description", "{{ x.__class__ }}")]),
        {"template-code"},
    ),
    "code": (gguf([text_pair("general.author", "os.system('id')")]), {"metadata-content"}),
    "a secret": (
        gguf([text_pair("x.note", "-----BEGIN RSA PRIVATE KEY-----\nMII")]),
        {"metadata-content"},
    ),
    "configuration inside": (
        gguf([text_pair("tokenizer.huggingface.json", '{"auto_map": {"A": "b.C"}}')]),
        {"config-code"},
    ),
    "a pickle in bytes": (
        gguf([("blob", 9, array(0, 14, b"cos\nsystem\n)R."))]),
        {"pickle-embedded"},
    ),
}


@pytest.mark.parametrize("name", GGUF_CASES)
def test_gguf(name: str) -> None:
    data, expected = GGUF_CASES[name]
    report = scan_bytes(data, "x")
    assert report.files[0].format == "gguf"
    assert slugs(report) == expected
    if not expected:
        assert report.status is Status.CLEAN


GGUF_GAPS = {
    "a version to come": gguf(version=9),
    "an unknown tensor type": gguf((), [("a", [8], 99, 0)], bytes(32)),
    "an unknown value type": gguf([("a", 77, b"")]),
    "arrays without end": gguf([("a", 9, struct.pack("<IQ", 9, 1) * 40)]),
    "a count beyond the file": gguf([("a", 9, array(8, 2**60, b""))]),
    "a text beyond the file": gguf([("a", 8, struct.pack("<Q", 2**63))]),
    "alignment of nothing": gguf([("general.alignment", 4, bytes(4))]),
    "counts beyond all bounds": b"GGUF" + struct.pack("<IQQ", 3, 2**63, 2**63),
}


@pytest.mark.parametrize("name", GGUF_GAPS)
def test_gguf_that_is_not_understood(name: str) -> None:
    report = scan_bytes(GGUF_GAPS[name], "x")
    assert (report.status, report.files[0].format) == (Status.INCONCLUSIVE, "gguf")


# --- ONNX ---


def node(operator: str, domain: str = "", *attributes: bytes) -> bytes:
    extra = [(7, domain)] if domain else []
    return pb((1, "x"), (2, "y"), (4, operator), *((5, a) for a in attributes), *extra)


def onnx(*nodes: bytes, graph: bytes = b"", model: bytes = b"") -> bytes:
    body = pb(*((1, item) for item in nodes), (2, "g")) + graph
    return pb((1, 8), (2, "tests"), (7, body), (8, pb((2, 17)))) + model


def external(location: str, *more: tuple[str, str]) -> bytes:
    pairs = [("location", location), *more]
    tensor = pb((1, 4), (2, 1), (8, "w"), *((13, pb((1, k), (2, v))) for k, v in pairs), (14, 1))
    return pb((5, tensor))


SUBGRAPH = pb((1, "body"), (6, pb((1, node("Evil", "acme")), (2, "inner"))), (20, 5))
TRAINING = pb((20, pb((2, pb((1, node("Evil")))))))
LOCAL = pb((1, "Mine"), (7, node("Relu")), (10, "acme"))
LOCAL_EVIL = pb((1, "Mine"), (7, node("PyOp", "ai.onnx.contrib")), (10, "acme"))
ONNX_CASES: dict[str, tuple[bytes, set[str]]] = {
    "standard": (onnx(node("Relu"), node("MatMul", "ai.onnx")), set()),
    "contributed": (onnx(node("FusedMatMul", "com.microsoft")), set()),
    "custom domain": (onnx(node("Evil", "acme")), {"custom-code"}),
    "unknown operator": (onnx(node("Evil")), {"custom-code"}),
    "Python": (onnx(node("PyOp", "ai.onnx.contrib")), {"graph-operator"}),
    "local function": (onnx(node("Mine", "acme"), model=pb((25, LOCAL))), set()),
    "bad local function": (
        onnx(node("Mine", "acme"), model=pb((25, LOCAL_EVIL))),
        {"graph-operator"},
    ),
    "shadowed operator": (
        onnx(node("Relu"), model=pb((25, pb((1, "Relu"), (7, node("Abs")))))),
        {"graph-operator"},
    ),
    "in a subgraph": (onnx(node("If", "", SUBGRAPH)), {"custom-code"}),
    "in training": (onnx(node("Relu"), model=TRAINING), {"custom-code"}),
    "external data": (onnx(node("Relu"), graph=external("w.bin")), set()),
    "absolute": (onnx(node("Relu"), graph=external("/etc/passwd")), {"external-data"}),
    "climbing": (onnx(node("Relu"), graph=external("a/../../w")), {"external-data"}),
    "address": (onnx(node("Relu"), graph=external("https://a.example/w")), {"external-data"}),
    "place twice": (
        onnx(node("Relu"), graph=external("w.bin", ("location", "/etc/passwd"))),
        {"external-data"},
    ),
    "wrong size": (
        onnx(node("Relu"), graph=pb((5, pb((1, 4), (2, 1), (9, bytes(4)))))),
        {"header-malformed"},
    ),
    "code in metadata": (
        onnx(node("Relu"), model=pb((14, pb((1, "k"), (2, "import os; os.system('x')"))))),
        {"metadata-content"},
    ),
}


@pytest.mark.parametrize("name", ONNX_CASES)
def test_onnx(name: str) -> None:
    data, expected = ONNX_CASES[name]
    report = scan_bytes(data, "x")
    assert report.files[0].format == "onnx"
    assert slugs(report) == expected
    if not expected:
        assert report.status is Status.CLEAN


def test_onnx_that_is_not_understood() -> None:
    compiled = onnx(node("EPContext", "com.microsoft"))
    later = onnx(node("Relu") + pb((77, "?")))
    deep = pb((1, node("Relu")))
    for _ in range(80):
        deep = pb((1, node("If", "", pb((6, deep)))))
    for data in (compiled, later, pb((1, 8), (7, deep))):
        assert scan_bytes(data, "x").status is Status.INCONCLUSIVE


# --- TensorFlow ---


def tf_node(
    name: str, operator: str, *inputs: str, text: str | None = None, call: str | None = None
) -> bytes:
    fields: list[tuple[int, int | str | bytes]] = [(1, name), (2, operator)]
    fields += [(3, item) for item in inputs]
    if text is not None:
        fields.append((5, pb((1, "value"), (2, pb((8, pb((1, 7), (8, text))))))))
    if call is not None:
        fields.append((5, pb((1, "f"), (2, pb((10, pb((1, call))))))))
    return pb(*fields)


def function(name: str, arguments: list[str], *nodes: bytes) -> bytes:
    signature = pb((1, name), *((2, pb((1, item), (3, 7))) for item in arguments))
    return pb((1, signature), *((3, item) for item in nodes))


def saved_model(*nodes: bytes, functions: tuple[bytes, ...] = (), more: bytes = b"") -> bytes:
    library = pb(*((1, item) for item in functions))
    graph = pb(*((1, item) for item in nodes), *([(2, library)] if functions else []))
    return pb((1, 1), (2, pb((2, graph)) + more))


def kept(metadata: str) -> bytes:
    """What Keras keeps beside an object of the object graph."""
    node = pb((4, pb((1, "_tf_keras_layer"), (3, metadata))))
    return pb((7, pb((1, node))))


SAVER = pb((3, pb((1, "saver_filename:0"))))
SAVE = function("save", ["prefix", "x"], tf_node("s", "SaveV2", "prefix", "n", "n", "x"))
PLACE = tf_node("saver_filename", "Placeholder")
TF_CASES: dict[str, tuple[bytes, set[str]]] = {
    "computes": (saved_model(tf_node("a", "Placeholder"), tf_node("b", "Relu", "a")), set()),
    "Python": (saved_model(tf_node("a", "PyFunc")), {"graph-operator"}),
    "reads": (saved_model(tf_node("a", "ReadFile")), {"graph-operator"}),
    "in a function": (
        saved_model(
            tf_node("a", "NoOp"), functions=(function("f", [], tf_node("w", "WriteFile")),)
        ),
        {"graph-operator"},
    ),
    "custom": (saved_model(tf_node("a", "AcmeOp")), {"custom-code"}),
    "prints to a file": (
        saved_model(
            pb((1, "p"), (2, "PrintV2"), (5, pb((1, "output_stream"), (2, pb((2, "file:///x"))))))
        ),
        {"graph-operator"},
    ),
    "saves where it is told": (
        saved_model(
            PLACE,
            tf_node("c", "StatefulPartitionedCall", "saver_filename", "y", call="save"),
            functions=(SAVE,),
            more=SAVER,
        ),
        set(),
    ),
    "saves where a request says": (
        saved_model(
            tf_node("serving_x", "Placeholder"),
            tf_node("c", "StatefulPartitionedCall", "serving_x", "y", call="save"),
            functions=(SAVE,),
            more=SAVER,
        ),
        {"graph-operator"},
    ),
    "saves where the graph says": (
        saved_model(
            tf_node("k", "Const", text="/root/.ssh/authorized_keys"),
            tf_node("c", "StatefulPartitionedCall", "k", "y", call="save"),
            functions=(SAVE,),
            more=SAVER,
        ),
        {"graph-operator"},
    ),
    "saves through two functions": (
        saved_model(
            tf_node("c", "PartitionedCall", "y", call="outer"),
            functions=(
                SAVE,
                function(
                    "outer",
                    ["x"],
                    tf_node("k", "Const", text="../up"),
                    tf_node("c", "PartitionedCall", "k:output:0", "x", call="save"),
                ),
            ),
        ),
        {"graph-operator"},
    ),
    "saves at a fixed place": (
        saved_model(tf_node("k", "Const", text="here"), tf_node("s", "SaveV2", "k", "n", "n", "y")),
        {"graph-operator"},
    ),
    "an asset": (
        saved_model(
            tf_node("k", "Const", text="/build/vocab.txt"),
            tf_node("t", "InitializeTableFromTextFileV2", "table", "k"),
            more=pb((6, pb((1, pb((1, "k:0"))), (2, "vocab.txt")))),
        ),
        set(),
    ),
    "a table from elsewhere": (
        saved_model(
            tf_node("k", "Const", text="/etc/passwd"),
            tf_node("t", "InitializeTableFromTextFileV2", "table", "k"),
        ),
        {"graph-operator"},
    ),
    "an asset from elsewhere": (
        saved_model(tf_node("a", "NoOp"), more=pb((6, pb((2, "../../etc/passwd"))))),
        {"external-data"},
    ),
    "a Lambda in its metadata": (
        saved_model(
            tf_node("a", "NoOp"),
            more=kept('{"class_name": "Lambda", "config": {"f": 1}}'),
        ),
        {"config-code"},
    ),
    "a class of its own in its metadata": (
        saved_model(
            tf_node("a", "NoOp"),
            more=kept('{"class_name": "MyNet", "config": {}}'),
        ),
        set(),
    ),
}


@pytest.mark.parametrize("name", TF_CASES)
def test_tensorflow(name: str) -> None:
    data, expected = TF_CASES[name]
    report = scan_bytes(data, "x")
    assert report.files[0].format == "saved-model"
    assert slugs(report) == expected
    if not expected:
        assert report.status is Status.CLEAN


def test_frozen_graphs_and_meta_graphs_are_judged_alike() -> None:
    graph = pb((1, tf_node("a", "PyFunc")))
    assert rules_of(graph) == {"graph-operator"}
    assert rules_of(pb((1, pb((4, "serve"))), (2, graph))) == {"graph-operator"}
    metadata = pb((1, pb((2, 1), (3, "root"), (5, '{"class_name": "Lambda", "config": {}}'))))
    assert rules_of(metadata) == {"config-code"}


def test_a_program_inside_a_graph_is_a_gap() -> None:
    report = scan_bytes(saved_model(tf_node("a", "XlaCallModule")), "x")
    assert report.status is Status.INCONCLUSIVE


def test_a_message_that_reads_as_two_formats_is_told() -> None:
    # A node of a graph that is a meta graph's description, too.
    tags = pb((1, "1"), (2, pb((1, pb((1, "NoOp"))))), (4, "serve"))
    twofold = pb((1, tags), (2, pb((1, function("f", [])))))
    assert "loader-ambiguity" in rules_of(twofold)


def test_a_graph_beside_another_format_is_told() -> None:
    # TensorFlow passes over a field that it does not know: here one that holds a NumPy array.
    array = b"\x93NUMPY\x01\x00" + struct.pack("<H", 118)
    array += (
        b"{'descr': '|u1', 'fortran_order': False, 'shape': (64,), }".ljust(117) + b"\n" + bytes(64)
    )
    assert scan_bytes(array, "x").status is Status.CLEAN
    # 0x93 0x4e is the tag of an unknown field of wire type 3, which ends the reading at once.
    assert "loader-ambiguity" not in rules_of(array)
    graph = pb((1, tf_node("a", "PyFunc")))
    head = b"\x7a\x06\x00\x00TFL3"
    assert "loader-ambiguity" in rules_of(head + graph)


# --- Core ML and TensorFlow Lite ---


def coreml(*fields: tuple[int, int | str | bytes]) -> bytes:
    return pb((1, 5), (2, pb((100, pb((1, "A model"))))), *fields)


def blob(name: str) -> bytes:
    value = pb((5, pb((1, name), (2, 64))))
    operation = pb((1, "const"), (5, pb((1, "val"), (2, value))))
    block = pb((1, "CoreML7"), (2, pb((3, operation))))
    return pb((2, pb((1, "main"), (2, pb((3, block))))))


def network(layer: bytes) -> bytes:
    return pb((1, layer))


CUSTOM_LAYER = pb((500, pb((10, "Evil"))))
BRANCH = pb((605, pb((2, network(CUSTOM_LAYER)))))
COREML_CASES: dict[str, tuple[bytes, set[str]]] = {
    "linear": (coreml((300, b"")), set()),
    "custom model": (coreml((555, pb((10, "Evil")))), {"custom-code"}),
    "linked model": (coreml((556, b"")), {"external-data"}),
    "custom layer": (coreml((500, network(CUSTOM_LAYER))), {"custom-code"}),
    "custom layer in a branch": (coreml((403, network(BRANCH))), {"custom-code"}),
    "custom model in a pipeline": (
        coreml((202, pb((1, coreml((555, b""))), (2, "a")))),
        {"custom-code"},
    ),
    "weights": (coreml((502, blob("@model_path/weights/weight.bin"))), set()),
    "weights from elsewhere": (coreml((502, blob("/etc/passwd"))), {"external-data"}),
    "weights that climb": (coreml((502, blob("@model_path/../../x"))), {"external-data"}),
}


@pytest.mark.parametrize("name", COREML_CASES)
def test_coreml(name: str) -> None:
    data, expected = COREML_CASES[name]
    report = scan_bytes(data, "x")
    assert report.files[0].format == "coreml"
    assert slugs(report) == expected


def weights(size: int, mark: int = 0xDEADBEEF) -> bytes:
    head = struct.pack("<II", 1, 2) + bytes(56)
    return head + struct.pack("<IIQQ", mark, 1, size, 128) + bytes(40) + bytes(64)


def test_coreml_weights() -> None:
    assert scan_bytes(weights(64), "x").status is Status.CLEAN
    assert scan_bytes(weights(64), "x").files[0].format == "coreml-weights"
    assert rules_of(weights(65)) == {"header-malformed"}
    assert rules_of(weights(64) + bytes(64)) == {"trailing-data"}


def replaced(data: bytes, old: bytes, new: bytes) -> bytes:
    assert len(old) == len(new)
    assert old in data
    return data.replace(old, new)


TFLITE_CASES: dict[str, tuple[Callable[[bytes], bytes], set[str]]] = {
    "a custom operator": (
        lambda data: replaced(data, b"FlexStringLower", b"SomeStringLower"),
        {"custom-code"},
    ),
    "an operator of TensorFlow that reads": (
        lambda data: replaced(data, b"\x0f\0\0\0FlexStringLower", b"\x0c\0\0\0FlexReadFile\0\0\0"),
        {"graph-operator"},
    ),
}


@pytest.mark.parametrize("name", TFLITE_CASES)
def test_tflite(name: str) -> None:
    change, expected = TFLITE_CASES[name]
    assert rules_of(change(golden("textvec.tflite"))) == expected


def test_files_that_tflite_carries_are_examined() -> None:
    def packed(name: str, body: bytes) -> bytes:
        buffer = io.BytesIO(golden("norm.tflite"))
        with zipfile.ZipFile(buffer, "a") as archive:
            archive.writestr(name, body)
        return buffer.getvalue()

    labels = packed("labels.txt", b"cat\ndog\n")
    assert scan_bytes(labels, "x").status is Status.CLEAN
    assert "pickle-call" in rules_of(packed("labels.txt", b"cos\nsystem\n(S'id'\ntR."))
    assert "archive-slip" in rules_of(packed("../labels.txt", b"cat"))


@pytest.mark.parametrize("magic", [b"ftrt", b"\0\0\0\0ET12"])
def test_compiled_programs_are_gaps(magic: bytes) -> None:
    report = scan_bytes(magic + bytes(range(64)), "x")
    assert report.status is Status.INCONCLUSIVE
    assert "unknown" not in report.files[0].gaps[0]


# --- Keras ---


def layer(name: str, module: str | None = "keras.layers", **config: Any) -> dict[str, Any]:
    out: dict[str, Any] = {"class_name": name, "config": config, "registered_name": None}
    return out if module is None else {"module": module, **out}


def model(*layers: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {**layer("Sequential", "keras", layers=list(layers)), **more}


DENSE = layer("Dense", units=2, activation="relu")
CALLABLE = {"class_name": "function", "config": "system", "module": "os", "registered_name": "x"}
KERAS_CASES: dict[str, tuple[dict[str, Any], set[str]]] = {
    "plain": (model(DENSE), set()),
    "nested": (model(model(model(DENSE))), set()),
    "known function": (
        model(layer("Dense", activation={**CALLABLE, "module": "builtins", "config": "relu"})),
        set(),
    ),
    "Lambda": (model(layer("Lambda", function="x")), {"config-code"}),
    "Lambda deep inside": (model(model(DENSE, layer("Lambda"))), {"config-code"}),
    "__lambda__": (
        model(layer("Dense", activation={"class_name": "__lambda__", "config": {"value": "YQ=="}})),
        {"config-code"},
    ),
    "function kept as code": (
        model(layer("Dense", output_shape_type="lambda")),
        {"config-code"},
    ),
    "module outside": (model(DENSE, layer("system", "os")), {"config-code"}),
    "function outside": (model(layer("Dense", activation=CALLABLE)), {"config-code"}),
    "module of Keras that downloads": (
        model({"class_name": "get_file", "config": {}, "module": "keras.utils"}),
        {"config-code"},
    ),
    "switch to unsafe": (
        model(
            {
                "class_name": "function",
                "config": "enable_unsafe_deserialization",
                "module": "keras.config",
            }
        ),
        {"config-code"},
    ),
    "builtins": (model(layer("exec", "builtins")), {"config-code"}),
    "PyTorch": (model(layer("TorchModuleWrapper", module="gASV")), {"config-code"}),
    "SavedModel inside": (model(layer("TFSMLayer", filepath="elsewhere")), {"config-code"}),
    "custom class": (model(layer("Net", "acme.layers")), {"custom-code"}),
    "custom class without module": (model(layer("Net", None)), {"custom-code"}),
    "registered class": (
        model({**DENSE, "registered_name": "acme>Dense"}),
        {"custom-code"},
    ),
    "vocabulary from a file": (
        model(layer("StringLookup", vocabulary="/etc/passwd")),
        {"external-data"},
    ),
    "operator": (model(layer("TFOpLambda", None, function="math.add")), set()),
    "operator that writes": (
        model(layer("TFOpLambda", None, function="io.write_file")),
        {"config-code"},
    ),
    "in what builds it": (model(DENSE, build_config=layer("system", "os")), {"config-code"}),
    "in what compiles it": (
        model(DENSE, compile_config={"loss": layer("system", "subprocess")}),
        {"config-code"},
    ),
}


@pytest.mark.parametrize("name", KERAS_CASES)
def test_keras_configurations(name: str) -> None:
    config, expected = KERAS_CASES[name]
    assert rules_of(keras_zip(json.dumps(config))) == expected
    assert rules_of(json.dumps(config).encode()) == expected


def test_keras_configurations_that_only_python_reads() -> None:
    bad = json.dumps(model(layer("Lambda", rate=float("nan"))))
    assert "config-code" in rules_of(keras_zip(bad))
    twice = json.dumps(model(layer("Lambda")))[:-1] + ', "config": {}}'
    assert "config-code" in rules_of(keras_zip(twice))
    foreign = json.dumps(model(layer("system", "os", rate=float("inf"))))
    assert "config-code" in rules_of(keras_zip(foreign))


def test_keras_weights_are_examined_inside_the_archive() -> None:
    data = keras_zip(json.dumps(model(DENSE)), golden("bad-external-link.h5"))
    report = scan_bytes(data, "x")
    assert slugs(report) == {"external-data"}
    assert report.findings[0].location.path == "x!model.weights.h5"


def test_hdf5_with_a_model_configuration() -> None:
    data = golden("conv.h5")
    assert b'"class_name": "RandomFlip"' in data
    evil = replaced(data, b'"class_name": "RandomFlip"', b'"class_name": "Lambda"    ')
    assert rules_of(evil) == {"config-code"}
    foreign = replaced(data, b'"module": "keras.regularizers"', b'"module": "subprocess"        ')
    assert rules_of(foreign) == {"config-code"}


def test_hdf5_behind_other_content_is_found() -> None:
    inner = golden("bad-external-link.h5")
    data = b"Some text.".ljust(512, b"\n") + inner
    assert "loader-ambiguity" in rules_of(data)


def test_hdf5_addresses_that_lead_back_do_not_hang() -> None:
    data = golden("many-links.h5")
    place = data.index(b"BTHD")
    root = data[place + 16 : place + 24]
    looped = data.replace(root, root[::-1])
    assert scan_bytes(looped, "x", budget=Budget(seconds=20)).status is not Status.CLEAN


def test_lists_of_names_are_whole() -> None:
    assert ("", "MatMul") in standard_operators()
    assert ("ai.onnx.ml", "TreeEnsembleClassifier") in standard_operators()
    assert {"MatMul", "StatefulPartitionedCall", "PrintV2"} <= harmless()
    assert not {"PyFunc", "ReadFile", "WriteFile", "SaveV2", "RestoreV2"} & harmless()
    assert layout.SIGNATURE[1:4] == b"HDF"
    assert values.Type(1, 4).plain
