"""What is tried so that other code runs than the commit that is signed, or where it should not."""

import os
import subprocess
from pathlib import Path
from shutil import rmtree, which

import pytest

from tidegate.core.errors import SubjectError
from tidegate.gates.command.code import export_code

pytestmark = pytest.mark.skipif(which("git") is None, reason="git is not installed")


def git(folder: Path, *arguments: str) -> None:
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "GIT_CONFIG_NOSYSTEM": "1"}
    people = ("-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *people, *arguments], cwd=folder, env=environment, check=True,
                   capture_output=True)  # fmt: skip


@pytest.fixture
def code(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init", "-q")
    (folder / "train.py").write_text("honest = True\n")
    (folder / "lib").mkdir()
    (folder / "lib/a.py").write_text("a = 1\n")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "first")
    return folder


@pytest.mark.parametrize("below", ["", "lib"])
def test_what_head_holds_is_the_commit(code: Path, tmp_path: Path, below: str) -> None:
    """Whole, or a folder of it."""
    (code / "untracked.csv").write_text("1")
    found = export_code(code / below, tmp_path / "export")
    assert (found.how, found.pinned) == ("commit", True)


@pytest.mark.parametrize("flag", ["--assume-unchanged", "--skip-worktree"])
def test_a_file_that_git_was_told_to_overlook_is_no_commit(
    code: Path, tmp_path: Path, flag: str
) -> None:
    """`git status` calls the tree clean."""
    git(code, "update-index", flag, "train.py")
    (code / "train.py").write_text("honest = False\n")
    found = export_code(code, tmp_path / "export")
    assert (found.how, found.commit) == ("dirty", None)


@pytest.mark.parametrize("change", ["edited", "staged", "removed", "same size and time"])
def test_a_tree_that_differs_is_no_commit(code: Path, tmp_path: Path, change: str) -> None:
    """However it differs."""
    path = code / "train.py"
    before = path.stat()
    if change == "removed":
        path.unlink()
    else:
        path.write_text("honest = 1234\n")
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    if change == "staged":
        git(code, "add", ".")
    found = export_code(code, tmp_path / "export")
    assert (found.how, found.commit) == ("dirty", None)


def test_a_repository_runs_nothing_of_its_own(code: Path, tmp_path: Path) -> None:
    """Filters, monitors, hooks and transports that its configuration names stay unused."""
    (code / ".gitattributes").write_text("* filter=evil\n")
    git(code, "add", ".")
    git(code, "commit", "-qm", "second")
    mark = tmp_path / "ran"
    for key in ("filter.evil.clean", "filter.evil.smudge", "filter.evil.process",
                "core.fsmonitor", "core.sshCommand", "core.editor"):  # fmt: skip
        git(code, "config", key, f"touch {mark}; cat")
    (code / "train.py").touch()
    found = export_code(code, tmp_path / "export")
    assert not mark.exists()
    assert found.how == "commit"


@pytest.mark.parametrize("tracked", [True, False], ids=["repository", "folder"])
def test_what_lies_behind_a_link_is_not_taken_for_code(
    code: Path, tmp_path: Path, *, tracked: bool
) -> None:
    """A folder that turned into a link would show the command any file of this host."""
    host = tmp_path / "host"
    host.mkdir()
    (host / "a.py").write_text("secret")
    if not tracked:
        rmtree(code / ".git")
    rmtree(code / "lib")
    (code / "lib").symlink_to(host)
    with pytest.raises(SubjectError) as caught:
        export_code(code, tmp_path / "export")
    assert caught.value.slug == "bad-code"
    assert not (tmp_path / "export/lib/a.py").exists()


def test_a_pipe_among_the_code_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    folder = tmp_path / "code"
    folder.mkdir()
    os.mkfifo(folder / "train.py")
    with pytest.raises(SubjectError) as caught:
        export_code(folder, tmp_path / "export")
    assert caught.value.slug == "bad-code"
