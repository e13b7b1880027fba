"""Commands run as processes: afresh, or forked from one that has the command line loaded.

::

    ran = cli("log", "show", "-C", "ws")
    assert ran.code == 6, ran
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
NOBODY = 65_534
"""The user that owns nothing."""
LONGEST = 60.0
"""Seconds after which a command counts as hanging."""
_LABELS = ("error", "where", "because", "next")
_INDENT = 9


@dataclass(frozen=True)
class Ran:
    """What a command did."""

    argv: tuple[str, ...]
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Its answer."""
        return json.loads(self.out)

    def part(self, label: str) -> str:
        """Return the lines of the error that a label begins, as one line."""
        found, inside = [], False
        for line in self.err.splitlines():
            if line.split(" ", 1)[0] in _LABELS:
                inside = line.startswith(f"{label} ")
            if inside:
                found.append(line[_INDENT:].strip())
        return " ".join(found)

    def __str__(self) -> str:
        return f"$ tidegate {' '.join(self.argv)}\n{self.out}{self.err}exit {self.code}"


@dataclass(frozen=True)
class Running:
    """A command that has not ended yet."""

    pid: int
    wait: Callable[[], Ran]

    def interrupt(self) -> Ran:
        """Press Ctrl-C, unless it has ended by now, and wait for the end."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGINT)
        return self.wait()


@dataclass(frozen=True)
class Cli:
    """The command line in a folder, as some user."""

    folder: Path
    """Where commands run, and where this client remembers heads."""
    warm: Path | None = None
    """Socket of the process that forks; without it each command starts an interpreter."""
    prefix: tuple[str, ...] = ()
    """What runs before the interpreter, such as what brings it into a name space."""
    uid: int | None = None
    """The user; who runs the tests without it."""
    env: Mapping[str, str] = field(default_factory=dict)
    """Variables besides the usual ones."""

    def __call__(self, *argv: object, stdin: Path | None = None) -> Ran:
        """Run a command to its end."""
        return self.start(*argv, stdin=stdin).wait()

    def given(self, **env: str) -> "Cli":
        """The same with more variables."""
        return replace(self, env={**self.env, **env})

    def afresh(self, *prefix: str) -> "Cli":
        """The same with an interpreter for each command, after a prefix."""
        return replace(self, warm=None, prefix=(*self.prefix, *prefix))

    def start(self, *argv: object, stdin: Path | None = None) -> Running:
        """Begin a command."""
        words = tuple(map(str, argv))
        papers = Path(tempfile.mkdtemp(prefix="tidegate-ran-"))
        pid, ended = self._begin(words, stdin, papers)

        def wait() -> Ran:
            code = ended()
            out, err = ((papers / name).read_text("utf-8", "replace") for name in ("out", "err"))
            shutil.rmtree(papers)
            return Ran(words, code, out, err)

        return Running(pid, wait)

    def environ(self) -> dict[str, str]:
        """The whole environment of a command."""
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self.folder),
            "XDG_STATE_HOME": str(self.folder / "state"),
            "COLUMNS": "200",
            "LC_ALL": "C.UTF-8",
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": str(ROOT / "src"),
            **self.env,
        }

    def _begin(
        self, words: tuple[str, ...], stdin: Path | None, papers: Path
    ) -> tuple[int, Callable[[], int]]:
        if self.warm is None:
            return self._execute(words, stdin, papers)
        order = {
            "argv": words,
            "files": [str(stdin or os.devnull), str(papers / "out"), str(papers / "err")],
            "cwd": str(self.folder),
            "env": self.environ(),
            "uid": self.uid,
        }
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(LONGEST)
        connection.connect(str(self.warm))
        stream = connection.makefile("rw", encoding="utf-8")
        connection.close()  # the stream keeps it
        stream.write(json.dumps(order) + "\n")
        stream.flush()
        pid = int(stream.readline())

        def ended() -> int:
            with stream, _killing(pid):
                return int(stream.readline())

        return pid, ended

    def _execute(
        self, words: tuple[str, ...], stdin: Path | None, papers: Path
    ) -> tuple[int, Callable[[], int]]:
        drop = () if self.uid is None else dropped(self.uid)
        with (
            Path(stdin or os.devnull).open("rb") as source,
            (papers / "out").open("wb") as out,
            (papers / "err").open("wb") as err,
        ):
            process = subprocess.Popen(
                [*self.prefix, *drop, sys.executable, "-m", "tidegate", *words],
                cwd=self.folder, env=self.environ(), stdin=source, stdout=out, stderr=err,
            )  # fmt: skip

        def ended() -> int:
            with _killing(process.pid):
                return process.wait(LONGEST)

        return process.pid, ended


@contextmanager
def _killing(pid: int) -> Generator[None]:
    """End a command that takes for ever, so that the test fails and nothing stays behind."""
    try:
        yield
    except (TimeoutError, subprocess.TimeoutExpired):
        os.kill(pid, signal.SIGKILL)
        raise


def dropped(uid: int) -> tuple[str, ...]:
    """Return what starts a command as a user without groups and capabilities."""
    return ("setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "--")


_REACH = """\
set -e
stash=$1 over=$2 count=$3; shift 3
number=0
for kept in "$@"; do
    number=$((number + 1)); [ $number -le $count ] || break
    mkdir -p "$stash/$number"; mount --bind "$kept" "$stash/$number"
done
mount -t tmpfs -o mode=755,size=1m none "$over"
number=0
while [ $number -lt $count ]; do
    number=$((number + 1))
    mkdir -p "$1"; mount --bind "$stash/$number" "$1"; shift
done
exec "$@"
"""


def reaching(stash: Path) -> tuple[str, ...]:
    """Return what makes interpreter and sources reachable for every user, in a name space.

    An interpreter below a home folder can be run by its owner alone. Instead of opening that
    folder, the command gets an empty one in its place, with nothing but what it needs.
    """
    needed = [Path(sys.base_prefix), Path(sys.prefix), ROOT]
    closed = {folder for path in needed for folder in path.parents if not _open(folder)}
    if not closed:
        return ()
    over = min(closed, key=lambda folder: len(folder.parts))
    kept = [path for path in needed if path.is_relative_to(over)]
    kept = [
        path for path in kept if not any(path != one and path.is_relative_to(one) for one in kept)
    ]
    return (
        "unshare", "-m", "sh", "-c", _REACH, "sh", str(stash), str(over), str(len(kept)),
        *map(str, kept),
    )  # fmt: skip


def _open(folder: Path) -> bool:
    return bool(folder.stat().st_mode & 0o001)
