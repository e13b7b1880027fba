"""Run one command confined: no network, read-only inputs, one output folder, limits.

::

    completed = run_confined(Order(["python", "train.py"], code, {"train": data}, output))

It fails closed: where the host can't give the tier that is asked for, nothing is started.
"""

import hashlib
import json
import os
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tidegate.core.canonical import Json
from tidegate.core.errors import CheckError, UsageError
from tidegate.sandbox import launcher, seccomp, shim
from tidegate.sandbox.collect import collect, discard
from tidegate.sandbox.order import Completed, Limits, Order, Tier
from tidegate.sandbox.probe import Host, bubblewrap_digest, host
from tidegate.sandbox.watch import watch

_FIRST_UID, _UIDS = 61_001, 4_000
_SHIM_PATH = "/.tidegate/shim.py"
_PASSWD = "tidegate:x:{uid}:{uid}:confined command:/tmp:/bin/sh\n"  # noqa: S105 - no password


def run_confined(order: Order) -> Completed:
    """Run the command and collect what it left.

    Raises:
        CheckError: The tier can't be had here (``isolation-unavailable``, with the remedy), or the
            output holds something that is not a plain file (``bad-output``).
        UsageError: The output folder is not empty, an input does not exist or has a strange name.
    """
    _check_paths(order)
    here = host()
    if here.tier < order.minimum_tier:
        raise CheckError(
            f"this host gives isolation tier {here.tier.value}, policy wants "
            f"{order.minimum_tier.value}",
            where=" ".join(order.argv)[:100],
            cause=here.reason or "no writable control group (version 2) with memory and pids",
            next_step=here.remedy or "run where cgroup v2 is delegated, or lower sandbox.tier",
            slug="isolation-unavailable",
        )
    with _run_folder() as folder:
        if here.tier is Tier.NONE:
            return _run_plain(order, folder)
        return _run_in_namespaces(order, folder, here)


def _check_paths(order: Order) -> None:
    for name in order.inputs:
        if name in {"", ".", ".."} or "/" in name or not name.isprintable():
            raise UsageError(
                "an input's name is no file name",
                where=ascii(name)[:100],
                next_step="use letters, digits, dots and dashes",
                slug="bad-input-name",
            )
    for name, path in {"code": order.code, **order.inputs}.items():
        if not path.exists():
            raise UsageError(
                "an input does not exist",
                where=f"{name} ({path})",
                next_step="check the path",
                slug="no-such-input",
            )
    if not order.output.is_dir() or any(order.output.iterdir()):
        raise UsageError(
            "the output folder must exist and be empty",
            where=str(order.output),
            next_step="name a new folder",
            slug="output-not-empty",
        )


@contextmanager
def _run_folder() -> Generator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="tidegate-run-"))
    folder.chmod(0o711)  # another user must pass through it to the places below
    try:
        yield folder
    finally:
        discard(folder)


def _run_plain(order: Order, folder: Path) -> Completed:
    inputs, output = folder / "in", folder / "out"
    inputs.mkdir()
    output.mkdir()
    for name, path in order.inputs.items():
        (inputs / name).symlink_to(path.resolve())
    configuration = {
        "limits": _resource_limits(order.limits),
        "landlock": False,
        "environment": _environment(order, str(inputs), str(output)),
    }
    argv = _shim_argv(str(Path(shim.__file__)), configuration, order)
    return _finish(order, _Start(argv, order.code, output, Tier.NONE, {}))


def _run_in_namespaces(order: Order, folder: Path, here: Host) -> Completed:
    if here.bubblewrap is None:
        raise CheckError("bubblewrap is gone", slug="isolation-unavailable")
    root = os.geteuid() == 0
    uid = _FIRST_UID + int.from_bytes(os.urandom(2)) % _UIDS if root else os.getuid()
    output = folder / "out"
    output.mkdir(mode=0o700)
    if root:
        os.chown(output, uid, uid)
    passwd = folder / "passwd"
    passwd.write_text(_PASSWD.format(uid=uid), "ascii")
    places = {**_runtime_paths(order), "/etc/passwd": passwd, _SHIM_PATH: Path(shim.__file__)}
    places |= {f"/in/{name}": path.resolve() for name, path in order.inputs.items()}
    places["/code"] = order.code.resolve()
    places, binds, binary = _stage(folder, places, here.bubblewrap, root=root)
    program = seccomp.assemble()
    configuration = {
        "limits": _resource_limits(order.limits),
        "landlock": shim.landlock_version() > 0,
        "read_only": [
            "/usr",
            "/lib",
            "/lib64",
            "/bin",
            "/etc",
            "/in",
            "/code",
            *_runtime_paths(order),
        ],
        "read_write": ["/out", "/tmp", "/dev", "/proc"],  # noqa: S108 - a private tmpfs
        "environment": _environment(order, "/in", "/out"),
    }
    with tempfile.TemporaryFile() as filter_file, _cgroup(here, order.limits) as group:
        filter_file.write(program)
        filter_file.seek(0)
        outer = _bubblewrap_argv(str(binary), places, output, order, filter_file.fileno())
        outer += _shim_argv(_SHIM_PATH, configuration, order)
        argv = [
            sys.executable,
            "-I",
            "-S",
            str(Path(launcher.__file__)),
            json.dumps(
                {"uid": uid if root else None, "binds": binds, "argv": outer, "cgroup": group}
            ),
        ]
        isolation: dict[str, Json] = {
            "namespaces": ["user", "pid", "net", "ipc", "uts", "mount"],
            "network": "none",
            "seccomp": f"sha256:{hashlib.sha256(program).hexdigest()}",
            "landlock": shim.landlock_version(),
            "bubblewrap": bubblewrap_digest(here.bubblewrap),
            "uid": "per-run" if root else "caller",
        }
        tier = Tier.CGROUP if group else Tier.NAMESPACES
        start = _Start(argv, Path("/"), output, tier, isolation, filter_file.fileno())
        return _finish(order, start)


@dataclass(frozen=True, slots=True)
class _Start:
    argv: list[str]
    workdir: Path
    output: Path
    tier: Tier
    isolation: Mapping[str, Json]
    descriptor: int | None = None


def _finish(order: Order, start: _Start) -> Completed:
    started = time.monotonic()
    process = subprocess.Popen(  # noqa: S603 - to run the user's command is the purpose
        start.argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=start.workdir,
        env={},
        pass_fds=() if start.descriptor is None else (start.descriptor,),
        start_new_session=True,
    )
    ended = watch(process, order.limits, start.output)
    seconds = time.monotonic() - started
    outputs: tuple[str, ...] = ()
    if ended.returncode == 0 and ended.stopped is None:
        outputs = collect(start.output, order.output, order.limits)
    return Completed(
        returncode=ended.returncode,
        tier=start.tier,
        seconds=seconds,
        stdout=ended.stdout,
        stderr=ended.stderr,
        outputs=outputs,
        stopped=ended.stopped,
        isolation={
            "tier": start.tier.value,
            "limits": order.limits.to_json(),
            **start.isolation,
        },
    )


def _shim_argv(path: str, configuration: Mapping[str, Json], order: Order) -> list[str]:
    interpreter = str(Path(sys.executable).resolve())
    return [interpreter, "-I", "-S", path, json.dumps(configuration), *order.argv]


def _resource_limits(limits: Limits) -> dict[str, int]:
    return {
        "CPU": limits.cpu_seconds,
        "DATA": limits.memory_bytes,
        "NPROC": limits.processes,
        "NOFILE": limits.open_files,
        "FSIZE": limits.file_bytes,
        "CORE": 0,
    }


def _environment(order: Order, inputs: str, output: str) -> dict[str, str]:
    return {
        "PATH": f"{sys.prefix}/bin:{Path(sys.base_prefix) / 'bin'}:/usr/bin:/bin",
        "HOME": "/tmp",  # noqa: S108 - a private tmpfs
        "USER": "tidegate",
        "LANG": "C.UTF-8",
        "PYTHONHASHSEED": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
        "OMP_NUM_THREADS": "1",
        **order.environment,
        "TIDEGATE_INPUTS": inputs,
        "TIDEGATE_OUTPUT": output,
    }


def _runtime_paths(order: Order) -> dict[str, Path]:
    wanted = [sys.prefix, sys.base_prefix, sysconfig.get_path("stdlib"), *map(str, order.also_read)]
    outside = {path for path in wanted if not path.startswith("/usr/") and path != "/usr"}
    # A nested path needs no bind of its own: its parent shows it.
    tops = {p for p in outside if not any(p != q and Path(p).is_relative_to(q) for q in outside)}
    return {path: Path(path) for path in sorted(tops)}


def _stage(
    folder: Path, places: Mapping[str, Path], bubblewrap: Path, *, root: bool
) -> tuple[dict[str, Path], list[list[str]], Path]:
    """Return inside path → source, the binds that root makes first, and the binary to start."""
    if not root:
        return dict(places), [], bubblewrap
    staged: dict[str, Path] = {}
    binds: list[list[str]] = []
    binary = bubblewrap
    for number, (target, source) in enumerate(places.items()):
        point = folder / f"bind{number}"
        if source.is_dir():
            point.mkdir()
        else:
            point.touch()
        binds.append([str(source), str(point)])
        staged[target] = point
        if bubblewrap.is_relative_to(source):  # it finds its libraries beside itself
            binary = point / bubblewrap.relative_to(source)
    return staged, binds, binary


_NAMESPACES = (
    "--unshare-user",
    "--unshare-pid",
    "--unshare-net",
    "--unshare-ipc",
    "--unshare-uts",
    "--unshare-cgroup-try",
)
_SESSION = ("--die-with-parent", "--new-session", "--cap-drop", "ALL", "--clearenv")


def _bubblewrap_argv(
    binary: str, places: Mapping[str, Path], output: Path, order: Order, descriptor: int
) -> list[str]:
    argv = [binary, *_NAMESPACES, *_SESSION, "--hostname", "tidegate"]
    argv += ["--ro-bind", "/usr", "/usr"]
    for name in ("lib", "lib64", "bin", "sbin"):
        path = Path("/", name)
        if path.is_symlink():
            argv += ["--symlink", f"usr/{name}", str(path)]
        elif path.is_dir():
            argv += ["--ro-bind", str(path), str(path)]
    for shown in ("/etc/ld.so.cache", "/etc/alternatives"):
        argv += ["--ro-bind-try", shown, shown]
    argv += ["--proc", "/proc", "--dev", "/dev"]
    for scratch in ("/dev/shm", "/tmp"):  # noqa: S108 - private
        argv += ["--size", str(order.limits.scratch_bytes), "--tmpfs", scratch]
    argv += ["--remount-ro", "/dev"]  # its own memory has no bound
    for target, source in places.items():
        argv += ["--ro-bind", str(source), target]
    argv += ["--bind", str(output), "/out", "--chdir", "/code", "--remount-ro", "/"]
    return [*argv, "--seccomp", str(descriptor), "--"]


@contextmanager
def _cgroup(here: Host, limits: Limits) -> Generator[str | None]:
    if here.cgroup is None:
        yield None
        return
    group = Path(tempfile.mkdtemp(prefix="tidegate-", dir=here.cgroup))
    try:
        (group / "memory.max").write_text(str(limits.memory_bytes), "ascii")
        (group / "pids.max").write_text(str(limits.processes), "ascii")
        yield str(group)
    finally:
        kill = group / "cgroup.kill"
        if kill.exists():
            kill.write_text("1", "ascii")
        for _ in range(50):
            try:
                group.rmdir()
                break
            except OSError:
                time.sleep(0.02)
