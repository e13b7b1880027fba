"""The process that drills run from: ``python -m tidegate.drills.worker``, started by ``fleet``.

It loads everything once, and then forks a child for each line ``ID FOLDER`` on standard input, so
that drills share nothing but loaded code. For each it answers with the child's process id, and with
the exit status when the child has ended. A child leaves ``result.json`` in the folder, or a trace
in ``errors.txt``.
"""

import os
import sys
import traceback
from pathlib import Path

from tidegate.core.canonical import dumps
from tidegate.drills.catalogue import drill_by_id
from tidegate.drills.exercise import exercise

RESULT = "result.json"
ERRORS = "errors.txt"


def main() -> int:
    """Run drills until standard input ends."""
    for line in sys.stdin:
        name, _, folder = line.strip().partition(" ")
        child = os.fork()
        if not child:
            _child(name, Path(folder))
        _answer(child)
        _, status = os.waitpid(child, 0)
        _answer(os.waitstatus_to_exitcode(status))
    return 0


def _answer(number: int) -> None:
    sys.stdout.write(f"{number}\n")
    sys.stdout.flush()


def _child(name: str, folder: Path) -> None:
    """Run one drill and end, without a way back into the loop."""
    code = 1
    try:
        os.setsid()
        errors = os.open(folder / ERRORS, os.O_WRONLY | os.O_CREAT, 0o600)
        for stream in (1, 2):
            os.dup2(errors, stream)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.chdir(folder)
        temporary = folder / "tmp"
        temporary.mkdir()
        temporary.chmod(0o711)  # confined commands of another user pass through
        os.environ |= {"HOME": str(folder), "TMPDIR": str(temporary)}
        done = exercise(drill_by_id(name), folder)
        (folder / RESULT).write_bytes(dumps(done.to_predicate()))
        code = 0
    finally:
        if code:
            traceback.print_exc()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    sys.exit(main())
