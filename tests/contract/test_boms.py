"""Contract: what we write keeps to both standards, and our verdicts are those of the standards."""

import json
from dataclasses import replace
from functools import cache
from importlib.resources import files
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from jsonschema import Draft202012Validator
from tests.boms import FULL, TIME

from tidegate.core.digest import sha256
from tidegate.gates.registry.bom_packages import installed_packages, locked_packages
from tidegate.interop.bom import (
    Bom,
    ModelPart,
    Spec,
    document_of,
    read_bom,
    validate_bom,
    write_bom,
)

CYCLONEDX = {
    Spec.CYCLONEDX_16: JsonStrictValidator(SchemaVersion.V1_6),
    Spec.CYCLONEDX_17: JsonStrictValidator(SchemaVersion.V1_7),
}
BARE = Bom(ModelPart("m", "1", (sha256(b"m"),)), TIME)
HERE = replace(FULL, packages=installed_packages())
BOMS = {"bare": BARE, "full": FULL, "this environment": HERE}


@cache
def spdx_schema() -> Draft202012Validator:
    """The schema as it stands, not element by element as the product goes through it."""
    text = files("tidegate.interop.bom") / "data" / "spdx-3.0.1.schema.json"
    return Draft202012Validator(json.loads(text.read_text("utf-8")))


@pytest.mark.parametrize("name", BOMS)
@pytest.mark.parametrize("spec", CYCLONEDX)
def test_what_we_write_is_valid_cyclonedx(name: str, spec: Spec) -> None:
    text = write_bom(BOMS[name], spec)
    assert CYCLONEDX[spec].validate_str(text.decode()) is None
    assert validate_bom(text).problems == ()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["bare", "full"])
def test_what_we_write_is_valid_spdx(name: str) -> None:
    document = document_of(BOMS[name], Spec.SPDX_3)
    assert list(spdx_schema().iter_errors(document)) == []
    assert validate_bom(json.dumps(document).encode()).problems == ()


def test_a_full_document_claims_every_profile_and_a_bare_one_does_not() -> None:
    claims = {
        name: set(document_of(bom, Spec.SPDX_3)["@graph"][1]["profileConformance"])
        for name, bom in BOMS.items()
    }
    assert {"ai", "dataset", "build", "software", "extension"} <= claims["full"]
    assert {"ai", "dataset", "build"} & claims["bare"] == set()


def test_the_validators_would_object() -> None:
    document = document_of(FULL)
    document["metadata"]["component"]["type"] = "ml-model"
    assert CYCLONEDX[Spec.CYCLONEDX_16].validate_str(json.dumps(document)) is not None
    spdx = document_of(FULL, Spec.SPDX_3)
    spdx["@graph"][1]["type"] = "SpdxDokument"
    assert list(spdx_schema().iter_errors(spdx))


def test_a_bom_of_the_locked_environment_is_valid() -> None:
    lock = Path(__file__).parents[2] / "requirements" / "locked.txt"
    bom = replace(BARE, packages=locked_packages(lock))
    assert len(bom.packages) > 50
    assert validate_bom(write_bom(bom)).problems == ()


SPDX_DAMAGE = {
    "a field that is none": ("software_nonsense", "x"),
    "a hash of no algorithm": (
        "verifiedUsing",
        [{"type": "Hash", "algorithm": "crc", "hashValue": "0"}],
    ),
    "a time of microseconds": ("releaseTime", "2026-01-01T00:00:00.5Z"),
    "a purpose that is none": ("software_primaryPurpose", "fun"),
    "a text that is a number": ("name", 5),
    "no name of its own": ("spdxId", None),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", SPDX_DAMAGE)
def test_our_way_through_the_schema_finds_what_the_schema_finds(name: str) -> None:
    key, value = SPDX_DAMAGE[name]
    document = document_of(FULL, Spec.SPDX_3)
    model = next(item for item in document["@graph"] if item["type"] == "ai_AIPackage")
    model[key] = value
    if value is None:
        del model[key]
    assert list(spdx_schema().iter_errors(document))
    assert not validate_bom(json.dumps(document).encode()).valid


def test_a_profile_that_is_claimed_is_kept() -> None:
    document = document_of(FULL, Spec.SPDX_3)
    for item in document["@graph"]:
        item.pop("suppliedBy", None)
    found = validate_bom(json.dumps(document).encode())
    assert "the profile ai demands suppliedBy" in {problem.what for problem in found.problems}


def spec_files(shared: Path) -> list[Path]:
    found = sorted((shared / "data" / "supply" / "cyclonedx").glob("1.?/*.json"))
    assert len(found) == 160
    return found


@pytest.mark.slow
def test_every_file_of_the_specification_is_judged_right(shared: Path) -> None:
    wrong = [
        file.name
        for file in spec_files(shared)
        if validate_bom(file.read_bytes()).valid != file.name.startswith("valid-")
    ]
    assert wrong == []


@pytest.mark.slow
def test_every_valid_file_of_the_specification_comes_through_both_formats(shared: Path) -> None:
    """Read, written as CycloneDX 1.7 and as SPDX: valid both times, and nothing more is lost."""
    for file in spec_files(shared):
        if not file.name.startswith("valid-"):
            continue
        bom = read_bom(file.read_bytes()).bom
        known = replace(bom, made_at=TIME if bom.made_at is None else bom.made_at)
        for spec in (Spec.CYCLONEDX_17, Spec.SPDX_3):
            text = write_bom(known, spec)
            again = read_bom(text)
            assert (file.name, spec, again.losses) == (file.name, spec, ())
            assert validate_bom(text).valid, (file.name, spec, validate_bom(text).problems)
        assert read_bom(write_bom(known, Spec.CYCLONEDX_17)).bom == known, file.name
