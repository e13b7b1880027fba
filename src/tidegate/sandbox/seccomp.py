"""A seccomp filter assembled by hand, so that its bytes have a digest that can be signed.

Classic BPF as in seccomp(2): refuse foreign architectures and the x32 ABI, answer EPERM to system
calls that a training command never needs, ENOSYS to those whose callers have a fallback. Sockets
are of the families that a network namespace holds in: through others, such as the one between a
virtual machine and its host (AF_VSOCK), a command would get out.

>>> program = assemble("x86_64")
>>> len(program) % 8
0
"""

import errno
import platform
import struct

from tidegate.core.errors import UsageError

LOAD, JUMP_EQUAL, _JUMP_GE, JUMP_SET, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
ALLOW, KILL, ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_NR, _ARCH, _ARG0, _ARG1 = 0, 4, 16, 24
_CLONE_NAMESPACES = 0x7E020080  # CLONE_NEW{NS,CGROUP,UTS,IPC,USER,PID,NET,TIME}
_TERMINAL_INJECTION = (0x5412, 0x541C)  # TIOCSTI, TIOCLINUX

_AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}

# name: (x86_64, aarch64); None where the architecture has no such call.
_DENIED: dict[str, tuple[int | None, int | None]] = {
    "acct": (163, 89),
    "add_key": (248, 217),
    "adjtimex": (159, 171),
    "bpf": (321, 280),
    "chroot": (161, 51),
    "clock_adjtime": (305, 266),
    "clock_settime": (227, 112),
    "delete_module": (176, 106),
    "fanotify_init": (300, 262),
    "finit_module": (313, 273),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fsopen": (430, 430),
    "fspick": (433, 433),
    "init_module": (175, 105),
    "ioperm": (173, None),
    "iopl": (172, None),
    "kcmp": (312, 272),
    "kexec_file_load": (320, 294),
    "kexec_load": (246, 104),
    "keyctl": (250, 219),
    "lookup_dcookie": (212, 18),
    "memfd_secret": (447, 447),
    "modify_ldt": (154, None),
    "mount": (165, 40),
    "mount_setattr": (442, 442),
    "move_mount": (429, 429),
    "move_pages": (279, 239),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "open_tree": (428, 428),
    "perf_event_open": (298, 241),
    "personality": (135, 92),
    "pidfd_getfd": (438, 438),
    "pivot_root": (155, 41),
    "process_madvise": (440, 440),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "ptrace": (101, 117),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "reboot": (169, 142),
    "request_key": (249, 218),
    "setdomainname": (171, 162),
    "sethostname": (170, 161),
    "setns": (308, 268),
    "settimeofday": (164, 170),
    "swapoff": (168, 225),
    "swapon": (167, 224),
    "syslog": (103, 116),
    "umount2": (166, 39),
    "unshare": (272, 97),
    "userfaultfd": (323, 282),
    "vhangup": (153, 58),
}
_ABSENT: dict[str, tuple[int, int]] = {
    # glibc falls back from these; their flags hide behind pointers.
    "clone3": (435, 435),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    # Memory that no mount's size bounds, and that nobody sees as a process's own.
    "memfd_create": (319, 279),
}
_FAMILIES = (1, 2, 10, 16)  # AF_UNIX, AF_INET, AF_INET6, AF_NETLINK
_SOCKET = {"x86_64": 41, "aarch64": 198}
_CLONE = {"x86_64": 56, "aarch64": 220}
_IOCTL = {"x86_64": 16, "aarch64": 29}


def assemble(machine: str | None = None) -> bytes:
    """Return the filter program as ``struct sock_filter`` records.

    Args:
        machine: ``x86_64`` or ``aarch64``; this machine's when absent.

    Raises:
        UsageError: There is no table for the machine.
    """
    machine, column = known_machine(machine)
    denied = sorted(pair[column] or -1 for pair in _DENIED.values())
    numbers = [number for number in denied if number >= 0]
    program = prologue(machine)
    for number in numbers:
        program += answer(number, errno.EPERM)
    for pair in _ABSENT.values():
        program += answer(pair[column], errno.ENOSYS)
    program += _clone_rule(_CLONE[machine]) + _terminal_rule(_IOCTL[machine])
    program += _socket_rule(_SOCKET[machine])
    program.append(instruction(RETURN, 0, 0, ALLOW))
    return b"".join(program)


def known_machine(machine: str | None = None) -> tuple[str, int]:
    """Return a machine and its column in the tables.

    Raises:
        UsageError: There is no table for it.
    """
    machine = machine or platform.machine()
    if machine not in _AUDIT_ARCH:
        raise UsageError(
            "no system-call table for this machine",
            where=machine,
            next_step="run on x86_64 or aarch64, or let policy accept isolation tier 0",
            slug="unknown-machine",
        )
    return machine, ("x86_64", "aarch64").index(machine)


def instruction(code: int, jump_true: int, jump_false: int, value: int) -> bytes:
    """Return one ``struct sock_filter``."""
    return struct.pack("<HBBI", code, jump_true, jump_false, value & 0xFFFFFFFF)


def prologue(machine: str) -> list[bytes]:
    """Return instructions that kill a foreign architecture and load the call's number."""
    program = [
        instruction(LOAD, 0, 0, _ARCH),
        instruction(JUMP_EQUAL, 1, 0, _AUDIT_ARCH[machine]),
        instruction(RETURN, 0, 0, KILL),
        instruction(LOAD, 0, 0, _NR),
    ]
    if machine == "x86_64":  # the x32 ABI has other numbers for the same calls
        program += [
            instruction(_JUMP_GE, 0, 1, 0x40000000),
            instruction(RETURN, 0, 0, ERRNO | errno.ENOSYS),
        ]
    return program


def answer(number: int, error: int) -> list[bytes]:
    """Return instructions that answer one call with an error."""
    return [
        instruction(JUMP_EQUAL, 0, 1, number),
        instruction(RETURN, 0, 0, ERRNO | error),
    ]


def _clone_rule(number: int) -> list[bytes]:
    return [
        instruction(JUMP_EQUAL, 0, 4, number),
        instruction(LOAD, 0, 0, _ARG0),
        instruction(JUMP_SET, 0, 1, _CLONE_NAMESPACES),
        instruction(RETURN, 0, 0, ERRNO | errno.EPERM),
        instruction(RETURN, 0, 0, ALLOW),
    ]


def _terminal_rule(number: int) -> list[bytes]:
    rules = [instruction(JUMP_EQUAL, 0, 6, number), instruction(LOAD, 0, 0, _ARG1)]
    for request in _TERMINAL_INJECTION:
        rules += answer(request, errno.EPERM)
    return [*rules, instruction(RETURN, 0, 0, ALLOW)]


def _socket_rule(number: int) -> list[bytes]:
    rules = [instruction(LOAD, 0, 0, _ARG0)]
    for family in _FAMILIES:
        rules += [instruction(JUMP_EQUAL, 0, 1, family), instruction(RETURN, 0, 0, ALLOW)]
    rules.append(instruction(RETURN, 0, 0, ERRNO | errno.EAFNOSUPPORT))
    return [instruction(JUMP_EQUAL, 0, len(rules), number), *rules]
