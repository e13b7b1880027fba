"""``tidegate validate`` as a person runs it: help, a verdict with its scorecard, wrong calls."""

import json
import os
import subprocess
import sys
from pathlib import Path
from time import time_ns

import pytest
from tests.pipelines import Pipeline

from tidegate.sandbox.order import Tier
from tidegate.sandbox.probe import host

PREDICT = """
import csv, os
rows = list(csv.DictReader(open(os.environ["TIDEGATE_INPUTS"] + "/data")))
with open(os.environ["TIDEGATE_OUTPUT"] + "/predictions.csv", "w") as out:
    out.write("prediction\\n" + "".join(f"{int(float(row['x']) > 0.5)}\\n" for row in rows))
"""

pytestmark = pytest.mark.slow  # each command is a process of its own
HOUR = 3_600_000_000


def tidegate(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "XDG_STATE_HOME": str(folder / "state"), "COLUMNS": "100"}
    command = [sys.executable, "-m", "tidegate", *arguments]
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False, env=environ
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("cli")
    pipeline = Pipeline.begin(root, time_ns() // 1_000 - HOUR)
    for name, owner in (("t", "tom"), ("a", "ann"), ("b", "bob")):
        lines = [
            f"{k % 100 / 100},{'fm'[k % 2]},{int(k % 100 > 50)}" for k in range(ord(name), 900)
        ]
        (root / f"{name}.csv").write_text("x,sex,y\n" + "\n".join(lines) + "\n")
        pipeline.admit(root / f"{name}.csv", source=f"feed-{name}", owner=owner)
    (root / "model.json").write_text("{}")
    pipeline.train(root / "model.json", root / "t.csv")
    (root / "code").mkdir()
    (root / "code/predict.py").write_text(PREDICT)
    return root


RUN = (
    *("validate", "run", "-C", "ws", "--model", "model.json", "--set", "a=a.csv"),
    *("--label-column", "y", "--group-column", "sex", "--code", "code"),
)
PROGRAM = ("--", sys.executable, "predict.py")


@pytest.mark.skipif(host().tier is Tier.NONE, reason="no confinement on this host")
def test_a_run_says_allow_and_writes_the_scorecard(folder: Path) -> None:
    done = tidegate(
        folder, *RUN, "--set", "b=b.csv", "--scorecard", "card", "--format", "json", *PROGRAM
    )
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(done.stdout)
    assert report["outcome"] == "allow"
    assert (folder / "card/scorecard.html").exists()


@pytest.mark.skipif(host().tier is Tier.NONE, reason="no confinement on this host")
def test_one_source_is_denied_with_a_next_step(folder: Path) -> None:
    done = tidegate(folder, *RUN, "--dry-run", *PROGRAM)
    assert done.returncode == 1, done.stderr
    assert "validate.two-sources" in done.stdout
    assert "admit a validation set of another owner" in " ".join(done.stdout.split())


def test_wrong_calls_say_what_to_do(folder: Path) -> None:
    done = tidegate(folder, *RUN, "--set", "b.csv", *PROGRAM)
    assert done.returncode == 2
    assert "--set NAME=PATH" in done.stderr
    done = tidegate(folder, *RUN)
    assert done.returncode == 2
    assert "no predict command" in done.stderr


def test_help_names_the_contract_of_the_command(folder: Path) -> None:
    done = tidegate(folder, "validate", "run", "--help")
    assert done.returncode == 0
    assert "predictions.csv" in done.stdout
