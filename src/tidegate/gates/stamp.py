"""A stamp: what the kernel says about a file, or all files of a folder, without reading them.

Two equal stamps say that nothing was written or put in another's place in between. Of a file that
somebody has open for writing no two stamps are equal. As for times: no process
without root can set the time of a file's last change back. A digest can't say that: bytes that are
swapped for a moment and swapped back have the same one.

>>> from tempfile import TemporaryDirectory
>>> with TemporaryDirectory() as name:
...     file = Path(name, "a")
...     _ = file.write_text("tide")
...     before = stamp(file)
...     _ = file.rename(Path(name, "b")), Path(name, "b").rename(file)
...     (before == stamp(file), file.read_text())
(False, 'tide')
"""

import errno
import hashlib
import os
import secrets
import signal
import stat
from collections.abc import Iterator
from pathlib import Path

from tidegate.core.artifact.hashing import FileKey

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]  # the name is tested where it is used

_SET_SIGNAL = 10
"""F_SETSIG of fcntl(2), which Python does not name."""
_FOREIGN = ("nfs", "cifs", "smb", "fuse", "9p", "ceph", "gfs", "ocfs", "lustre", "virtiofs")


def stamp(path: Path) -> str:
    """Return a digest over names, inodes, sizes and times; empty where nothing can be seen.

    Whether it can be an artifact at all is for the resolver to say.
    """
    total = hashlib.sha256()
    try:
        for name, status in _seen(path):
            total.update(f"{os.fsencode(name)!r} {FileKey.of(status)}\n".encode())
            if stat.S_ISREG(status.st_mode) and _held(name or path):
                # Through a mapping it can be written without any time changing.
                total.update(secrets.token_bytes(16))
    except OSError:
        return ""
    return total.hexdigest()


def _held(file: str | Path) -> bool:
    """Tell whether some process has a file open, or mapped, for writing.

    The kernel grants a read lease only where none has (fcntl(2)). Where it can't be asked (another
    user's file, a file system without leases or behind a network) nothing is said.
    """
    if fcntl is None or not hasattr(fcntl, "F_SETLEASE"):
        return False
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        # Whoever opens it in this moment makes the kernel send a signal: one that ends nothing.
        fcntl.fcntl(descriptor, _SET_SIGNAL, signal.SIGURG)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError as error:
        return error.errno == errno.EAGAIN and _local(os.fstat(descriptor).st_dev)
    finally:
        os.close(descriptor)
    return False


def _local(device: int) -> bool:
    """Tell whether a file system is this kernel's own; others refuse leases for other reasons."""
    wanted = f"{os.major(device)}:{os.minor(device)}"
    try:
        lines = Path("/proc/self/mountinfo").read_text("utf-8", "replace").splitlines()
    except OSError:
        return False
    kinds = [line.partition(" - ")[2].split(" ")[0] for line in lines if f" {wanted} " in line]
    return bool(kinds) and not any(kind.startswith(_FOREIGN) for kind in kinds)


def _seen(path: Path) -> Iterator[tuple[str, os.stat_result]]:
    """Yield what lies at a path, links not followed but the first."""
    yield "", path.stat()
    pending = [str(path)] if path.is_dir() else []
    while pending:
        folder = pending.pop()
        with os.scandir(folder) as found:
            items = sorted(found, key=lambda item: item.name)
        for item in items:
            yield item.path, item.stat(follow_symlinks=False)
            if item.is_dir(follow_symlinks=False):
                pending.append(item.path)
