"""Victims: what an attack would have somebody run, in a process of its own, which it may harm.

The environment holds nothing but a path to programs; the payloads of the drills write one marker
file each, so that whether they ran is seen and not guessed.
"""

import os
import subprocess
import sys
from pathlib import Path

_SECONDS = 30


def run_victim(program: str, *arguments: Path, home: Path) -> None:
    """Run a Python program of ours over what an attacker made; how it ends does not matter.

    Args:
        program: The text of the program.
        arguments: What stands in its ``sys.argv[1:]``.
        home: Where it runs.
    """
    subprocess.run(  # noqa: S603 - a fixed program of ours, in a process that it may harm
        [sys.executable, "-I", "-c", program, *map(str, arguments)],
        cwd=home,
        env={"PATH": os.defpath},
        capture_output=True,
        timeout=_SECONDS,
        check=False,
    )


def marking(marker: Path) -> str:
    """Return the Python expression that the payloads are made of: it creates a file."""
    return f"open({str(marker)!r}, 'w').write('code ran')"
