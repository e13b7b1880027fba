"""Runs inside the confinement, just before the command: limits, Landlock, exec.

A program of its own, started with ``python -I -S``: it imports the standard library alone, so
that nothing of the host's site-packages runs in its place.
"""

import ctypes
import json
import os
import resource
import struct
import sys
from typing import Any

_LIBC = ctypes.CDLL(None, use_errno=True)
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_EXECUTE, _WRITE, _READ, _READ_DIR, _TRUNCATE, _IOCTL_DEV = 1, 2, 4, 8, 1 << 14, 1 << 15
_NO_NEW_PRIVS = 38


def _fail(what: str) -> None:
    raise OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno())}")


def landlock_version() -> int:
    """Return the kernel's Landlock ABI version, 0 where there is none."""
    version = _LIBC.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(1))
    return max(0, int(version))


def restrict_files(read_only: list[str], read_write: list[str]) -> None:
    """Allow reads and execution below some paths, everything below others, nothing elsewhere."""
    version = landlock_version()
    handled = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1}.get(
        version, (1 << 16) - 1
    )
    scope = 3 if version >= 6 else 0  # noqa: PLR2004 - ABI 6: abstract sockets and signals
    fields = struct.pack("<QQQ", handled, 0, scope)[: 24 if scope else 8]
    ruleset = _LIBC.syscall(
        _CREATE_RULESET, fields, ctypes.c_size_t(len(fields)), ctypes.c_uint32(0)
    )
    if ruleset < 0:
        _fail("landlock_create_ruleset")
    for paths, access in ((read_only, _EXECUTE | _READ | _READ_DIR), (read_write, handled)):
        for path in paths:
            _allow(ruleset, path, access & handled)
    if _LIBC.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0):
        _fail("no_new_privs")
    if _LIBC.syscall(_RESTRICT_SELF, ctypes.c_int(ruleset), ctypes.c_uint32(0)):
        _fail("landlock_restrict_self")
    os.close(ruleset)


def _allow(ruleset: int, path: str, access: int) -> None:
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    if not os.path.isdir(path):  # noqa: PTH112 - os alone: this program starts in milliseconds
        access &= _EXECUTE | _WRITE | _READ | _TRUNCATE | _IOCTL_DEV
    rule = struct.pack("<Qi", access, descriptor)
    if _LIBC.syscall(_ADD_RULE, ctypes.c_int(ruleset), 1, rule, ctypes.c_uint32(0)):
        _fail(f"landlock_add_rule {path}")
    os.close(descriptor)


def set_limits(limits: dict[str, int]) -> None:
    """Set both the soft and the hard resource limits, never above the present hard one."""
    for name, value in limits.items():
        which = getattr(resource, f"RLIMIT_{name}")
        hard = resource.getrlimit(which)[1]
        bound = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(which, (bound, bound))


def main(configuration: dict[str, Any], command: list[str]) -> None:
    """Confine this process and become the command."""
    os.closerange(3, 4096)
    os.umask(0o022)
    set_limits(configuration["limits"])
    if configuration["landlock"]:
        restrict_files(configuration["read_only"], configuration["read_write"])
    os.execvpe(command[0], command, configuration["environment"])  # noqa: S606 - that is its job


if __name__ == "__main__":
    main(json.loads(sys.argv[1]), sys.argv[2:])
