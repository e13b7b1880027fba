"""``tidegate prepare`` and ``tidegate train`` as people type them, after ``tidegate ingest``."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tidegate.sandbox.order import Tier
from tidegate.sandbox.probe import host

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(host().tier < Tier.NAMESPACES, reason="no confinement on this host"),
]

SPLIT = """\
import os
from pathlib import Path
head, *rows = (Path(os.environ["TIDEGATE_INPUTS"]) / "data").read_text().splitlines()
leak = int(os.environ.get("TIDEGATE_PARAM_LEAK", "0"))
for name, part in (("train.csv", rows[:60]), ("valid.csv", rows[60 - leak:])):
    text = "\\n".join([head, *part]) + "\\n"
    (Path(os.environ["TIDEGATE_OUTPUT"]) / name).write_text(text)
"""
TRAIN = """\
import json, os
from pathlib import Path
rows = (Path(os.environ["TIDEGATE_INPUTS"]) / "train").read_text().splitlines()[1:]
model = {"mean": sum(float(row.split(",")[0]) for row in rows) / len(rows)}
(Path(os.environ["TIDEGATE_OUTPUT"]) / "model.json").write_text(json.dumps(model))
"""


def tidegate(folder: Path, line: str) -> tuple[int, str, str]:
    environ = {**os.environ, "XDG_STATE_HOME": str(folder / "state"), "COLUMNS": "160"}
    done = subprocess.run(
        [sys.executable, "-m", "tidegate", *line.split()],
        cwd=folder, env=environ, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout, done.stderr


@pytest.fixture(scope="module")
def founded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace to copy."""
    root = tmp_path_factory.mktemp("founded")
    assert tidegate(root, "init . --principal dana --unsealed")[0] == 0
    return root


def test_from_a_table_to_a_model_and_the_refusals_on_the_way(tmp_path: Path) -> None:
    rows = [f"{place * 37 % 101},{place * place % 97},{place}" for place in range(100)]
    (tmp_path / "drop.csv").write_text("\n".join(["a,b,c", *rows]) + "\n")
    (tmp_path / "code").mkdir()
    (tmp_path / "code/split.py").write_text(SPLIT)
    (tmp_path / "code/train.py").write_text(TRAIN)

    def run(line: str, command: str, code: int) -> Any:
        got, out, err = tidegate(tmp_path, f"{line} --code code --format json -- {command}")
        assert got == code, (line, out, err)
        return json.loads(out)

    assert tidegate(tmp_path, "init . --principal dana --unsealed")[0] == 0
    assert tidegate(tmp_path, "ingest source add clinic --tier partner --owner X")[0] == 0

    split = "prepare run --input data=drop.csv"
    stranger = run(f"{split} --output a", "python split.py", 1)
    assert "prepare.inputs" in {r["rule"] for r in stranger["rules"] if r["outcome"] == "deny"}
    admitted = tidegate(
        tmp_path,
        "ingest admit drop.csv --source clinic --owner X --licence CC0-1.0 --label internal",
    )
    assert admitted[0] == 0, admitted
    leaky = run(f"{split} --output b --param leak=4", "python split.py", 1)
    assert "prepare.split" in {r["rule"] for r in leaky["rules"] if r["outcome"] == "deny"}
    clean = run(
        f"{split} --output c --train train.csv --validation valid.csv", "python split.py", 0
    )
    assert [item["name"] for item in clean["subjects"]] == ["train.csv", "valid.csv"]

    model = run("train run --input train=c/train.csv --output m --name credit",
                "python train.py", 0)  # fmt: skip
    assert model["subjects"][0]["name"] == "credit"
    refused = run("train run --input train=b/valid.csv --output n", "python train.py", 1)
    assert "train.inputs" in {r["rule"] for r in refused["rules"] if r["outcome"] == "deny"}

    code, walked, _ = tidegate(tmp_path, f"verify {model['subjects'][0]['digest']}")
    assert code == 1, "a model without validation and registry is not proved"
    assert all(f"{stage}/admit" in walked for stage in ("ingest", "prepare", "train"))
    assert walked.count("no word of this gate") == 2


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("prepare run --input data=x.csv -- python a.py", "TG-USE/output"),
        ("prepare run --output o -- python a.py", "TG-USE/no-input"),
        ("prepare run --input x.csv --output o -- python a.py", "TG-USE/bad-pair"),
        ("prepare run --input a=x.csv --input a=y.csv --output o -- true", "TG-USE/bad-pair"),
        ("train run --input a=gone.csv --output o -- true", "TG-SUB"),
        ("train run --input a=x.csv --output o", "TG-USE/no-command"),
    ],
)
def test_a_wrong_call_is_an_error_with_its_code(
    founded: Path, tmp_path: Path, line: str, error: str
) -> None:
    shutil.copytree(founded, tmp_path, dirs_exist_ok=True)
    (tmp_path / "x.csv").write_text("a\n1\n")
    code, _, err = tidegate(tmp_path, line)
    assert code == 2
    assert error in err
