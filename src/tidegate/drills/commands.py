"""Small programs that drills run as transforms and trainings, confined or not.

Without a gate a command runs as a plain process with everything of its user's in reach; with the
gate the same file runs as ``tidegate prepare run`` and ``train run`` do it.
"""

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tidegate.app.produce import CommandRequest
from tidegate.core.errors import CheckError

_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Program:
    """A Python program in a folder of its own."""

    folder: Path
    name: str = "program.py"

    @classmethod
    def write(cls, folder: Path, text: str) -> "Program":
        """Write the program's one file."""
        folder.mkdir()
        program = cls(folder)
        (folder / program.name).write_text(text, "utf-8")
        return program

    def request(self, inputs: Mapping[str, Path], output: Path, **given: str) -> CommandRequest:
        """Return what a gate is asked to run."""
        argv = ("python", self.name)
        return CommandRequest(argv, inputs, output, code=self.folder, parameters=given)

    def run_plainly(self, inputs: Mapping[str, Path], output: Path, **given: str) -> None:
        """Run it without any gate, as a scheduler does.

        Raises:
            CheckError: It failed.
        """
        output.mkdir()
        shown = self.folder / "inputs"
        shown.mkdir()
        for name, path in inputs.items():
            (shown / name).symlink_to(path)
        environment = {
            "PATH": os.defpath,
            "TIDEGATE_INPUTS": str(shown),
            "TIDEGATE_OUTPUT": str(output),
            **{f"TIDEGATE_PARAM_{name.upper()}": value for name, value in given.items()},
        }
        done = subprocess.run(  # noqa: S603 - a fixed program of the drill
            [sys.executable, "-I", str(self.folder / self.name)],
            env=environment,
            cwd=self.folder,
            capture_output=True,
            timeout=_SECONDS,
            check=False,
        )
        if done.returncode != 0:
            said = done.stderr.decode("utf-8", "replace").strip()[-200:]
            raise CheckError("the drill's program failed", cause=said, slug="not-staged")
