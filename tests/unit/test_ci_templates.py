"""What we hand to CI systems is run as they run it, and its commands are ones that exist."""

import json
import os
import pickle
import shlex
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from cyclopts import App
from tests.pages import ROOT

from tidegate.cli import GROUPS, build_app

_RECORDER = """#!{python}
import json, os, sys
open(os.environ["RECORD"], "a").write(json.dumps(sys.argv[1:]) + "\\n")
sys.exit(int(os.environ.get("ANSWER", "0")))
"""
EVIL = "a b; touch pwned $(touch pwned) `touch pwned`"


@cache
def application() -> App:
    return build_app(GROUPS)


def parsed(words: list[str]) -> dict[str, Any]:
    """Return what the command line makes of a command; an unknown word or a missing one raises."""
    _, bound, _ = application().parse_args(words, exit_on_error=False, print_error=False)
    return dict(bound.arguments)


def loaded(name: str) -> Any:
    return yaml.safe_load((ROOT / name).read_text("utf-8"))


@pytest.fixture
def recorder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a program ``tidegate`` that writes down how it was called."""
    folder = tmp_path / "tidegate" / "bin"
    folder.mkdir(parents=True)
    program = folder / "tidegate"
    program.write_text(_RECORDER.format(python=sys.executable), "utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("RECORD", str(tmp_path / "record"))
    return folder


def recorded(tmp_path: Path) -> list[list[str]]:
    return [json.loads(line) for line in (tmp_path / "record").read_text("utf-8").splitlines()]


# GitHub --------------------------------------------------------------------------------------

INPUTS = {
    "trust": "trust.json",
    "pin": "sha256:" + "0" * 64,
    "release": "release.json",
    "recalls": "recalls.json",
    "deployed-as": "tumour/prod",
    "as": "omar",
    "passphrase-file": "secret",
}


def act(
    tmp_path: Path, given: Mapping[str, str], answer: int = 0
) -> "subprocess.CompletedProcess[str]":
    """Run the action's second step as GitHub does: inputs as variables, bash with -e."""
    action = loaded("action.yml")
    step = action["runs"]["steps"][1]
    inputs = {name: one["default"] for name, one in action["inputs"].items()} | {**given}
    environ = {
        name: inputs[text.removeprefix("${{ inputs.").removesuffix(" }}")]
        for name, text in step["env"].items()
    }
    environ |= {
        "PATH": os.environ["PATH"],
        "RECORD": str(tmp_path / "record"),
        "ANSWER": str(answer),
        "RUNNER_TEMP": str(tmp_path),
        "GITHUB_OUTPUT": str(tmp_path / "output"),
    }
    return subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
        cwd=tmp_path, env=environ, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_the_actions_inputs_never_reach_a_script() -> None:
    """An expression in a script's text runs what somebody wrote into a pull request's title."""
    for step in loaded("action.yml")["runs"]["steps"]:
        assert "${{" not in step["run"]


@pytest.mark.usefixtures("recorder")
@pytest.mark.parametrize(
    ("run", "command"),
    [
        ("scan", ["scan"]),
        ("deps", ["deps", "check"]),
        ("image", ["image", "check"]),
        ("verify", ["verify"]),
        ("released", ["serve", "released"]),
        ("serve-check", ["serve", "check"]),
    ],
)
@pytest.mark.parametrize("answer", [0, 1, 4, 5])
def test_each_run_of_the_action_is_a_command(
    tmp_path: Path, run: str, command: list[str], answer: int
) -> None:
    """With every input in its place, and the command's exit code as the step's."""
    path = "-odd name;.pkl" if run != "image" else "registry.example/model:1"
    done = act(tmp_path, {**INPUTS, "run": run, "path": path}, answer)
    assert done.returncode == answer, done.stderr
    (words,) = recorded(tmp_path)
    assert words[: len(command)] == command
    assert f"./{path}" in words or (run == "image" and path in words)
    assert parsed(words)
    assert "exit-code=" + str(answer) in (tmp_path / "output").read_text("utf-8")


@pytest.mark.usefixtures("recorder")
def test_optional_inputs_may_be_left_away(tmp_path: Path) -> None:
    """An empty input is none, not an empty option."""
    for run in ("released", "serve-check"):
        given = {**INPUTS, "recalls": "", "as": "", "passphrase-file": ""}
        assert act(tmp_path, {**given, "run": run, "path": "model"}).returncode == 0
    for words in recorded(tmp_path):
        assert "" not in words
        assert parsed(words)


@pytest.mark.usefixtures("recorder")
def test_inputs_are_data(tmp_path: Path) -> None:
    """Whatever they hold."""
    given = dict.fromkeys([*INPUTS, "path", "sarif", "workspace"], EVIL)
    for run in ("scan", "verify", "released", "serve-check"):
        act(tmp_path, {**given, "run": run})
    assert len(recorded(tmp_path)) == 4
    assert act(tmp_path, {"run": EVIL}).returncode == 2
    assert not list(tmp_path.rglob("pwned"))


@pytest.mark.slow
def test_the_action_scans(tmp_path: Path) -> None:
    """For real: an attack fails the step, and is in the SARIF file that is named."""
    (tmp_path / "tidegate" / "bin").mkdir(parents=True)
    (tmp_path / "tidegate" / "bin" / "tidegate").symlink_to(
        Path(sys.executable).parent / "tidegate"
    )
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "bad.pkl").write_bytes(b'cos\nsystem\n(S"id"\ntR.')
    done = act(tmp_path, {"path": "models", "sarif": "out.sarif"})
    assert done.returncode == 1, done.stderr
    assert "::error" in done.stdout
    told = (tmp_path / "output").read_text("utf-8").splitlines()
    assert told == ["exit-code=1", "sarif=out.sarif"]
    assert json.loads((tmp_path / "out.sarif").read_text("utf-8"))["runs"][0]["results"]


# GitLab --------------------------------------------------------------------------------------

TEMPLATE = "deploy/ci/gitlab.yml"
JOBS = sorted(name for name in loaded(TEMPLATE) if name != ".tidegate")


@pytest.mark.parametrize("job", JOBS)
def test_each_job_of_the_template_is_a_command(tmp_path: Path, recorder: Path, job: str) -> None:
    """With the variables that it names, none of which is taken for a setting of ours."""
    jobs = loaded(TEMPLATE)
    variables = {name: str(text) for name, text in jobs[".tidegate"]["variables"].items()}
    script = jobs[job]["script"]
    asked = {word for line in script for word in line.split('"') if word.startswith("$GATE_")}
    variables |= {word[1:]: "a b" for word in asked if word[1:] not in variables}
    environ = {**os.environ, **variables, "PATH": f"{recorder}:{os.environ['PATH']}"}
    for line in script:
        subprocess.run(["sh", "-ec", line], cwd=tmp_path, env=environ, check=True)
    (words,) = recorded(tmp_path)
    assert parsed(words)
    if "--format" in words:
        assert words[words.index("--output") + 1] == "tidegate.xml"
    assert not {name for name in variables if name.startswith("TIDEGATE_")}


def test_the_guide_shows_jobs_and_hooks_that_are_there() -> None:
    """Names in the guide's YAML are those of the files."""
    text = (ROOT / "docs" / "guide" / "ci.md").read_text("utf-8")
    shown = [yaml.safe_load(part.partition("```")[0]) for part in text.split("```yaml")[1:]]
    extended = [job["extends"] for page in shown for job in page.values() if "extends" in job]
    assert extended
    assert set(extended) <= set(JOBS)
    hooks = [
        hook["id"] for page in shown for repo in page.get("repos", ()) for hook in repo["hooks"]
    ]
    assert set(hooks) == {hook["id"] for hook in loaded(".pre-commit-hooks.yaml")}
    steps = [step for page in shown for step in page.get("steps", ()) if "with" in step]
    inputs = set(loaded("action.yml")["inputs"])
    ours = [step for step in steps if step["uses"] == "./.tidegate-action"]
    assert ours
    assert all(set(step["with"]) <= inputs for step in ours)


# pre-commit ----------------------------------------------------------------------------------


@pytest.mark.parametrize("hook", loaded(".pre-commit-hooks.yaml"), ids=lambda hook: hook["id"])
def test_a_hook_takes_every_file_as_a_file(tmp_path: Path, recorder: Path, hook: Any) -> None:
    """In one command, also those that look like options."""
    environ = {**os.environ, "PATH": f"{recorder}:{os.environ['PATH']}"}
    names = ["a.pkl", "-x y.pkl", "dir/--json", "-"]
    subprocess.run([*shlex.split(hook["entry"]), *names], cwd=tmp_path, env=environ, check=True)
    (words,) = recorded(tmp_path)
    assert words[-4:] == [f"./{name}" for name in names]
    assert parsed(words)


def test_the_scan_hook_fails_on_one_of_many(tmp_path: Path) -> None:
    """pre-commit hands over many files; a refusal of any of them is a failure."""
    entry = next(one for one in loaded(".pre-commit-hooks.yaml") if one["id"] == "tidegate-scan")
    (tmp_path / "good.pkl").write_bytes(pickle.dumps([1, 2]))
    (tmp_path / "bad.pkl").write_bytes(b'cos\nsystem\n(S"id"\ntR.')
    environ = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "HOME": str(tmp_path)}
    for names, code in ((["good.pkl"], 0), (["bad.pkl", "good.pkl"], 1)):
        done = subprocess.run(
            [*shlex.split(entry["entry"]), *names],
            cwd=tmp_path, env=environ, capture_output=True, check=False,
        )  # fmt: skip
        assert done.returncode == code, done.stdout + done.stderr
