"""The engine: folders, links, special files, coverage, packs."""

import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tidegate.core.errors import ConfigError, SubjectError
from tidegate.core.finding import Severity
from tidegate.detect.supply import (
    DETECTOR,
    RULES,
    Allowlist,
    Entry,
    Pack,
    Status,
    Use,
    load_packs,
    scan_handle,
    scan_path,
)
from tidegate.detect.supply.allow.packs import ruleset_digest
from tidegate.detect.supply.engine import RULESET

EVIL = b"\x80\x02cos\nsystem\n)R."


def test_a_folder_is_the_sum_of_its_files(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "good.pkl").write_bytes(pickle.dumps([1]))
    (tmp_path / "sub" / "bad.pkl").write_bytes(EVIL)
    (tmp_path / "strange.bin").write_bytes(bytes(range(1, 250)))
    report = scan_path(tmp_path)
    assert [file.path for file in report.files] == ["good.pkl", "strange.bin", "sub/bad.pkl"]
    assert dict(report.facts()) == {
        "files": 3,
        "clean": 1,
        "malicious": 1,
        "inconclusive": 1,
        "findings": 1,
        "highest": "critical",
    }
    assert (report.coverage.planned, report.coverage.examined) == (3, 2)
    assert report.coverage.skipped[0].what == "strange.bin"
    assert report.status is Status.FINDINGS
    json.dumps(report.to_json())


def test_nothing_is_not_clean(tmp_path: Path) -> None:
    report = scan_path(tmp_path)
    assert report.status is Status.INCONCLUSIVE
    assert not report.coverage.complete
    with pytest.raises(SubjectError) as caught:
        scan_path(tmp_path / "absent")
    assert caught.value.code == "TG-SUB/no-such-file"


def test_links_and_special_files_are_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside.pkl"
    outside.write_bytes(pickle.dumps([1]))
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "link.pkl").symlink_to(outside)
    (folder / "loop").symlink_to(folder)
    os.mkfifo(folder / "pipe")
    report = scan_path(folder)
    assert [file.status for file in report.files] == [Status.INCONCLUSIVE] * 3
    assert len(report.coverage.failed) == 3
    assert scan_path(folder / "link.pkl").status is Status.CLEAN, "named by the caller"


def test_a_folder_that_can_not_be_listed_is_a_gap(
    tmp_path: Path, as_nobody: Callable[..., str]
) -> None:
    """What else is there is scanned all the same: a closed folder hides no finding beside it."""
    (tmp_path / "model" / "sub").mkdir(parents=True)
    (tmp_path / "model" / "bad.pkl").write_bytes(EVIL)
    (tmp_path / "model" / "sub" / "worse.pkl").write_bytes(EVIL)
    (tmp_path / "model" / "sub").chmod(0)
    told = as_nobody(lambda: json.dumps(scan_path(tmp_path / "model").to_json()))
    alone = as_nobody(lambda: scan_path(tmp_path / "model" / "sub").status.value)
    (tmp_path / "model" / "sub").chmod(0o755)
    report = json.loads(told)
    assert [(file["path"], file["status"]) for file in report["files"]] == [
        ("bad.pkl", "findings"),
        ("sub", "inconclusive"),
    ]
    (failed,) = report["coverage"]["failed"]
    assert failed["what"] == "sub"
    assert "Permission denied" in failed["why"]
    assert alone == "inconclusive"


def test_an_unreadable_name_is_shown_and_scanned(tmp_path: Path) -> None:
    name = os.fsdecode(b"bad\xff.pkl")
    (tmp_path / name).write_bytes(EVIL)
    report = scan_path(tmp_path)
    assert report.files[0].path == "bad\\xff.pkl"
    assert report.status is Status.FINDINGS


def test_a_handle_is_enough(tmp_path: Path) -> None:
    file = tmp_path / "m"
    file.write_bytes(EVIL)
    with file.open("rb") as handle:
        assert scan_handle(handle, "m").findings[0].severity is Severity.CRITICAL


def test_a_big_file_is_mapped(tmp_path: Path) -> None:
    file = tmp_path / "m"
    file.write_bytes(pickle.dumps(b"x" * (17 << 20)))
    assert scan_path(file).status is Status.CLEAN
    file.write_bytes(pickle.dumps(b"x" * (17 << 20)) + EVIL)
    assert scan_path(file).status is Status.FINDINGS


def test_rules_are_well_formed() -> None:
    assert len({rule.id for rule in RULES}) == len(RULES)
    assert all(rule.control == "TG-REG-03" and rule.risk and rule.fix for rule in RULES)


BAD_PACKS: dict[str, dict[str, Any]] = {
    "no entries": {"name": "x"},
    "no reason": {"name": "x", "entries": [{"global": "a:b", "uses": ["new"]}]},
    "unknown use": {"name": "x", "entries": [{"global": "a:b", "uses": ["go"], "why": "w"}]},
    "no module": {"name": "x", "entries": [{"global": "a.b", "uses": ["new"], "why": "w"}]},
    "no shapes": {"name": "x", "entries": [{"global": "a:b", "uses": ["reduce"], "why": "w"}]},
    "bad shape": {
        "name": "x",
        "entries": [{"global": "a:b", "uses": ["reduce"], "why": "w", "args": [["what"]]}],
    },
}


@pytest.mark.parametrize("name", BAD_PACKS)
def test_a_bad_pack_is_refused(name: str) -> None:
    with pytest.raises(ConfigError):
        Pack.from_json(BAD_PACKS[name])


def test_the_detector_names_the_ruleset_that_ships() -> None:
    current = ruleset_digest(load_packs()).hex[: len(RULESET)]
    assert current == RULESET, f"set RULESET to {current}"
    assert DETECTOR.version.endswith(RULESET)


def test_packs_have_digests_and_no_namespace_trust() -> None:
    packs = load_packs()
    assert len({pack.digest.hex for pack in packs}) == len(packs)
    allow = Allowlist(packs)
    assert not allow.permits("sklearn.svm:*", Use.NEW)
    assert allow.permits("sklearn.svm._classes:SVC", Use.NEW)
    assert not allow.permits("sklearn.svm._classes:SVC", Use.REDUCE)
    with pytest.raises(ConfigError):
        load_packs(["nope"])
    with pytest.raises(ConfigError):
        Entry.approve("a:b=reduce", "no shapes")
