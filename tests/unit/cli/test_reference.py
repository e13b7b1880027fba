"""The reference pages are written from the code, and a stale page is noticed."""

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tidegate.core.errors import EXIT_PRECEDENCE

TOOL = Path(__file__).resolve().parents[3] / "tools" / "reference.py"


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("reference_tool", TOOL)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_missing_and_changed_pages_are_stale(tool: ModuleType, tmp_path: Path) -> None:
    pages = {"exit-codes.md": tool.exit_code_page, "config.md": tool.config_page}
    assert list(tool.stale(tmp_path, pages)) == list(pages)
    for name, page in pages.items():
        (tmp_path / name).write_text(tool.NOTE + page(), encoding="utf-8")
    assert list(tool.stale(tmp_path, pages)) == []
    with (tmp_path / "config.md").open("a", encoding="utf-8") as file:
        file.write("by hand\n")
    assert list(tool.stale(tmp_path, pages)) == ["config.md"]


def test_every_exit_code_has_a_meaning(tool: ModuleType) -> None:
    assert set(tool.EXIT_MEANING) == {*EXIT_PRECEDENCE, 130}


def test_the_command_page_has_every_written_command() -> None:
    """In a process of its own, as cyclopts keeps state in applications that were called."""
    program = "import reference, sys; sys.stdout.write(reference.cli_page())"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=TOOL.parent, capture_output=True, text=True, check=True
    )
    assert "tidegate config show [OPTIONS]" in done.stdout
    assert "--workspace, -C" in done.stdout
