"""Watch a running command: keep the tails of what it prints, and end it at its limits."""

import os
import selectors
import signal
import subprocess
import time
from dataclasses import dataclass
from errno import ENAMETOOLONG
from pathlib import Path
from typing import IO, cast

from tidegate.sandbox.collect import MAX_DEPTH
from tidegate.sandbox.order import Limits

TAIL_BYTES = 64 * 1024
_TICK = 0.1
_CHUNK = 65_536
_GRACE = 1.0
"""Seconds to read on after the end."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a process ended."""

    returncode: int
    stdout: bytes
    stderr: bytes
    stopped: str | None


def watch(process: "subprocess.Popen[bytes]", limits: Limits, output: Path) -> Ended:
    """Wait for the end, and bring it about when a limit is passed."""
    deadline = time.monotonic() + limits.wall_seconds
    tails = {"stdout": bytearray(), "stderr": bytearray()}
    stopped: str | None = None
    with selectors.DefaultSelector() as selector:
        selector.register(cast("IO[bytes]", process.stdout), selectors.EVENT_READ, "stdout")
        selector.register(cast("IO[bytes]", process.stderr), selectors.EVENT_READ, "stderr")
        try:
            last: float | None = None
            while selector.get_map() and (last is None or time.monotonic() < last):
                for key, _ in selector.select(_TICK):
                    _drain(selector, key, tails)
                if process.poll() is None:
                    stopped = stopped or _passed(process.pid, limits, output, deadline)
                    if stopped:
                        _kill(process)
                elif last is None:  # what it left behind may hold its output open for ever
                    last = time.monotonic() + _GRACE
                    _kill(process)
        finally:
            if process.poll() is None:  # also when this process is interrupted
                _kill(process)
    returncode = process.wait()
    return Ended(returncode, bytes(tails["stdout"]), bytes(tails["stderr"]), stopped)


def _drain(
    selector: selectors.BaseSelector, key: selectors.SelectorKey, tails: dict[str, bytearray]
) -> None:
    data = os.read(key.fd, _CHUNK)
    if not data:
        selector.unregister(key.fileobj)
        return
    tail = tails[key.data]
    tail += data
    del tail[:-TAIL_BYTES]


def _passed(pid: int, limits: Limits, output: Path, deadline: float) -> str | None:
    if time.monotonic() > deadline:
        return "wall_seconds"
    if resident_bytes(pid) > limits.memory_bytes:
        return "memory_bytes"
    if _written_bytes(output, limits) > limits.output_bytes:
        return "output_bytes"
    return None


def _kill(process: "subprocess.Popen[bytes]") -> None:
    """End the process and its group, which may outlive it."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def resident_bytes(root: int) -> int:
    """Return the resident memory of a process and its descendants, shared pages counted each."""
    parents: dict[int, int] = {}
    pages: dict[int, int] = {}
    for entry in os.scandir("/proc"):
        if not entry.name.isdigit():
            continue
        try:
            # Fields after the command name, which may hold spaces and parentheses (proc(5)).
            fields = Path(entry.path, "stat").read_bytes().rpartition(b")")[2].split()
        except OSError:
            continue
        parents[int(entry.name)] = int(fields[1])
        pages[int(entry.name)] = int(fields[21])
    total = 0
    for pid, resident in pages.items():
        ancestor: int | None = pid
        while ancestor and ancestor != root:
            ancestor = parents.get(ancestor)
        if ancestor == root:
            total += resident
    return total * os.sysconf("SC_PAGE_SIZE")


def _written_bytes(folder: Path, limits: Limits) -> int:
    """Return what a folder takes on disk; too much where it holds too many files, or too deep.

    Below a path that is longer than the kernel takes, nothing could be counted any more.
    """
    total = count = 0
    pending = [(str(folder), 0)]
    while pending:
        root, depth = pending.pop()
        try:
            with os.scandir(root) as found:
                for item in found:
                    count += 1
                    if item.is_dir(follow_symlinks=False):
                        pending.append((item.path, depth + 1))
                    else:
                        total += item.stat(follow_symlinks=False).st_blocks * 512
        except OSError as error:
            if error.errno != ENAMETOOLONG:
                continue  # gone meanwhile, or closed to all: it is judged when it is taken
            depth = MAX_DEPTH + 1
        if count > limits.output_files or depth > MAX_DEPTH:
            return limits.output_bytes + 1
    return total
