# ruff: noqa: E501 - lock files have long lines, and cases read best on one
"""Advisories: imported whole or not at all, evaluated as OSV says, and never silently old."""

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tidegate.core.clock import SECOND, Micros
from tidegate.core.errors import SubjectError, VerificationError
from tidegate.core.finding import Location, Severity
from tidegate.detect.dependencies import Dependency, Expectations, Format, LockFile, judge_locks
from tidegate.detect.dependencies.advisories import AdvisoryIndex, import_osv, judge_advisories
from tidegate.detect.dependencies.advisories.cvss import base_score
from tidegate.detect.dependencies.advisories.osv import (
    UnreadableRecordError,
    is_affected,
    read_record,
)
from tidegate.detect.dependencies.model import Ecosystem
from tidegate.detect.dependencies.readers.moments import moment

DAY = 86_400 * SECOND


def record(name: str, events: list[dict[str, str]] | None = None, **more: Any) -> dict[str, Any]:
    affected: dict[str, Any] = {"package": {"ecosystem": "PyPI", "name": "Demo_Tool"}}
    if events is not None:
        affected["ranges"] = [{"type": "ECOSYSTEM", "events": events}]
    affected |= more.pop("affected", {})
    return {"id": name, "modified": "2026-11-20T00:00:00Z", "affected": [affected], **more}


def archive(folder: Path, *records: Mapping[str, Any]) -> Path:
    file = folder / "all.zip"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as pack:
        for number, one in enumerate(records):
            pack.writestr(f"{one.get('id', number)}-{number}.json", json.dumps(one))
    return file


INTRODUCED = {"introduced": "0"}
RANGES: dict[str, tuple[list[dict[str, str]], dict[str, bool]]] = {
    "fixed": ([INTRODUCED, {"fixed": "1.2"}], {"1.1": True, "1.2": False, "1.2rc1": True, "2": False}),
    "last affected": ([{"introduced": "1.0"}, {"last_affected": "1.5"}],
                      {"0.9": False, "1.5": True, "1.5.post1": False, "1.6": False}),
    "comes again": ([INTRODUCED, {"fixed": "1.0"}, {"introduced": "2.0"}, {"fixed": "2.1"}],
                    {"0.5": True, "1.5": False, "2.0": True, "2.1": False}),
    "in any order": ([{"fixed": "1.2"}, INTRODUCED], {"1.1": True, "1.3": False}),
    "a limit": ([INTRODUCED, {"limit": "2.0"}], {"1.9": True, "2.0": False}),
    "an epoch": ([{"introduced": "1!1.0"}], {"9": False, "1!1.0": True}),
}  # fmt: skip


@pytest.mark.parametrize("case", RANGES)
def test_ranges_are_those_of_pep_440(case: str) -> None:
    events, wanted = RANGES[case]
    read = read_record(record("X-1", events))
    assert read
    assert {version: is_affected(version, read.affected[0]) for version in wanted} == wanted


def test_versions_are_listed_apart_from_ranges() -> None:
    read = read_record(record("X-1", affected={"versions": ["1.0", "weird version"]}))
    assert read
    assert is_affected("1.0.0", read.affected[0])
    assert not is_affected("1.1", read.affected[0])
    with pytest.raises(UnreadableRecordError):
        is_affected("not a version", read.affected[0])


@pytest.mark.parametrize(
    ("more", "severity"),
    [
        ({"severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}]},
         Severity.CRITICAL),
        ({"database_specific": {"severity": "MODERATE"}}, Severity.MEDIUM),
        ({"severity": [{"type": "CVSS_V4", "score": "CVSS:4.0/AV:N"}],
          "database_specific": {"severity": "LOW"}}, Severity.LOW),
        ({}, Severity.HIGH),
    ],
)  # fmt: skip
def test_severity_is_what_the_record_states(more: dict[str, Any], severity: Severity) -> None:
    read = read_record(record("X-1", [INTRODUCED], **more))
    assert read
    assert (read.severity, read.stated) == (severity, bool(more))


def test_scores_are_those_of_the_specification() -> None:
    vectors = {
        "CVSS:3.0/AV:N/AC:L/PR:N/UI:R/S:C/C:L/I:L/A:N": 6.1,
        "CVSS:3.1/AV:N/AC:L/PR:L/UI:N/S:U/C:N/I:L/A:N": 4.3,
        "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H": 10.0,
        "CVSS:3.1/AV:P/AC:H/PR:H/UI:R/S:U/C:N/I:N/A:N": 0.0,
        "CVSS:2.0/AV:N": None,
        "CVSS:3.1/AV:N": None,
    }
    assert {vector: base_score(vector) for vector in vectors} == vectors


def test_what_was_withdrawn_or_is_elsewhere_is_left_out(tmp_path: Path) -> None:
    npm = record("X-3", [INTRODUCED])
    npm["affected"][0]["package"]["ecosystem"] = "npm"
    withdrawn = record("X-2", [INTRODUCED], withdrawn="2026-01-01T00:00:00Z")
    told = import_osv(
        archive(tmp_path, record("X-1", [INTRODUCED]), withdrawn, npm), tmp_path / "db"
    )
    assert (told.advisories, told.withdrawn) == (1, 2)


def judged(index: AdvisoryIndex, *found: Dependency, days: int = 1) -> Any:
    now = Micros((moment("2026-11-20T00:00:00Z") or 0) + days * DAY)
    judge = judge_advisories(index, now=now, stale_after=Micros(7 * DAY))
    return judge_locks([LockFile("lock", Format.UV, found)], Expectations(), [judge])


def demo(version: str | None = "1.1", **more: Any) -> Dependency:
    hashes = ("sha256:" + "a" * 64,)
    return Dependency("demo-tool", Location("lock"), version, "demo-tool", hashes=hashes, **more)


def test_a_release_is_found_with_its_fix(tmp_path: Path) -> None:
    flaw = record(
        "GHSA-x", [INTRODUCED, {"fixed": "1.2"}], aliases=["CVE-2026-1"], summary="It leaks"
    )
    import_osv(archive(tmp_path, flaw), tmp_path / "db")
    with AdvisoryIndex.open(tmp_path / "db") as index:
        (found,) = judged(index, demo()).findings
        assert judged(index, demo("1.2")).findings == ()
    assert (found.rule, found.fix) == ("TG-REG-05/advisory", "Move to 1.2.")
    assert "CVE-2026-1" in found.message


def test_malicious_releases_are_critical(tmp_path: Path) -> None:
    bad = record("MAL-2026-1", affected={"versions": ["1.1"]})
    told = import_osv(archive(tmp_path, bad), tmp_path / "one.db")
    assert told.malicious == 1
    with AdvisoryIndex.open(tmp_path / "one.db") as index:
        (found,) = judged(index, demo()).findings
    assert (found.rule, found.severity) == ("TG-REG-05/malicious", Severity.CRITICAL)


def test_old_data_clears_nothing(tmp_path: Path) -> None:
    import_osv(archive(tmp_path, record("X-1", [{"introduced": "9"}])), tmp_path / "db")
    with AdvisoryIndex.open(tmp_path / "db") as index:
        assert judged(index, demo()).coverage.complete
        stale = judged(index, demo(), days=8)
        assert not stale.coverage.complete
        assert "2026-11-20" in stale.gaps[0].why
        assert not judged(index, demo(None)).coverage.complete
        assert not judged(index, demo(ecosystem=Ecosystem.CONDA)).coverage.complete
        assert not judged(index, demo("not a version")).coverage.complete


def test_an_index_that_was_changed_is_refused(tmp_path: Path) -> None:
    import_osv(archive(tmp_path, record("X-1", [INTRODUCED])), tmp_path / "db")
    (file,) = (tmp_path / "db").glob("*.db")
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    with pytest.raises(VerificationError):
        AdvisoryIndex.open(tmp_path / "db")
    (tmp_path / "db" / "current").write_text("../elsewhere.db\n")
    with pytest.raises(VerificationError):
        AdvisoryIndex.open(tmp_path / "db")


@pytest.mark.parametrize("bad", ["json", "id", "twice", "no zip", "empty", "bomb"])
def test_a_bad_archive_changes_nothing(bad: str, tmp_path: Path) -> None:
    place = tmp_path / "db"
    good = import_osv(archive(tmp_path, record("X-1", [INTRODUCED])), place)
    file = tmp_path / "bad.zip"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as pack:
        pack.writestr("a.json", json.dumps(record("X-2", [INTRODUCED])))
        if bad == "json":
            pack.writestr("b.json", "{")
        if bad == "id":
            pack.writestr("b.json", json.dumps({"affected": []}))
        if bad == "twice":
            pack.writestr("b.json", json.dumps(record("X-2", [INTRODUCED])))
        if bad == "bomb":
            pack.writestr("b.json", b"[" + b" " * (9 << 20) + b"]")
    if bad == "no zip":
        file.write_bytes(b"PK no")
    if bad == "empty":
        with zipfile.ZipFile(file, "w"):
            pass
    with pytest.raises((VerificationError, SubjectError)):
        import_osv(file, place)
    with AdvisoryIndex.open(place) as index:
        assert index.told == good
    assert len(list(place.iterdir())) == 2


def test_the_same_archive_gives_the_same_index(tmp_path: Path) -> None:
    file = archive(tmp_path, record("X-1", [INTRODUCED]), record("X-2", [INTRODUCED]))
    assert import_osv(file, tmp_path / "a") == import_osv(file, tmp_path / "b")
