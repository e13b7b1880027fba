"""The command line run in this process, and a workspace that it finds in ``ws``."""

import json
import shutil
from pathlib import Path

import pytest
from tests.commands import breaches, command_of
from tests.sites import Ran, Site, Tidegate, found_site

from tidegate import __main__


@pytest.fixture
def tidegate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Tidegate:
    """Run a command, as ``tidegate("log", "show")``, in the test's folder.

    What a program would read is held to what the command's help promises.
    """
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.delenv("TIDEGATE_DEBUG", raising=False)
    monkeypatch.delenv("FORCE_COLOR", raising=False)

    def run(*arguments: object) -> Ran:
        capfd.readouterr()
        words = [str(argument) for argument in arguments]
        code = __main__.main(words)
        out, err = capfd.readouterr()
        assert "Traceback" not in err
        if __main__.wants_json(words):
            keeps_its_promise(words, out)
        return Ran(code, out, err)

    return run


TWO_ANSWERS = {
    ("explain",): "a page, or the list of controls",
    ("drill", "run"): "a line a drill",
    ("serve", "watch"): "a line a look",
}
"""Commands whose documents differ with their arguments; tests of their own read them."""


def keeps_its_promise(words: list[str], out: str) -> None:
    """Check that a command's one document has the fields that its help names, and no more.

    What reports findings is left out: its document has a schema of its own.
    """
    command = command_of(words)
    if command is None or command.reports or command.path in TWO_ANSWERS:
        return
    document = json.loads(out)
    if document.get("schema") != "problem/v1":
        assert not breaches(command, document), (words, document)


@pytest.fixture(scope="session")
def founded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace to copy: making one takes most of a second."""
    root = tmp_path_factory.mktemp("founded") / "ws"
    found_site(root)
    return root


@pytest.fixture
def site(founded: Path, tmp_path: Path, tidegate: Tidegate) -> Site:
    """A workspace in ``ws``."""
    shutil.copytree(founded, tmp_path / "ws")
    return Site(tmp_path / "ws")
