"""Workspaces and the command line as processes, for what people do wrong and all at once."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.e2e.running import NOBODY, ROOT, Cli, reaching
from tests.sites import Site, found_site


@pytest.fixture(scope="session")
def ground() -> Iterator[Path]:
    """A folder that every user can reach; pytest's own are closed."""
    folder = Path(tempfile.mkdtemp(prefix="tidegate-e2e-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def warm(ground: Path) -> Iterator[Path | None]:
    """The process that forks one for each command; ``None`` where each is to start afresh."""
    if os.environ.get("TIDEGATE_TEST_EXEC") == "1":
        yield None
        return
    address = ground / "warm.sock"
    environ = {name: text for name, text in os.environ.items() if not name.startswith("TIDEGATE_")}
    environ |= {"PYTHONPATH": f"{ROOT / 'src'}:{ROOT}", "OMP_NUM_THREADS": "1"}
    prefix = reaching(ground / "stash") if os.geteuid() == 0 else ()
    process = subprocess.Popen(
        [*prefix, sys.executable, "-m", "tests.e2e.warm", str(address)],
        cwd=ROOT, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        start_new_session=True,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n", "the process that forks did not start"
    yield address
    process.stdin.close()
    process.wait()


@pytest.fixture
def cli(warm: Path | None, tmp_path: Path) -> Cli:
    """The command line in the test's folder."""
    return Cli(tmp_path, warm)


@pytest.fixture
def stranger(warm: Path | None, ground: Path) -> Iterator[Cli]:
    """The command line as a user who owns nothing but a folder; permissions bite."""
    folder = Path(tempfile.mkdtemp(dir=ground))
    folder.chmod(0o755)
    if os.geteuid() != 0:
        yield Cli(folder, warm)
        return
    os.chown(folder, NOBODY, NOBODY)
    yield Cli(folder, warm, () if warm else reaching(ground / "stash"), NOBODY)


@pytest.fixture(scope="session")
def founded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace of several people with a decision in its log, to copy."""
    root = tmp_path_factory.mktemp("founded") / "ws"
    found_site(root)
    site = Site(root)
    site.admit()
    workspace = site.open()
    workspace.catch_up()
    workspace.engine.dispose()
    return root


@pytest.fixture
def site(founded: Path, tmp_path: Path) -> Site:
    """A workspace in ``ws`` of the test's folder."""
    shutil.copytree(founded, tmp_path / "ws")
    return Site(tmp_path / "ws")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark all that runs processes as slow: ``make test-fast`` leaves it out."""
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.slow)
