"""What the webhook is told: where the evidence lies, and what it may let pass."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from tidegate.core.clock import DAY, Micros
from tidegate.core.identity.trust import Revocation, TrustRoot

SCHEMES: Final = frozenset({"s3", "gs", "hf", "https", "pvc", "oci", "hdfs", "webhdfs", "storage"})
"""Where models may be served from; a reference of another scheme is refused with its name."""
_MONTH: Final = Micros(30 * DAY)


class Mode(StrEnum):
    """What a refusal does."""

    ENFORCE = "enforce"
    WARN = "warn"
    """Everything is let in; what would be refused is a warning that the user sees."""


@dataclass(frozen=True, slots=True)
class AdmissionSettings:
    """Handed in by the composition root."""

    releases: Path
    """Folder with the release and recall files: a mounted ConfigMap, or a synced folder."""
    trust: TrustRoot
    spool: Path
    """Where admissions by break-glass are recorded."""
    mode: Mode = Mode.ENFORCE
    revocations: tuple[Revocation, ...] = ()
    exempt: frozenset[str] = frozenset({"kube-system", "kube-node-lease", "kube-public"})
    """Namespaces in which nothing is refused."""
    images: tuple[str, ...] = ()
    """Globs of container images that need a release, too: ``registry.example/serving/*``."""
    schemes: frozenset[str] = SCHEMES
    max_age: Micros = _MONTH
    """From which age on a release is told to be old; it stays an admitted one."""
    refuse_old: bool = False
    """Whether an old release is refused rather than warned of."""
    break_glass: frozenset[str] = frozenset()
    """Groups whose members may let an object in against the evidence, with a reason."""
