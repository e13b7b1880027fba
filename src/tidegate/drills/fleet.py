"""Run drills apart: a process, a folder and an environment of its own for each.

The environment holds nothing of the caller's: no configuration, no credentials, another home. So
the log and the memory of whoever runs the drills are out of reach, and a drill that hangs is ended.
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from tidegate.core.canonical import loads
from tidegate.drills.exercise import not_run
from tidegate.drills.worker import RESULT
from tidegate.gates.drill import Arm, Drill, Exercise

_KEPT = ("PATH", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "LD_LIBRARY_PATH", "LANG", "LC_ALL")
_LAST_WORDS = 300
_MOST = 4


def run_drills(
    drills: Sequence[Drill],
    *,
    at_once: int | None = None,
    tell: Callable[[str], None] | None = None,
) -> Iterator[Exercise]:
    """Yield each drill's result as it ends.

    Args:
        drills: Which.
        at_once: How many run at a time; by default as many as there are processors, at most four.
        tell: Is told each drill's id when it begins.
    """
    running: set[subprocess.Popen[bytes]] = set()
    many = at_once or min(_MOST, os.cpu_count() or 1)
    pool = ThreadPoolExecutor(many, thread_name_prefix="drill")
    try:
        futures = [pool.submit(_run, drill, running, tell) for drill in drills]
        for future in as_completed(futures):
            yield future.result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        for process in tuple(running):
            _end(process)
        pool.shutdown()


def _run(
    drill: Drill,
    running: set[subprocess.Popen[bytes]],
    tell: Callable[[str], None] | None,
) -> Exercise:
    if tell is not None:
        tell(drill.id)
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="tidegate-drill-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o711)  # confined commands of another user pass through
        process = _start(drill, folder)
        running.add(process)
        try:
            _, errors = process.communicate(timeout=drill.seconds)
        except subprocess.TimeoutExpired:
            _end(process)
            process.communicate()
            return not_run(drill, f"it took more than {drill.seconds} s", drill.seconds * 1000)
        finally:
            running.discard(process)
            _end(process)
        took = round((time.monotonic() - started) * 1000)
        return _result(drill, folder / RESULT, errors, took)


def _start(drill: Drill, folder: Path) -> subprocess.Popen[bytes]:
    temporary = folder / "tmp"
    temporary.mkdir()
    temporary.chmod(0o711)
    environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
    environment |= {
        "HOME": str(folder),
        "TMPDIR": str(temporary),
        "XDG_STATE_HOME": str(folder / "memory"),
        "OMP_NUM_THREADS": "1",
    }
    return subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-P", "-m", "tidegate.drills.worker", drill.id, str(folder)],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def _result(drill: Drill, path: Path, errors: bytes, milliseconds: int) -> Exercise:
    if not path.is_file():
        said = errors.decode("utf-8", "replace").strip().splitlines()
        why = said[-1][-_LAST_WORDS:] if said else "it said nothing"
        return not_run(drill, f"its process ended early: {why}", milliseconds)
    found = loads(path.read_bytes(), what=f"result of {drill.id}")
    return Exercise(
        drill.to_json(),
        control_arm=Arm.from_json(found["controlArm"]),
        treatment=Arm.from_json(found["treatment"]),
        benign=Arm.from_json(found["benign"]),
        milliseconds=milliseconds,
    )


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
