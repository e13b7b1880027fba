"""``serve inventory``: findings about what runs, in every format of a report."""

import json
from pathlib import Path

import pytest
from tests.sites import Site, Tidegate

from tidegate.core.policy.directives import Alias

DIGEST = "sha256:" + "ab" * 32
OTHER = "sha256:" + "cd" * 32


@pytest.fixture
def listed(tmp_path: Path, site: Site) -> Path:
    """A list with one model as it should be, and one that nobody knows."""
    site.open().act(Alias(name="credit@1", digest=DIGEST, reason="admitted"))
    site.open().act(Alias(name="credit/prod", digest=DIGEST, reason="promoted"))
    path = tmp_path / "running.jsonl"
    models = [
        {"digest": DIGEST, "name": "credit/prod", "where": "vm-1"},
        {"digest": OTHER, "where": "vm-2"},
    ]
    path.write_text("".join(json.dumps(one) + "\n" for one in models))
    return path


def test_a_rogue_model_is_a_finding(tidegate: Tidegate, listed: Path) -> None:
    ran = tidegate("serve", "inventory", listed, "-C", "ws")
    assert ran.code == 1
    assert "TG-MON-06/rogue" in ran.out
    assert "vm-2" in ran.out
    assert "vm-1" not in ran.out


def test_programs_read_sarif(tidegate: Tidegate, listed: Path) -> None:
    ran = tidegate("serve", "inventory", listed, "-C", "ws", "--format", "sarif")
    (result,) = ran.json["runs"][0]["results"]
    assert result["ruleId"] == "TG-MON-06/rogue"


def test_all_is_as_it_should_be(tidegate: Tidegate, listed: Path) -> None:
    listed.write_text(listed.read_text().splitlines()[0] + "\n")
    assert tidegate("serve", "inventory", listed, "-C", "ws").code == 0


def test_nothing_runs(tidegate: Tidegate, listed: Path) -> None:
    """An empty list is no pass."""
    listed.write_text("")
    assert tidegate("serve", "inventory", listed, "-C", "ws").code == 3


def test_what_was_not_read_is_undecided(tidegate: Tidegate, listed: Path) -> None:
    listed.write_text(listed.read_text().splitlines()[0] + "\nnonsense\n")
    assert tidegate("serve", "inventory", listed, "-C", "ws").code == 4


def test_no_file(tidegate: Tidegate, site: Site) -> None:
    assert site.root.is_dir()
    ran = tidegate("serve", "inventory", "nowhere.jsonl", "-C", "ws")
    assert ran.code == 2
    assert "TG-SUB/bad-inventory" in ran.err
