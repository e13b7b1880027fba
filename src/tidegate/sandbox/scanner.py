"""Examines model files in a confined process, which gets each as an open descriptor.

::

    with ConfinedScanner() as scanner:
        report = scan_path(path, examiner=scanner)

The process has no network, no files, no right to start another, and a bound on its memory and time
(:mod:`tidegate.sandbox.cell`). It is used for many files, and replaced after a number of them and
after anything that was not as it should be. A file that ends it, or that it does not answer about
in time, is inconclusive; the next one gets a new process.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tidegate.core.canonical import Json
from tidegate.core.errors import CheckError, VerificationError
from tidegate.detect.supply.allow.packs import Allowlist
from tidegate.detect.supply.budget import Meter
from tidegate.detect.supply.engine import shipped, unread
from tidegate.detect.supply.report import FileReport
from tidegate.sandbox import cell

_BOUNDS = ("read", "expanded", "ratio", "opcodes", "memo", "stack", "depth", "members", "findings")
_START_SECONDS = 30.0
_GRACE = 2.0
"""Seconds beyond a file's time, in which it may still answer that its time was spent."""


@dataclass(frozen=True, slots=True)
class CellLimits:
    """Bounds on one confined process."""

    memory: int = 128 << 20
    """Bytes of private memory beyond what it starts with (about 35 MiB resident)."""
    files: int = 4_000
    """How many files it examines before it is replaced."""
    cpu_seconds: int = 3_600
    """Processor time in its whole life."""


@dataclass(frozen=True, slots=True)
class Confinement:
    """What a parser was confined by, as its process and the kernel say."""

    seccomp: str | None
    """Digest of the system-call filter; ``None`` where there is none."""
    landlock: int
    """The kernel's Landlock version; 0 where it has none."""
    memory: int
    own_user: bool
    """Whether it runs as a user of its own."""

    @property
    def confined(self) -> bool:
        """Whether it can neither open files, reach a network, nor start programs."""
        return self.seccomp is not None

    def to_json(self) -> dict[str, Json]:
        """Return the form that is signed."""
        return {
            "confined": self.confined,
            "seccomp": self.seccomp,
            "landlock": self.landlock,
            "memoryBytes": self.memory,
            "user": "own" if self.own_user else "caller",
        }

    def __str__(self) -> str:
        if not self.confined:
            return "a process of its own with resource limits only: this host confines no parser"
        parts = ["a process without files, network and programs (seccomp"]
        parts += [f"Landlock {self.landlock}"] if self.landlock else []
        parts += ["a user of its own"] if self.own_user else []
        return f"{', '.join(parts)}; {self.memory >> 20} MiB)"


class ConfinedScanner:
    """An examiner for :func:`tidegate.detect.supply.scan_path`; use it as a context manager.

    Args:
        allowlist: What pickles may use; the packs that ship where it is ``None``.
        limits: Bounds on each process.
    """

    def __init__(
        self, allowlist: Allowlist | None = None, limits: CellLimits | None = None
    ) -> None:
        self.allowlist = allowlist or shipped()
        self._limits = limits or CellLimits()
        self._cell: _Cell | None = None
        self._weakest: Confinement | None = None
        self.started = 0
        """How many processes there were."""

    @property
    def confinement(self) -> Confinement:
        """The weakest confinement of the processes so far; one is started where none was.

        Raises:
            CheckError: None can be started.
        """
        return self._ready().confinement if self._weakest is None else self._weakest

    def prepare(self) -> None:
        """Start a process without waiting for it, while the caller has other things to do."""
        self._cell = self._cell or _Cell()

    def __call__(self, handle: int, name: str, meter: Meter) -> FileReport:
        """Examine one open file.

        Raises:
            CheckError: No process can be started.
        """
        worker = self._ready()
        meter.start_file()
        request = {**_request(meter), "name": name}
        try:
            reply = worker.ask(request, handle, max(0.0, meter.left) + _GRACE)
            report = _believe(reply, name, meter)
        except (OSError, VerificationError) as error:
            meter.spent_read += os.fstat(handle).st_size
            return unread(name, f"its confined examiner {worker.end(error)}")
        finally:
            if not worker.sound or worker.asked >= self._limits.files:
                self.close()
        return report

    def _ready(self) -> "_Cell":
        if self._cell is not None and self._cell.gone:
            self.close()
        worker = self._cell = self._cell or _Cell()
        if not worker.begun:
            try:
                reached = worker.begin(self._order())
            except BaseException:
                self.close()
                raise
            self.started += 1
            if self._weakest is None or not reached.confined:
                self._weakest = reached
        return worker

    def _order(self) -> Json:
        allowlist, own = self.allowlist, {pack.digest for pack in shipped().packs}
        return {
            "parent": os.getpid(),
            "memory": self._limits.memory,
            "cpu": self._limits.cpu_seconds,
            "packs": [
                str(pack.digest) if pack.digest in own else dict(pack.source)
                for pack in allowlist.packs
            ],
            "approved": [entry.to_json() for entry in allowlist.approved],
        }

    def close(self) -> None:
        """End the process; the next file gets a new one."""
        worker, self._cell = self._cell, None
        if worker is not None:
            worker.end(None)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class _Cell:
    """One process, and our end of the socket to it."""

    confinement: Confinement

    def __init__(self) -> None:
        self.asked = 0
        self.begun = False
        self.sound = True
        ours, theirs = socket.socketpair()
        self._channel = ours
        try:
            self._process = subprocess.Popen(  # noqa: S603 - our own program
                [sys.executable, "-I", "-m", "tidegate.sandbox.scan_cell", str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                env={"LANG": "C.UTF-8"},
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
            )
        except OSError as error:
            ours.close()
            raise _not_started(error.strerror) from None
        finally:
            theirs.close()

    @property
    def gone(self) -> bool:
        """Whether the process has ended."""
        return self._process.poll() is not None

    def begin(self, order: Json) -> Confinement:
        """Hand over the order, and wait until it is confined.

        Raises:
            CheckError: It does not come that far.
        """
        try:
            self._channel.settimeout(_START_SECONDS)
            cell.send(self._channel, order)
            hello = self._receive(time.monotonic() + _START_SECONDS)
            told = hello["confinement"]
            reached = Confinement(
                told["seccomp"],
                int(told["landlock"]),
                int(told["memoryBytes"]),
                told["uid"] == "own",
            )
        except (OSError, VerificationError, KeyError, TypeError, ValueError) as error:
            raise _not_started(f"it {self.end(error)}") from None
        if reached.confined and not _is_filtered(self._process.pid):
            self.end(None)
            raise CheckError(
                "the confined examiner is not confined",
                cause="the kernel knows of no system-call filter on it",
                slug="no-scan-cell",
            )
        self.begun, self.confinement = True, reached
        return reached

    def ask(self, request: Json, handle: int, seconds: float) -> dict[str, Any]:
        """Send one file, and return the answer.

        Raises:
            OSError: It ends, or does not answer in time.
            VerificationError: It answers with nonsense.
        """
        self.sound = False
        self.asked += 1
        deadline = time.monotonic() + seconds
        self._channel.settimeout(seconds)
        cell.send(self._channel, request, handle)
        reply = self._receive(deadline)
        self.sound = reply.get("sound") is True
        return reply

    def _receive(self, deadline: float) -> dict[str, Any]:
        self._until(deadline)
        size = cell.length(cell.exactly(self._channel, 4))
        parts = bytearray()
        while len(parts) < size:
            self._until(deadline)
            part = self._channel.recv(min(size - len(parts), 1 << 16))
            if not part:
                raise ConnectionResetError("it ends inside a message")
            parts += part
        return cell.parse(bytes(parts))

    def _until(self, deadline: float) -> None:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("no answer in time")
        self._channel.settimeout(left)

    def end(self, error: Exception | None) -> str:
        """End the process and say how it ended."""
        self._channel.close()
        late = isinstance(error, TimeoutError)
        if not late and error is not None:
            with suppress(subprocess.TimeoutExpired):  # it goes by itself: let it tell how
                self._process.wait(_GRACE)
        if self._process.poll() is None:
            self._process.kill()
        code = self._process.wait()
        if late:
            return "gave no answer in time"
        if isinstance(error, VerificationError):
            return "gave an answer that makes no sense"
        return f"ended with {_ending(code)}"


def _not_started(cause: str | None) -> CheckError:
    return CheckError(
        "the confined examiner can't be started",
        cause=cause,
        next_step="let this user read and start the Python that runs Tidegate",
        slug="no-scan-cell",
    )


def _ending(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"


def _request(meter: Meter) -> dict[str, Json]:
    budget = meter.budget
    left = max(0.0, meter.deadline - budget.elapsed())
    bounds: dict[str, Json] = {name: getattr(budget, name) for name in _BOUNDS}
    return {
        "budget": bounds,
        "left": repr(left),
        "seconds": repr(budget.seconds),
        "fileSeconds": repr(budget.file_seconds),
        "spent": [
            meter.spent_read, meter.spent_expanded, meter.spent_opcodes, meter.spent_members,
        ],
    }  # fmt: skip


def _believe(reply: Mapping[str, Any], name: str, meter: Meter) -> FileReport:
    """Read an answer as what it is: the word of a process that may have been taken over.

    Raises:
        VerificationError: It is no report about this file, or it gives back what was spent.
    """
    report = FileReport.from_json(reply.get("report"))
    spent = reply.get("spent")
    before = [meter.spent_read, meter.spent_expanded, meter.spent_opcodes, meter.spent_members]
    if (
        report.path != name
        or not isinstance(spent, list)
        or len(spent) != len(before)
        or not all(type(n) is int and n >= old for n, old in zip(spent, before, strict=True))
    ):
        raise VerificationError("an answer about something else", slug="bad-report")
    meter.spent_read, meter.spent_expanded, meter.spent_opcodes, meter.spent_members = spent
    return report


def _is_filtered(pid: int) -> bool:
    """Ask the kernel whether a process is under a system-call filter (proc(5), status)."""
    try:
        text = Path(f"/proc/{pid}/status").read_text("ascii", "replace")
    except OSError:
        return False
    return any(line.split() == ["Seccomp:", "2"] for line in text.splitlines())
