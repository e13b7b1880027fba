"""Contract: our ML-BOM passes the strict validator of cyclonedx-python-lib (CycloneDX 1.6)."""

import json
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from tidegate.core.clock import Micros
from tidegate.core.digest import sha256
from tidegate.gates.registry.bom import (
    Bom,
    CodePart,
    Considerations,
    DataPart,
    Metric,
    ModelPart,
    completeness,
)
from tidegate.gates.registry.bom_packages import installed_packages, locked_packages

VALIDATOR = JsonStrictValidator(SchemaVersion.V1_6)
TIME = Micros(1_760_000_000_000_000)
BARE = Bom(ModelPart("m", "1", (sha256(b"m"),)), TIME)
FULL = Bom(
    ModelPart(
        "credit",
        "3",
        (sha256(b"m"),),
        files={"a/model.joblib": sha256(b"f")},
        description="Scores",
        owner="Risk",
        licence="Apache-2.0 OR MIT",
        task="classification",
        family="trees",
        architecture="RandomForestClassifier",
        approach="supervised",
        metrics=(Metric("accuracy", "0.9", "0.8", "0.95", "all"), Metric("gap", "0.01")),
        considerations=Considerations(
            ("people",), ("work",), ("age",), ("speed",), (("a", "b"),), (("c", "d"),)
        ),
        index=3,
    ),
    TIME,
    (
        DataPart(
            "d", sha256(b"d"), "training", 1, "internal", "Data", "CC0-1.0", "https://d.example"
        ),
    ),
    CodePart("f" * 40, "https://git.example/x", sha256(b"tree")),
    installed_packages(),
    "0.1.0",
)


@pytest.mark.parametrize("bom", [BARE, FULL], ids=["bare", "full"])
def test_a_bom_is_valid(bom: Bom) -> None:
    assert VALIDATOR.validate_str(bom.encoded().decode()) is None


def test_the_validator_would_object() -> None:
    document = FULL.document()
    document["metadata"]["component"]["type"] = "ml-model"
    assert VALIDATOR.validate_str(json.dumps(document)) is not None


def test_a_bom_of_the_locked_environment_is_valid() -> None:
    lock = Path(__file__).parents[2] / "requirements" / "locked.txt"
    bom = Bom(BARE.model, TIME, packages=locked_packages(lock.read_text()))
    assert len(bom.packages) > 50
    assert VALIDATOR.validate_str(bom.encoded().decode()) is None


def test_the_examples_of_the_specification_can_be_scored(shared: Path) -> None:
    """Documents of other makers are read without trouble, whatever they leave out."""
    folder = shared / "data" / "supply" / "cyclonedx" / "1.6"
    scores = {
        file.name: completeness(json.loads(file.read_bytes())).score
        for file in sorted(folder.glob("valid-*.json"))
    }
    assert len(scores) > 30
    assert all(0 <= float(score) < 1 for score in scores.values())
