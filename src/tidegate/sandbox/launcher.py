"""Starts bubblewrap as an unprivileged user, whoever started Tidegate.

As root it first makes a private mount namespace, binds what the run needs below a folder that any
user may enter (an interpreter under a closed home folder would be out of reach otherwise), joins
the control group, and gives up root for good. bubblewrap itself must never run as root: its user
namespace would map uid 0 to the host's uid 0.

A program of its own, started with ``python -I -S``: standard library only.
"""

import ctypes
import json
import os
import sys
from typing import Any

_LIBC = ctypes.CDLL(None, use_errno=True)
_CLONE_NEWNS = 0x00020000
_MS_RDONLY, _MS_NOSUID, _MS_NODEV, _MS_REMOUNT, _MS_BIND, _MS_REC, _MS_PRIVATE = (
    1,
    2,
    4,
    32,
    4096,
    16384,
    1 << 18,
)


def _mount(source: str | None, target: str, flags: int) -> None:
    origin = source.encode() if source else None
    if _LIBC.mount(origin, target.encode(), None, ctypes.c_ulong(flags), None):
        error = ctypes.get_errno()
        raise OSError(error, f"mount {target}: {os.strerror(error)}")


def stage(binds: list[list[str]]) -> None:
    """Bind each source read-only on its place below the stage, in a private mount namespace."""
    if _LIBC.unshare(_CLONE_NEWNS):
        error = ctypes.get_errno()
        raise OSError(error, f"unshare: {os.strerror(error)}")
    _mount(None, "/", _MS_REC | _MS_PRIVATE)
    for source, target in binds:
        _mount(source, target, _MS_BIND)
        _mount(None, target, _MS_BIND | _MS_REMOUNT | _MS_RDONLY | _MS_NOSUID | _MS_NODEV)


def become(uid: int) -> None:
    """Give up every privilege of root, and check that it is gone."""
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    if os.geteuid() == 0 or os.getresuid() != (uid, uid, uid):
        raise PermissionError("root could not be given up")


def main(configuration: dict[str, Any]) -> None:
    """Stage, drop, exec."""
    group = configuration.get("cgroup")
    if group:
        with open(f"{group}/cgroup.procs", "w", encoding="ascii") as procs:  # noqa: PTH123
            procs.write(str(os.getpid()))
    if configuration["uid"] is not None:
        stage(configuration["binds"])
        become(configuration["uid"])
    argv = configuration["argv"]
    os.execve(argv[0], argv, {})  # noqa: S606 - that is its job


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
