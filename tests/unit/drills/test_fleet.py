"""Drills run apart: nothing of the caller's is in reach, and one that hangs is ended."""

import time
from dataclasses import replace
from pathlib import Path

import pytest

from tidegate.drills.catalogue import drill_by_id
from tidegate.drills.fleet import run_drills
from tidegate.gates.drill import End

pytestmark = pytest.mark.slow


def test_a_drill_knows_neither_configuration_nor_home_of_the_caller(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_STATE_HOME", str(home / "state"))
    monkeypatch.setenv("TIDEGATE_STORE__URL", f"sqlite:///{home}/mine.sqlite")
    monkeypatch.chdir(home)
    (done,) = run_drills([drill_by_id("DR-LOG-02")])
    assert done.ok, done.to_json()
    assert list(home.iterdir()) == []


def test_a_drill_that_takes_too_long_is_ended_and_not_run() -> None:
    started = time.monotonic()
    (done,) = run_drills([replace(drill_by_id("DR-LOG-01"), seconds=0)])
    assert time.monotonic() - started < 10
    assert not done.ran
    assert done.treatment.end is End.NOT_RUN


def test_a_process_that_dies_is_told_with_its_last_words() -> None:
    (done,) = run_drills([replace(drill_by_id("DR-LOG-01"), id="DR-NONE-01")])
    assert not done.ran
    assert "no such drill" in done.benign.detail
