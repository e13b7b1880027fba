"""``bom``: what the guide shows is true, bad input is refused, and nothing is half written."""

import json
import shlex
import subprocess
from pathlib import Path

import pytest
from tests.boms import FULL
from tests.pages import ROOT, blocks, expects
from tests.sites import Tidegate

from tidegate.interop.bom import FIELDS, Spec, write_bom

GUIDE = ROOT / "docs" / "guide" / "bom.md"


@pytest.mark.slow
def test_the_guide_is_true(tidegate: Tidegate) -> None:
    typed = [
        line for block in blocks(GUIDE) if block.language == "console" for line in block.typed()
    ]
    assert len(typed) > 15
    for line in typed:
        if line.command.startswith("tidegate "):
            ran = tidegate(*shlex.split(line.command)[1:])
            code, said = ran.code, ran.out + ran.err
        else:
            code, said = subprocess.run(line.command, shell=True, check=False).returncode, ""  # noqa: S602 - the guide's own lines
        assert code == line.code, (line.command, said)
        for shown in line.shown:
            assert expects(shown).search(said), (line.command, shown, said)


def test_the_guide_has_every_field_of_the_score() -> None:
    page = GUIDE.read_text("utf-8")
    for field in FIELDS:
        wanted = "yes" if field.wanted else "no"
        assert f"| {field.name} | {field.weight} | {field.why} | {wanted} |" in page


@pytest.fixture
def full() -> Path:
    path = Path("full.json")
    path.write_bytes(write_bom(FULL))
    return path


def test_every_answer_is_a_document_too(tidegate: Tidegate, full: Path) -> None:
    """The fixture holds each to the fields that the command's help promises."""
    Path("m.bin").write_bytes(b"m")
    commands = [
        ("make", "m.bin", "--name", "m", "--version", "1"),
        ("make", "m.bin", "--name", "m", "--version", "1", "--output", "out.json"),
        ("show", full),
        ("validate", full, full),
        ("diff", full, "out.json"),
        ("score", full),
        ("convert", full, "--to", "spdx-3.0.1"),
        ("convert", full, "--to", "spdx-3.0.1", "--output", "x.json"),
        ("merge", full, full),
        ("vex", "show", full),
        ("vex", "add", full, "--id", "X-1", "--state", "exploitable"),
        ("vex", "merge", full, full),
    ]
    for command in commands:
        ran = tidegate("bom", *command, "--json")
        assert ran.code == 0, (command, ran)
        assert "problem" not in ran.json.get("schema", "")
    strict = tidegate("bom", "convert", full, "--to", "spdx-3.0.1", "--strict", "--json")
    assert (strict.code, strict.json["document"]) == (1, None)


REFUSED = {
    "no such file": (("show", "nowhere.json"), "TG-SUB/bom-file"),
    "a folder": (("show", "."), "TG-SUB/bom-file"),
    "no document": (("score", "junk"), "TG-SUB/bad-bom"),
    "no model": (("make", "nowhere", "--name", "a", "--version", "1"), "TG-SUB/no-such-path"),
    "no role": (
        ("make", "junk", "--name", "a", "--version", "1", "--data", "x"), "TG-USE/bad-data",
    ),
    "no digest": (
        ("make", "junk", "--name", "a", "--version", "1", "--base", "x@1"), "TG-SUB/bad-digest",
    ),
    "no score": (("score", "full.json", "--min", "2"), "TG-USE/bad-score"),
    "no part": (
        ("vex", "add", "full.json", "--id", "X", "--state", "exploitable", "--affects", "y"),
        "TG-USE/no-part",
    ),
    "no reason": (
        ("vex", "add", "full.json", "--id", "X", "--state", "not_affected"), "TG-SUB/vex-reason",
    ),
    "no response": (
        ("vex", "add", "full.json", "--id", "X", "--state", "exploitable", "--response", "pray"),
        "TG-USE/arguments",
    ),
    "no format": (("convert", "full.json", "--to", "spdx-9"), "TG-USE/arguments"),
    "another model": (("merge", "full.json", "other.json"), "TG-SUB/bom-merge"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_makes_no_sense_is_refused_and_nothing_is_written(
    name: str, tidegate: Tidegate, full: Path
) -> None:
    assert full.exists()
    arguments, code = REFUSED[name]
    Path("junk").write_bytes(b"\x00junk")
    if name == "another model":
        Path("m.bin").write_bytes(b"another")
        tidegate("bom", "make", "m.bin", "--name", "z", "--version", "1", "--output", "other.json")
    before = sorted(Path().iterdir())
    writes = arguments[0] in {"make", "convert", "merge"} or "add" in arguments
    ran = tidegate("bom", *arguments, *(["--output", "out.json"] if writes else []))
    assert ran.code == 2, ran
    assert code in ran.err
    assert "next" in ran.err
    assert sorted(Path().iterdir()) == before


def test_a_folder_that_is_not_there_is_refused(tidegate: Tidegate, full: Path) -> None:
    target = "no/where.json"
    ran = tidegate("bom", "convert", full, "--to", "cyclonedx-1.7", "--output", target)
    assert (ran.code, "TG-USE/output" in ran.err) == (2, True)


def test_a_damaged_document_is_not_valid(tidegate: Tidegate, full: Path) -> None:
    document = json.loads(full.read_bytes())
    del document["components"][0]["name"]
    Path("bad.json").write_text(json.dumps(document))
    ran = tidegate("bom", "validate", full, "bad.json", "--json")
    assert (ran.code, ran.json["valid"]) == (1, False)
    assert [one["valid"] for one in ran.json["documents"]] == [True, False]


def test_all_formats_hold_the_same(tidegate: Tidegate, full: Path) -> None:
    for spec in Spec:
        target = f"{spec}.json"
        assert tidegate("bom", "convert", full, "--to", spec, "--output", target).code == 0
        ran = tidegate("bom", "diff", full, target, "--json")
        gone = {change["part"] for change in ran.json["changes"]}
        assert gone == ({"assessment CVE-2026-0001"} if spec is Spec.SPDX_3 else set())
