"""A cell: a process that gives up everything but the socket to the one who started it.

The inside of :mod:`tidegate.sandbox.scanner`. What it will need is imported first; then it gives up
its user, its files, its network and its memory, and only then reads what may be hostile. Messages
are a length of four bytes and JSON; a file comes as a descriptor with its message.
"""

import ctypes
import hashlib
import os
import resource
import signal
import socket
import sys
from collections.abc import Callable, Mapping
from typing import Any

from tidegate.core.canonical import Json, dumps, loads
from tidegate.core.errors import UsageError
from tidegate.sandbox import parser_filter, shim

MAX_MESSAGE = 1 << 24
"""Bytes of one message."""
_FIRST_UID, _UIDS = 65_001, 400
_DEATH_SIGNAL, _DUMPABLE = 1, 4
_DESCRIPTORS = 16
_HEAD = 4

Answer = Callable[[Mapping[str, Any], int], Json]
"""Answers one request about one open file."""


def confine(*, parent: int, memory: int, cpu_seconds: int) -> dict[str, Json]:
    """Give up what a parser does not need, and say what was given up.

    Args:
        parent: Process id of the one who started it.
        memory: Bytes of private memory beyond what is in use now.
        cpu_seconds: Processor time for the whole life of the process.
    """
    reached: dict[str, Json] = {"uid": _give_up_root()}
    _die_with(parent)
    _limit(memory, cpu_seconds)
    reached["memoryBytes"] = memory
    if sys.platform != "linux":
        return {**reached, "landlock": 0, "seccomp": None}
    landlock = shim.landlock_version()
    if landlock:
        shim.restrict_files([], [])
    reached["landlock"] = landlock
    try:
        program = parser_filter.assemble_parser()
        parser_filter.load(program)
    except (OSError, UsageError):
        return {**reached, "seccomp": None}
    return {**reached, "seccomp": f"sha256:{hashlib.sha256(program).hexdigest()}"}


def _give_up_root() -> str:
    """Become a user that owns nothing, where that is allowed."""
    if not hasattr(os, "setresuid") or os.geteuid() != 0:
        return "caller"
    uid = _FIRST_UID + int.from_bytes(os.urandom(2)) % _UIDS
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    return "own"


def _die_with(parent: int) -> None:
    if sys.platform == "linux":
        libc = ctypes.CDLL(None)
        libc.prctl(_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)
        libc.prctl(_DUMPABLE, 0, 0, 0, 0)
        if os.getppid() != parent:  # it was gone before
            raise SystemExit(0)


def _limit(memory: int, cpu_seconds: int) -> None:
    limits = {"CPU": cpu_seconds, "NOFILE": _DESCRIPTORS, "FSIZE": 0, "CORE": 0, "NPROC": 0}
    if sys.platform == "linux":
        limits["DATA"] = _data_bytes() + memory
    shim.set_limits(limits)


def _data_bytes() -> int:
    """Return the private writable memory of this process (proc(5), statm)."""
    with open("/proc/self/statm", "rb") as file:  # noqa: PTH123 - nothing can be imported by now
        return int(file.read().split()[5]) * resource.getpagesize()


def serve(channel: socket.socket, answer: Answer) -> None:
    """Answer requests until the other side goes away."""
    while True:
        request, handle = receive(channel)
        if request is None:
            return
        try:
            send(channel, answer(request, handle))
        finally:
            if handle >= 0:
                os.close(handle)


def send(channel: socket.socket, message: Json, handle: int | None = None) -> None:
    """Send one message, with a descriptor or without.

    Raises:
        OSError: The other side is gone.
    """
    body = dumps(message)
    frame = len(body).to_bytes(_HEAD) + body
    sent = 0 if handle is None else socket.send_fds(channel, [frame], [handle])
    channel.sendall(frame[sent:])


def receive(channel: socket.socket) -> tuple[dict[str, Any] | None, int]:
    """Receive one message; ``None`` where the other side is gone; -1 without a descriptor.

    Raises:
        OSError: It breaks off.
        VerificationError: It is too long, or no JSON.
    """
    head, handles, _, _ = socket.recv_fds(channel, _HEAD, 1)
    handle = handles[0] if handles else -1
    if not head:
        return None, handle
    head += exactly(channel, _HEAD - len(head))
    return parse(exactly(channel, length(head))), handle


def length(head: bytes) -> int:
    """Return how long a message's body is.

    Raises:
        OSError: It is longer than a message may be.
    """
    size = int.from_bytes(head)
    if size > MAX_MESSAGE:
        raise OSError(f"a message of {size} bytes")
    return size


def parse(body: bytes) -> dict[str, Any]:
    """Read a message's body.

    Raises:
        VerificationError: It is no JSON object.
    """
    value = loads(body, what="a message", limit=MAX_MESSAGE)
    return value if isinstance(value, dict) else {}


def exactly(channel: socket.socket, size: int) -> bytes:
    """Receive a number of bytes.

    Raises:
        OSError: It ends before.
    """
    parts: list[bytes] = []
    while size:
        part = channel.recv(min(size, 1 << 16))
        if not part:
            raise ConnectionResetError("it ends inside a message")
        parts.append(part)
        size -= len(part)
    return b"".join(parts)
