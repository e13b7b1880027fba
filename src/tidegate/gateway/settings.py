"""All that a gateway is told; nothing is looked up."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from tidegate.core.identity.trust import Revocation, TrustRoot
from tidegate.gateway.keys import Keyring
from tidegate.gateway.provenance import Deployment

__all__ = ["Deployment", "GatewaySettings", "Limits", "Mode"]


class Mode(StrEnum):
    """What becomes of a request that the input check flags."""

    BLOCK = "block"
    """It is refused."""
    ANNOTATE = "annotate"
    """It goes through, and the answer names the rules in ``x-tidegate-findings``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds on what callers may ask."""

    requests_per_minute: int = 600
    """Rate a caller."""
    burst: int = 60
    """Requests that a caller may send at once after a pause."""
    concurrent: int = 64
    """Requests that run at once, of all callers."""
    concurrent_each: int = 16
    """Requests that run at once, a caller."""
    body: int = 1 << 20
    """Bytes of a request body."""
    text: int = 200_000
    """Characters of a request that are judged; a request with more is refused."""
    headers: int = 16 * 1024
    """Bytes of request line and headers."""
    answer: int = 64 << 20
    """Bytes of an answer."""
    receive_s: float = 10.0
    """Seconds for the request to arrive."""
    timeout_s: float = 30.0
    """Seconds of silence of the model server."""
    total_s: float = 600.0
    """Seconds that an answer may take in all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewaySettings:
    """A gateway in front of one verified deployment."""

    upstream: str
    """Base URL of the model server."""
    deployment: Deployment
    trust: TrustRoot
    """Who may sign the release."""
    callers: Path | Keyring
    """The key file, or the keys."""
    spool: Path
    """Folder for the events; one process each."""
    revocations: tuple[Revocation, ...] = ()
    mode: Mode = Mode.BLOCK
    limits: Limits = Limits()
    upstream_headers: Mapping[str, str] | None = None
    """Headers for the model server alone, such as its own key."""
