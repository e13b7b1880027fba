"""``tidegate ingest`` as people type it: sources, admissions, refusals, exit codes."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tidegate.__main__ import main


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Tidegate = Callable[..., Ran]


@pytest.fixture(scope="module")
def founded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace to copy: making one takes most of a second."""
    root = tmp_path_factory.mktemp("founded")
    assert main(["init", str(root), "--principal", "dana", "--principal", "sam=steward",
                 "--unsealed"]) == 0  # fmt: skip
    return root


@pytest.fixture
def tidegate(
    founded: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> Tidegate:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("COLUMNS", "160")

    def run(line: str, *more: str) -> Ran:
        capfd.readouterr()
        code = main([*line.split(), *more])
        out, err = capfd.readouterr()
        assert "Traceback" not in err
        return Ran(code, out, err)

    shutil.copytree(founded, tmp_path, dirs_exist_ok=True)
    return run


FULL = "--source clinic --owner Oncology --licence CC-BY-4.0"


def test_a_source_is_registered_listed_and_retired(tidegate: Tidegate) -> None:
    assert tidegate("ingest source add clinic --tier partner --owner Oncology").code == 0
    listed = tidegate("ingest source list")
    assert all(word in listed.out for word in ("clinic", "partner", "Oncology", "unstated"))
    assert (
        "TG-USE/same-source"
        in tidegate(
            "ingest source add clinic --tier partner --owner Oncology --licence unstated"
        ).err
    )
    assert tidegate("ingest source add clinic --tier web --owner Oncology").code == 0
    assert "web" in tidegate("ingest source list").out
    assert tidegate("ingest source remove clinic", "--reason", "contract ended").code == 0
    assert "clinic" not in tidegate("ingest source list").out
    assert tidegate("ingest source remove clinic").code == 2
    assert tidegate("ingest source add clinic --tier friend --owner Oncology").code == 2
    assert "TG-USE/bad-source" in tidegate("ingest source add a/b --tier web --owner X").err


def test_a_table_is_admitted_and_one_with_personal_data_refused(
    tidegate: Tidegate, tmp_path: Path
) -> None:
    tidegate("ingest source add clinic --tier partner --owner Oncology")
    (tmp_path / "clean.csv").write_text("city,n\nUlm,1\nBonn,2\n")
    rows = "\n".join(f"p{place}@mail.example,{place}" for place in range(20))
    (tmp_path / "mails.csv").write_text(f"contact,n\n{rows}\n")

    clean = tidegate(f"ingest admit clean.csv {FULL} --label public --format json")
    assert clean.code == 0
    assert clean.json["outcome"] == "allow"

    refused = tidegate(f"ingest admit mails.csv {FULL} --label internal --format json")
    assert refused.code == 1
    assert "p1@mail.example" not in refused.out
    assert any("put into quarantine" in note for note in refused.json["notes"])
    assert "mails.csv" in tidegate("quarantine list").out

    digest = refused.json["subjects"][0]["digest"]
    assert tidegate(f"quarantine release {digest} --reason relabelled").code == 0
    assert tidegate(f"ingest admit mails.csv {FULL} --label confidential").code == 0


def test_every_missing_duty_is_told_at_once(tidegate: Tidegate, tmp_path: Path) -> None:
    (tmp_path / "clean.csv").write_text("city,n\nUlm,1\nBonn,2\n")
    ran = tidegate("ingest admit clean.csv --format json")
    assert ran.code == 1
    denied = {rule["rule"] for rule in ran.json["rules"] if rule["outcome"] == "deny"}
    assert denied == {
        "ingest.owner", "ingest.source", "ingest.licence", "ingest.label", "ingest.source-tier"
    }  # fmt: skip
    text = tidegate("ingest admit clean.csv").out
    assert "TG-ING-02/no-owner" in text or "has no owner" in text


@pytest.mark.parametrize(
    ("arguments", "code", "error"),
    [
        ("gone.csv", 2, "TG-SUB"),
        ("empty.csv", 3, "TG-SUB/empty-file"),
        ("folder", 3, "TG-SUB"),
        ("clean.csv --target-column nope", 2, "TG-SUB/no-such-column"),
        ("clean.csv --label secret", 2, "TG-USE"),
        ("clean.csv --schema gone.json", 2, "TG-USE/bad-schema-file"),
        ("clean.csv --as nobody", 1, "TG-ACC"),
    ],
)
def test_a_wrong_call_is_an_error_with_its_code(
    tidegate: Tidegate, tmp_path: Path, arguments: str, code: int, error: str
) -> None:
    (tmp_path / "clean.csv").write_text("city,n\nUlm,1\nBonn,2\n")
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "folder").mkdir()
    ran = tidegate(f"ingest admit {arguments}")
    assert ran.code == code
    assert error in ran.err


def test_a_dry_run_writes_nothing(tidegate: Tidegate, tmp_path: Path) -> None:
    (tmp_path / "clean.csv").write_text("city,n\nUlm,1\nBonn,2\n")
    before = tidegate("log list").out
    assert tidegate("ingest admit clean.csv --dry-run").code == 1
    assert tidegate("ingest source add a --tier web --owner X --dry-run").code == 0
    assert tidegate("log list").out == before
