"""Every attack of the catalogue, through the command line, in somebody's workspace."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tidegate.app.genesis import everything, found
from tidegate.app.workspace import Workspace
from tidegate.core.attest.uris import DRILL
from tidegate.core.ledger.entry import Entry
from tidegate.drills.catalogue import CATALOGUE

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("drills")]
KEYS = ["id", "stage", "control", "control_arm", "treatment", "benign", "ok", "seconds", "detail"]


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    root = tmp_path_factory.mktemp("drills")
    environ = {"HOME": str(root), "XDG_STATE_HOME": str(root / "state")}
    found(root / "ws", (everything("me"),), environ=environ).engine.dispose()
    done = subprocess.run(
        [sys.executable, "-m", "tidegate", "drill", "run", "--all", "--format", "json",
         "-C", str(root / "ws")],
        capture_output=True, text=True, check=False, timeout=600,
        env={"PATH": "/usr/bin:/bin", **environ},
    )  # fmt: skip
    return root / "ws", done


def results(done: subprocess.CompletedProcess[str]) -> dict[str, dict[str, Any]]:
    return {line["id"]: line for line in map(json.loads, done.stdout.splitlines())}


def test_all_drills_are_run_and_the_command_says_that_they_hold(
    ran: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    _, done = ran
    assert done.returncode == 0, done.stdout + done.stderr
    assert list(results(done)) == [drill.id for drill in CATALOGUE]


@pytest.mark.parametrize("name", [drill.id for drill in CATALOGUE])
def test_the_attack_works_is_ended_by_the_named_control_and_its_twin_passes(
    name: str, ran: tuple[Path, subprocess.CompletedProcess[str]]
) -> None:
    line = results(ran[1])[name]
    assert list(line) == KEYS
    assert line["ok"] is True, line
    assert line["control_arm"] == "succeeded"
    assert line["treatment"] in {"stopped", "detected"}
    assert line["benign"] == "passed"
    assert line["seconds"] > 0


def test_the_log_gets_one_drill_entry_each_and_nothing_else(
    ran: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    root, _ = ran
    workspace = Workspace.open(root, environ={"XDG_STATE_HOME": str(root.parent / "state")})
    entries = [Entry.parse(data) for data in workspace.log.entries(0, workspace.log.head.size)]
    assert [entry.kind for entry in entries] == ["genesis", "trust"] + ["drill"] * len(CATALOGUE)
    assert {entry.predicate_type for entry in entries[2:]} == {DRILL}
    workspace.catch_up()
    rows = [row for row in workspace.projections.attestations(limit=200) if row.index >= 2]
    assert len(rows) == len(CATALOGUE)
    assert all(row.drill and not row.stage for row in rows)
    assert workspace.directives().aliases == {}
