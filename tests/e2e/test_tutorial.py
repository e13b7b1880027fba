"""The tutorial is run as it stands, by a shell, in an empty folder."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.pages import ROOT, blocks, expects

PAGE = ROOT / "docs" / "tutorial.md"


@pytest.mark.slow
def test_the_tutorial_is_true(tmp_path: Path) -> None:
    place = tmp_path / "here"
    place.mkdir()
    environ = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "XDG_STATE_HOME": str(tmp_path / "state"),
        "COLUMNS": "120",
        "OMP_NUM_THREADS": "1",
    }
    pin = "PIN"
    for block in blocks(PAGE):
        if block.language == "python":
            target = place / block.title
            target.parent.mkdir(exist_ok=True)
            target.write_text(block.text, "utf-8")
            continue
        for typed in block.typed():
            if typed.command.startswith(". "):
                continue  # the environment is this test's own
            done = subprocess.run(
                ["/bin/sh", "-c", typed.command.replace("PIN", pin)],
                cwd=place,
                env=environ,
                capture_output=True,
                text=True,
                check=False,
            )
            said = done.stdout + done.stderr
            assert done.returncode == typed.code, (typed.command, said)
            for line in typed.shown:
                assert expects(line).search(said), (typed.command, line, said)
            if typed.command.startswith("tidegate init"):
                found = re.search(r"pin (sha256:[0-9a-f]{64})", said)
                assert found, said
                pin = found[1]
