"""Serve: what is deployed is what was promoted, checked again at the door and at load.

:func:`read_verified` gives a loader the very bytes whose digest was verified, so that nothing can
be swapped between the check and the load.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tidegate.core.digest import Digest
from tidegate.core.errors import UnreadableSubject, VerificationError
from tidegate.core.finding import Coverage, Detector, Finding, Location, Rule, Severity
from tidegate.core.identity.trust import TrustRoot
from tidegate.core.stage import Stage
from tidegate.gates.contract import Check, CheckResult, GateRequest
from tidegate.gates.signature import SignedModel, signature_check

RULES = (
    Rule(
        "TG-SRV-01/other-bytes",
        "A deployment that is not what its name means",
        Severity.CRITICAL,
        "The served model was swapped, or an old version was deployed under a new name.",
        "Deploy the digest that the alias names, and find out where the other bytes came from.",
        atlas=("AML.T0010.003", "AML.T0058"),
        owasp=("LLM03:2025", "ML06:2023"),
    ),
)
_DEPLOYMENT = Detector("deployment", "1")
MAX_LOAD = 16 << 30


@dataclass(frozen=True, slots=True)
class ServeGate:
    """The checks of ``serve check``."""

    model: SignedModel
    trust: TrustRoot
    alias: str
    """The name under which it is deployed: ``credit-model/prod``."""
    meant: str | None
    """The digest that the name means now; ``None`` where it means nothing."""

    @property
    def stage(self) -> Stage:
        """Serve."""
        return Stage.SERVE

    def checks(self, request: GateRequest) -> Sequence[Check]:
        """Return the checks: the bytes are the alias's, and signed."""
        digest = str(request.subjects[0].digest)
        return (
            Check("deployment", "TG-SRV-01", _DEPLOYMENT, lambda: self._deployment(digest)),
            signature_check(self.model, self.trust),
        )

    def _deployment(self, digest: str) -> CheckResult:
        facts = {"named": self.meant is not None, "matches": digest == self.meant}
        findings = []
        if digest != self.meant:
            what = f"means {self.meant[:19]}" if self.meant else "means nothing"
            findings.append(
                Finding(
                    "TG-SRV-01/other-bytes",
                    Severity.CRITICAL,
                    f"{self.alias} {what}, here are other bytes: {digest[:19]}",
                    Location(self.model.path.name),
                    {"alias": self.alias, "meant": self.meant or "", "found": digest},
                )
            )
        return CheckResult(Coverage(1, 1, unit="artifact"), tuple(findings), facts)


def read_verified(path: Path, digest: Digest, *, limit: int = MAX_LOAD) -> bytes:
    """Return a file's bytes, if they have this digest: what a loader should be given.

    The bytes that are returned are the ones that were hashed.

    Raises:
        VerificationError: They have another digest (slug ``other-bytes``), or are too many.
        UnreadableSubject: The file can't be read.
    """
    where = str(path)
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise UnreadableSubject(
            "the file can't be read",
            where=where,
            cause=error.strerror,
            next_step="check the path and its permissions",
            slug="unreadable",
        ) from None
    if len(data) > limit:
        raise VerificationError("the file is too large", where=where, slug="too-large")
    found = hashlib.new(digest.algorithm, data).hexdigest()
    if found != digest.hex:
        raise VerificationError(
            "these are not the bytes that were admitted",
            where=where,
            cause=f"{digest.short} was admitted, {digest.algorithm}:{found[:12]} is here",
            next_step="fetch the model again; find out who changed it",
            slug="other-bytes",
        )
    return data
