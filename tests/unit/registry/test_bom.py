"""The bill of materials: deterministic, complete, and of nothing that was not handed in."""

import json
from dataclasses import replace
from importlib.metadata import Distribution
from pathlib import Path

import pytest

from tidegate.core.canonical import dumps
from tidegate.core.clock import Micros
from tidegate.core.digest import Digest, sha256
from tidegate.core.errors import SubjectError
from tidegate.gates.registry.bom_packages import installed_packages, locked_packages
from tidegate.interop.bom import (
    Attestation,
    Bom,
    CodePart,
    Considerations,
    DataPart,
    Metric,
    ModelPart,
    Package,
    document_of,
    write_bom,
)

TIME = Micros(1_760_000_000_000_000)
MODEL = ModelPart(
    name="credit",
    version="3",
    hashes=(sha256(b"model"), Digest("blake3", "ab" * 32)),
    files={"model.joblib": sha256(b"file"), "card.md": sha256(b"card")},
    description="Scores applications",
    owner="Risk",
    licence="Apache-2.0",
    task="classification",
    family="gradient boosting",
    architecture="HistGradientBoostingClassifier",
    approach="supervised",
    metrics=(
        Metric("accuracy", "0.91", "0.89", "0.93"),
        Metric("accuracy", "0.88", "0.80", "0.93", part="age<25"),
    ),
    considerations=Considerations(
        users=("underwriters",),
        use_cases=("second opinion",),
        limitations=("not for business loans",),
        tradeoffs=("recall over precision",),
        ethics=(("exclusion", "manual review"),),
        fairness=(("young applicants", "measured each quarter"),),
    ),
    index=41,
)
BOM = Bom(
    model=MODEL,
    made_at=TIME,
    data=(
        DataPart("loans", sha256(b"t"), "training", 7, "confidential", "Data", "CC-BY-4.0",
                 "https://data.example/loans"),
        DataPart("held-out", sha256(b"v"), "validation", 9),
    ),
    code=CodePart("a" * 40, "https://git.example/credit", sha256(b"tree")),
    packages=(
        Package.pypi("numpy", "2.4.6", "BSD-3-Clause", archives=(sha256(b"whl"),)),
        Package.pypi("oldlib", "1.0", licence_name="MIT License"),
    ),
    tool="0.1.0",
    attestations=(Attestation("train", sha256(b"envelope"), 8),),
)  # fmt: skip


def test_the_same_inputs_give_the_same_bytes() -> None:
    shuffled = replace(BOM, data=BOM.data[::-1], packages=BOM.packages[::-1])
    assert write_bom(BOM) == write_bom(shuffled)
    assert write_bom(BOM) == dumps(json.loads(write_bom(BOM)))


def test_any_change_changes_the_serial_number() -> None:
    serials = {
        document_of(bom)["serialNumber"]
        for bom in (
            BOM,
            replace(BOM, made_at=Micros(TIME + 1)),
            replace(BOM, model=replace(MODEL, version="4")),
            replace(BOM, data=BOM.data[:1]),
            replace(BOM, packages=()),
        )
    }
    assert len(serials) == 5
    assert all(serial[23] == "5" and serial[28] in "89ab" for serial in serials), "UUID version 5"


def test_it_says_what_the_model_is_made_of() -> None:
    document = document_of(BOM)
    model = document["metadata"]["component"]
    assert [item["alg"] for item in model["hashes"]] == ["SHA-256", "BLAKE3"]
    assert model["pedigree"] == {"commits": [{"uid": "a" * 40}]}
    metrics = model["modelCard"]["quantitativeAnalysis"]["performanceMetrics"]
    assert metrics[0]["confidenceInterval"] == {"lowerBound": "0.89", "upperBound": "0.93"}
    assert metrics[1]["slice"] == "age<25"
    parts = {part["bom-ref"]: part for part in document["components"]}
    training = parts[f"data:training:{sha256(b't')}"]
    assert {"name": "tidegate:log-index", "value": "7"} in training["properties"]
    assert training["data"][0]["classification"] == "confidential"
    assert parts["pkg:pypi/numpy@2.4.6"]["licenses"] == [{"expression": "BSD-3-Clause"}]
    assert parts["pkg:pypi/oldlib@1.0"]["licenses"] == [{"license": {"name": "MIT License"}}]
    assert parts["file:card.md"]["hashes"][0]["content"] == sha256(b"card").hex
    (edge,) = [item for item in document["dependencies"] if item["ref"] == "model"]
    assert set(edge["dependsOn"]) == set(parts)


def test_nothing_empty_is_written() -> None:
    text = write_bom(Bom(ModelPart("m", "1", (sha256(b"m"),)), TIME)).decode()
    assert "null" not in text
    assert '""' not in text
    assert "considerations" not in text


def write_distribution(folder: Path, name: str, metadata: str) -> Distribution:
    place = folder / f"{name}.dist-info"
    place.mkdir()
    (place / "METADATA").write_text(f"Metadata-Version: 2.4\nName: {name}\n{metadata}")
    return Distribution.at(place)


def test_installed_packages_state_their_licences(tmp_path: Path) -> None:
    found = [
        write_distribution(
            tmp_path, "B.Lib", "Version: 2\nLicense-Expression: MIT OR Apache-2.0\n"
        ),
        write_distribution(
            tmp_path,
            "a_lib",
            "Version: 1\nClassifier: License :: OSI Approved :: BSD License\nLicense: long text\n",
        ),
        write_distribution(tmp_path, "c", "Version: 3\nLicense-Expression: not; an expression\n"),
    ]
    assert installed_packages(found) == (
        Package.pypi("a-lib", "1", None, "BSD License"),
        Package.pypi("b-lib", "2", "MIT OR Apache-2.0"),
        Package.pypi("c", "3"),
    )
    assert {"numpy", "cryptography"} <= {package.name for package in installed_packages()}


def test_a_lock_gives_pins_and_hashes(tmp_path: Path) -> None:
    lock = tmp_path / "requirements.txt"
    lock.write_text(
        "# made by a tool\n--require-hashes\n"
        f"Numpy==2.4.6 ; python_version >= '3.11' \\\n    --hash=sha256:{'a' * 64} \\\n"
        f"    --hash=sha256:{'b' * 64}  # via x\nscipy[all]==1.17.1\n"
    )
    numpy, scipy = locked_packages(lock)
    assert (numpy.name, numpy.version, len(numpy.archives)) == ("numpy", "2.4.6", 2)
    assert scipy.purl == "pkg:pypi/scipy@1.17.1"


def test_a_lock_that_can_not_be_read_in_full_is_refused(tmp_path: Path) -> None:
    lock = tmp_path / "requirements.txt"
    lock.write_text("numpy==2.4.6\n-r https://x.example/more.txt\n")
    with pytest.raises(SubjectError, match="in full"):
        locked_packages(lock)
