"""The environment that a command runs in, as a digest over its installed distributions.

Each distribution counts with its version and with the digest of its RECORD, which names the hash of
every file that it installed: another build of the same version gives another digest.
"""

import hashlib
import platform
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import distributions

from tidegate.core.canonical import Json, dumps
from tidegate.core.digest import Digest, sha256


@dataclass(frozen=True, slots=True)
class Environment:
    """What was installed."""

    digest: Digest
    python: str
    packages: tuple[tuple[str, str], ...]
    """Name and version, sorted."""

    def to_json(self) -> dict[str, Json]:
        """Return what is signed: the digest, not the list."""
        return {
            "digest": str(self.digest),
            "python": self.python,
            "packages": len(self.packages),
        }


@lru_cache(maxsize=1)
def environment() -> Environment:
    """Describe the environment of this interpreter, which confined commands get."""
    rows = sorted(
        {
            (
                (item.metadata["Name"] or "").lower(),
                item.version,
                hashlib.sha256((item.read_text("RECORD") or "").encode()).hexdigest(),
            )
            for item in distributions()
        }
    )
    python = f"{platform.python_implementation()} {platform.python_version()}"
    body = dumps({"python": python, "machine": platform.machine(), "packages": rows})
    return Environment(sha256(body), python, tuple((name, version) for name, version, _ in rows))
