"""A process that has the command line loaded, and forks one process for each command.

Starting an interpreter and importing takes longer than most commands; a fork of a process that
did so once has memory, folder, environment, user and descriptors of its own all the same.
``TIDEGATE_TEST_EXEC=1`` makes the tests start ``python -m tidegate`` afresh instead.

::

    python -m tests.e2e.warm SOCKET
"""

import contextlib
import importlib
import json
import os
import select
import signal
import socket
import sys
from typing import Any

from tidegate import __main__
from tidegate.cli import GROUPS

_MORE = (
    "cyclopts",
    "psycopg",
    "pyarrow.parquet",
    "tidegate.app.ingest",
    "tidegate.app.validate",
    "tidegate.store.migrate",
)
"""What commands import only when they are called."""
_CTRL_C = {signal.SIGINT}
_WRITE = os.O_WRONLY | os.O_CREAT | os.O_TRUNC


def serve(path: str) -> None:
    """Answer requests until standard input closes, which it does when the tests end."""
    for name in (*(group.target.partition(":")[0] for group in GROUPS), *_MORE):
        with contextlib.suppress(Exception):  # a command that can't be loaded will say so itself
            importlib.import_module(name)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(64)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while sys.stdin not in select.select([listener, sys.stdin], [], [])[0]:
        connection, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            _attend(connection)
            os._exit(0)
        connection.close()


def _attend(connection: socket.socket) -> None:
    """Run one command, and tell its process id and its exit code."""
    stream = connection.makefile("rw", encoding="utf-8")
    order = json.loads(stream.readline())
    signal.pthread_sigmask(signal.SIG_BLOCK, _CTRL_C)
    child = os.fork()
    if child == 0:
        os.close(connection.detach())
        _become(order)
    stream.write(f"{child}\n")
    stream.flush()
    _, status = os.waitpid(child, 0)
    stream.write(f"{os.waitstatus_to_exitcode(status)}\n")
    stream.flush()


def _become(order: dict[str, Any]) -> None:
    for number, path in enumerate(order["files"]):
        opened = os.open(path, _WRITE if number else os.O_RDONLY, 0o644)
        os.dup2(opened, number)
        os.close(opened)
    if order["uid"] is not None:
        os.setgroups([])
        os.setgid(order["uid"])
        os.setuid(order["uid"])
    os.chdir(order["cwd"])
    os.environ.clear()
    os.environ.update(order["env"])
    sys.argv = ["tidegate", *order["argv"]]
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _CTRL_C)  # what waited comes now
        code = __main__.main()
    except KeyboardInterrupt:
        code = __main__.INTERRUPTED
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    serve(sys.argv[1])
