"""What to run confined, under which limits, and what came of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path

from tidegate.core.canonical import Json


class Tier(IntEnum):
    """How strong the confinement is, as it is stated in attestations."""

    NONE = 0
    """A plain process with resource limits: its isolation is worth nothing against an attacker."""
    NAMESPACES = 2
    """bubblewrap namespaces, seccomp, Landlock, limits with a watchdog."""
    CGROUP = 3
    """The same, and a control group that bounds memory and processes."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on one confined run; exceeding one ends it."""

    wall_seconds: int = 3600
    cpu_seconds: int = 3600
    memory_bytes: int = 8 << 30
    processes: int = 256
    open_files: int = 1024
    file_bytes: int = 8 << 30
    output_bytes: int = 16 << 30
    output_files: int = 10_000
    scratch_bytes: int = 1 << 30
    """Size of the private /tmp, and again of /dev/shm; both count as memory."""

    def to_json(self) -> dict[str, Json]:
        """Return the limits as they are signed."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class Order:
    """One command to run confined.

    The command finds its world through the environment, whatever the tier: ``TIDEGATE_INPUTS``
    is a read-only folder with one entry an input, ``TIDEGATE_OUTPUT`` the one folder that it may
    write and leave things in, and its working directory is the read-only code folder.
    """

    argv: Sequence[str]
    code: Path
    """The folder that becomes the working directory."""
    inputs: Mapping[str, Path]
    """Input name → file or folder of the host."""
    output: Path
    """An empty folder of the host that receives what the command leaves in its output folder."""
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    limits: Limits = field(default_factory=Limits)
    minimum_tier: Tier = Tier.NAMESPACES
    also_read: Sequence[Path] = ()
    """Further host paths that are visible read-only at the same path: another interpreter."""


@dataclass(frozen=True, slots=True)
class Completed:
    """What a confined run came to."""

    returncode: int
    tier: Tier
    seconds: float
    stdout: bytes
    """The last 64 KiB."""
    stderr: bytes
    """The last 64 KiB."""
    outputs: tuple[str, ...]
    """Paths under ``Order.output``, sorted."""
    stopped: str | None = None
    """Which limit ended it."""
    isolation: Mapping[str, Json] = field(default_factory=dict[str, Json])
    """Tier, namespaces, filter digest, uid, bubblewrap digest: what is signed."""
