"""The system calls that a parser of hostile bytes may make: the few that reading takes.

An allow list, unlike the filter of wrapped commands. Memory is never executable, descriptors come
over the one socket, and nothing is opened. What starts a program or makes a socket ends the
process; anything else that is not listed fails with EPERM.

>>> len(assemble_parser("x86_64")) % 8
0
"""

import ctypes
import errno
import struct

from tidegate.sandbox.seccomp import (
    ALLOW,
    ERRNO,
    JUMP_EQUAL,
    JUMP_SET,
    KILL,
    LOAD,
    RETURN,
    instruction,
    known_machine,
    prologue,
)

# name: (x86_64, aarch64); None where the architecture has no such call.
_ALLOWED: dict[str, tuple[int | None, int | None]] = {
    "brk": (12, 214),
    "clock_getres": (229, 114),
    "clock_gettime": (228, 113),
    "close": (3, 57),
    "dup": (32, 23),
    "exit": (60, 93),
    "exit_group": (231, 94),
    "fstat": (5, 80),
    "futex": (202, 98),
    "getpid": (39, 172),
    "getrandom": (318, 278),
    "getrusage": (98, 165),
    "gettid": (186, 178),
    "gettimeofday": (96, 169),
    "lseek": (8, 62),
    "madvise": (28, 233),
    "mremap": (25, 216),
    "munmap": (11, 215),
    "poll": (7, None),
    "ppoll": (271, 73),
    "pread64": (17, 67),
    "read": (0, 63),
    "readv": (19, 65),
    "recvfrom": (45, 207),
    "recvmsg": (47, 212),
    "restart_syscall": (219, 128),
    "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139),
    "sched_yield": (24, 124),
    "sendmsg": (46, 211),
    "sendto": (44, 206),
    "sigaltstack": (131, 132),
    "write": (1, 64),
}
_FATAL: dict[str, tuple[int, int]] = {
    "bind": (49, 200),
    "connect": (42, 203),
    "execve": (59, 221),
    "execveat": (322, 281),
    "ptrace": (101, 117),
    "socket": (41, 198),
}
_MMAP, _MPROTECT = (9, 222), (10, 226)
_FCNTL, _STAT_AT = (72, 25), (262, 79)
_EXECUTABLE = 4  # PROT_EXEC
_FCNTL_COMMANDS = (0, 1, 2, 3, 1030)  # duplicate, read and set flags, duplicate close-on-exec
_EMPTY_PATH = 0x1000  # AT_EMPTY_PATH: how glibc asks for a descriptor's own status
_SECOND, _THIRD, _FOURTH = 24, 32, 40
"""Where the low words of a call's arguments lie (little-endian)."""
_NO_NEW_PRIVS, _SET_SECCOMP, _FILTER = 38, 22, 2


def assemble_parser(machine: str | None = None) -> bytes:
    """Return the filter as ``struct sock_filter`` records.

    Args:
        machine: ``x86_64`` or ``aarch64``; this machine's when absent.

    Raises:
        UsageError: There is no table for the machine.
    """
    machine, column = known_machine(machine)
    program = prologue(machine)
    for pair in _ALLOWED.values():
        number = pair[column]
        if number is not None:
            program += _return(number, ALLOW)
    for fatal in _FATAL.values():
        program += _return(fatal[column], KILL)
    for mapping in (_MMAP, _MPROTECT):
        program += [
            instruction(JUMP_EQUAL, 0, 4, mapping[column]),
            instruction(LOAD, 0, 0, _THIRD),
            instruction(JUMP_SET, 0, 1, _EXECUTABLE),
            instruction(RETURN, 0, 0, ERRNO | errno.EPERM),
            instruction(RETURN, 0, 0, ALLOW),
        ]
    program += _one_of(_FCNTL[column], _SECOND, _FCNTL_COMMANDS)
    program += _one_of(_STAT_AT[column], _FOURTH, (_EMPTY_PATH,))
    program.append(instruction(RETURN, 0, 0, ERRNO | errno.EPERM))
    return b"".join(program)


def load(program: bytes) -> None:
    """Put this process under a filter, for good.

    Raises:
        OSError: The kernel refuses it.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    body = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(body))
    zero = ctypes.c_ulong(0)
    refused = libc.prctl(_NO_NEW_PRIVS, ctypes.c_ulong(1), zero, zero, zero) or libc.prctl(
        _SET_SECCOMP, ctypes.c_ulong(_FILTER), ctypes.c_char_p(header), zero, zero
    )
    if refused:
        raise OSError(ctypes.get_errno(), "seccomp")


def _return(number: int, what: int) -> list[bytes]:
    return [instruction(JUMP_EQUAL, 0, 1, number), instruction(RETURN, 0, 0, what)]


def _one_of(number: int, argument: int, values: tuple[int, ...]) -> list[bytes]:
    """Allow a call only with one of these values in one argument."""
    rules = [instruction(LOAD, 0, 0, argument)]
    for value in values:
        rules += _return(value, ALLOW)
    rules.append(instruction(RETURN, 0, 0, ERRNO | errno.EPERM))
    return [instruction(JUMP_EQUAL, 0, len(rules), number), *rules]
