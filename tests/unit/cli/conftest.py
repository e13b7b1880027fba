"""The command line run in this process, and a workspace that it finds in ``ws``."""

import shutil
from pathlib import Path

import pytest
from tests.sites import Ran, Site, Tidegate, found_site

from tidegate import __main__


@pytest.fixture
def tidegate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Tidegate:
    """Run a command, as ``tidegate("log", "show")``, in the test's folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.delenv("TIDEGATE_DEBUG", raising=False)
    monkeypatch.delenv("FORCE_COLOR", raising=False)

    def run(*arguments: object) -> Ran:
        capfd.readouterr()
        code = __main__.main([str(argument) for argument in arguments])
        out, err = capfd.readouterr()
        assert "Traceback" not in err
        return Ran(code, out, err)

    return run


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
