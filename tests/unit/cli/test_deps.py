"""``deps`` exits with 0 only when everything was examined and nothing of weight was found."""

import json
import zipfile
from pathlib import Path

import pytest
from tests.sites import Tidegate

SHA = "sha256:" + "a" * 64
GOOD = f"--index-url https://pypi.example/simple\nnumpy==2.4.6 --hash={SHA}\n"
CASES: dict[str, tuple[str, int]] = {
    "clean": (GOOD, 0),
    "unpinned": ("numpy\n", 1),
    "a gap": (GOOD + "-r https://x.example/more.txt\n", 4),
    "no requirement": ("== what ==\n", 4),
}


@pytest.mark.parametrize("case", CASES)
def test_exit_codes(case: str, tidegate: Tidegate) -> None:
    text, code = CASES[case]
    Path("requirements.txt").write_text(text)
    assert tidegate("deps", "check", "requirements.txt").code == code
    assert tidegate("deps", "check", ".").code == code


def test_nothing_to_check_is_no_pass(tidegate: Tidegate) -> None:
    Path("empty").mkdir()
    assert tidegate("deps", "check", "empty").code == 3
    assert tidegate("deps", "check", "nowhere").code == 2


def test_settings_of_the_workspace_hold(tidegate: Tidegate) -> None:
    Path("requirements.txt").write_text(GOOD + f"acme-x==1 --hash={SHA}\n")
    Path("tidegate.toml").write_text(
        '[dependencies]\ninternal = ["acme-*"]\ninternal_indexes = ["https://pypi.acme.example"]\n'
    )
    ran = tidegate("deps", "check", "requirements.txt", "--format", "json")
    assert ran.code == 1
    assert [one["rule"] for one in ran.json["findings"]] == ["TG-REG-05/internal-name"]
    sarif = tidegate("deps", "check", "requirements.txt", "--format", "sarif")
    assert "internal-name" in sarif.out


def test_advisories_are_imported_used_and_told(tidegate: Tidegate) -> None:
    Path("requirements.txt").write_text(GOOD)
    flaw = {
        "id": "X-1",
        "modified": "2020-01-01T00:00:00Z",
        "affected": [{"package": {"ecosystem": "PyPI", "name": "numpy"}, "versions": ["2.4.6"]}],
    }
    with zipfile.ZipFile("all.zip", "w") as pack:
        pack.writestr("X-1.json", json.dumps(flaw))
    assert tidegate("deps", "advisories", "status").code == 2
    told = tidegate("deps", "advisories", "import", "all.zip", "--format", "json")
    assert (told.code, told.json["advisories"]) == (0, 1)
    status = tidegate("deps", "advisories", "status")
    assert (status.code, "2020-01-01" in status.out) == (4, True)
    ran = tidegate("deps", "check", "requirements.txt", "--format", "json")
    assert (ran.code, ran.json["findings"][0]["rule"]) == (1, "TG-REG-05/advisory")
    assert tidegate("deps", "check", "requirements.txt", "--advisories", "none").code == 2
