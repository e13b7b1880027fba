"""``tidegate monitor`` as a person runs it: a profile, windows, an alarm, a lost alert."""

import json
import os
import subprocess
import sys
from pathlib import Path
from time import time_ns

import numpy as np
import pytest
from tests.pipelines import Pipeline

pytestmark = pytest.mark.slow  # each command is a process of its own
HOUR = 3_600_000_000


def tidegate(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "XDG_STATE_HOME": str(folder / "state"), "COLUMNS": "100"}
    command = [sys.executable, "-m", "tidegate", *arguments]
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False, env=environ
    )


def traffic(path: Path, seed: int, count: int, shift: float = 0.0) -> None:
    values = np.random.default_rng(seed).normal(shift, 1, count).round(5)
    path.write_text("x\n" + "\n".join(map(str, values)) + "\n")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("cli")
    traffic(root / "reference.csv", 0, 10_000)
    traffic(root / "calm.csv", 1, 1_000)
    traffic(root / "shifted.csv", 2, 1_000, 2.0)
    done = tidegate(root, "monitor", "profile", "reference.csv", "--output", "profile.json")
    assert done.returncode == 0, done.stderr
    pipeline = Pipeline.begin(root, time_ns() // 1_000 - HOUR)
    digest = pipeline.digest(root / "profile.json")
    assert digest in done.stdout
    (root / "model.json").write_text("{}")
    pipeline.promote(root / "model.json", profile=digest)
    return root


def run(folder: Path, window: str, *more: str) -> subprocess.CompletedProcess[str]:
    digest = Pipeline.digest(folder / "model.json")
    arguments = ("-C", "ws", "--model", digest, "--reference", "profile.json", "--window", window)
    return tidegate(folder, "monitor", "run", *arguments, *more)


def test_a_calm_window_passes_and_a_shifted_one_is_denied_with_an_event(folder: Path) -> None:
    done = run(folder, "calm.csv")
    assert done.returncode == 0, done.stdout + done.stderr
    done = run(folder, "shifted.csv", "--cloudevents", "events.jsonl")
    assert done.returncode == 1
    assert "monitor.drift" in done.stdout
    event = json.loads((folder / "events.jsonl").read_text())
    assert event["type"] == "tidegate.alert.drift.v1"


def test_an_alert_that_can_not_be_posted_is_kept_and_the_verdict_is_shown(folder: Path) -> None:
    done = run(folder, "shifted.csv", "--cloudevents", "http://127.0.0.1:9/hook")
    assert done.returncode == 6
    assert "monitor.drift" in done.stdout
    assert "not delivered" in done.stderr
    assert (folder / "ws/.tidegate/monitor/alerts.jsonl").read_text().count("\n") == 1


def test_a_profile_is_never_overwritten(folder: Path) -> None:
    done = tidegate(folder, "monitor", "profile", "calm.csv", "--output", "profile.json")
    assert done.returncode == 2
    assert "new file" in done.stderr
