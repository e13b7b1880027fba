"""Run drills apart: a process, a folder and an environment of its own for each.

The environment holds nothing of the caller's: no configuration, no credentials, another home. So
the log and the memory of whoever runs the drills are out of reach, and a drill that hangs is ended.
"""

import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue

from tidegate.core.canonical import loads
from tidegate.core.errors import CheckError
from tidegate.drills.exercise import not_run
from tidegate.drills.worker import ERRORS, RESULT
from tidegate.gates.drill import Arm, Drill, Exercise

_KEPT = ("PATH", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "LD_LIBRARY_PATH", "LANG", "LC_ALL")
_LAST_WORDS = 300
_MOST = 4
_LOAD_S = 120.0
"""Seconds that a worker has to load the code."""


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
    many = min(at_once or min(_MOST, os.cpu_count() or 1), len(drills))
    pool = ThreadPoolExecutor(max(1, many), thread_name_prefix="drill")
    free: SimpleQueue[_Worker] = SimpleQueue()
    workers = [_Worker() for _ in range(many)]
    for worker in workers:
        free.put(worker)

    def run(drill: Drill) -> Exercise:
        worker = free.get()
        try:
            if tell is not None:
                tell(drill.id)
            return worker.run(drill)
        finally:
            free.put(worker)

    try:
        futures = [pool.submit(run, drill) for drill in drills]
        for future in as_completed(futures):
            yield future.result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        for worker in workers:
            worker.end()
        pool.shutdown()


class _Worker:
    """One process that forks a child for each drill; started when the first one comes."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._child: int | None = None
        self._ended = False

    def run(self, drill: Drill) -> Exercise:
        """Run a drill to its end, or to the end of its time."""
        place = tempfile.TemporaryDirectory(prefix="tidegate-drill-", ignore_cleanup_errors=True)
        with place as name:
            folder = Path(name)
            folder.chmod(0o711)  # confined commands of another user pass through
            started = time.monotonic()
            try:
                self._ask(f"{drill.id} {folder}\n")
                self._child = self._answer(_LOAD_S)
                started = time.monotonic()
                self._answer(drill.seconds)
            except TimeoutError:
                self._kill()
                return not_run(drill, f"it took more than {drill.seconds} s", drill.seconds * 1000)
            except CheckError as error:
                return not_run(drill, error.problem)
            finally:
                self._child = None
            took = round((time.monotonic() - started) * 1000)
            return _result(drill, folder, took)

    def end(self) -> None:
        """End the process and what runs in it; nothing more is run."""
        self._ended = True
        self._kill()

    def _ask(self, line: str) -> None:
        if self._ended:
            raise CheckError("the drills were ended", slug="ended")
        if self._process is None:
            self._process = _start()
        if self._process.stdin is not None:
            self._process.stdin.write(line.encode())
            self._process.stdin.flush()

    def _answer(self, seconds: float) -> int:
        """Read one line of the worker's.

        Raises:
            TimeoutError: It does not come in time.
            CheckError: The worker is gone.
        """
        process = self._process
        if process is None or process.stdout is None or process.stderr is None:
            raise CheckError("there is no worker", slug="no-worker")
        ready, _, _ = select.select([process.stdout], [], [], seconds)
        if not ready:
            raise TimeoutError
        line = process.stdout.readline()
        if line:
            return int(line)
        self._process = None
        why = _last_words(process.stderr.read().decode("utf-8", "replace"))
        raise CheckError(f"the worker could not be started, or was ended: {why}", slug="no-worker")

    def _kill(self) -> None:
        """End the child with all its processes, and the worker; another is started when needed."""
        process, self._process = self._process, None
        for group in (self._child, process.pid if process else None):
            if group is not None:
                with suppress(ProcessLookupError):
                    os.killpg(group, signal.SIGKILL)
        if process is not None:
            process.wait()


def _start() -> subprocess.Popen[bytes]:
    environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
    environment |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "tidegate.drills.worker"],
        cwd="/",
        env=environment,
        bufsize=0,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,  # of the worker alone: its children write into their folders
        start_new_session=True,
    )


def _result(drill: Drill, folder: Path, milliseconds: int) -> Exercise:
    path = folder / RESULT
    if not path.is_file():
        errors = folder / ERRORS
        why = _last_words(errors.read_text("utf-8", "replace") if errors.is_file() else "")
        return not_run(drill, f"its process ended early: {why}", milliseconds)
    found = loads(path.read_bytes(), what=f"result of {drill.id}")
    return Exercise(
        drill.to_json(),
        control_arm=Arm.from_json(found["controlArm"]),
        treatment=Arm.from_json(found["treatment"]),
        benign=Arm.from_json(found["benign"]),
        milliseconds=milliseconds,
    )


def _last_words(said: str) -> str:
    lines = said.strip().splitlines()
    return lines[-1][-_LAST_WORDS:] if lines else "it said nothing"
