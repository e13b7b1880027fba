"""The process in which one drill runs: ``python -m tidegate.drills.worker ID FOLDER``.

It leaves ``result.json`` in the folder, or ends with a trace.
"""

import sys
from pathlib import Path

from tidegate.core.canonical import dumps
from tidegate.drills.catalogue import drill_by_id
from tidegate.drills.exercise import exercise

RESULT = "result.json"


def main(arguments: list[str]) -> int:
    """Run the drill that the arguments name."""
    drill, folder = drill_by_id(arguments[0]), Path(arguments[1])
    (folder / RESULT).write_bytes(dumps(exercise(drill, folder).to_predicate()))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
