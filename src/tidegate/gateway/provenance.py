"""Which model stands behind the gateway, and who verified it: no summary, no service.

The deployment gate signs a verification summary (SLSA VSA v1) for the digest that it checked, and
logs it. The gateway verifies that release (signature, role, inclusion in the log, cosignatures,
age) against the trust root again and again, and serves only while it says PASSED about the
deployed digest.

::

    provenance = Provenance(Deployment("credit-model", digest, path), trust_root, clock)
    provenance.check()  # raises with the reason; `standing()` tells it as a code
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from tidegate.core.clock import DAY, SECOND, Clock, Micros, iso
from tidegate.core.digest import Digest
from tidegate.core.errors import TidegateError, VerificationError
from tidegate.core.identity.trust import Revocation, TrustRoot
from tidegate.interop.proved import MAX_BYTES, Proved
from tidegate.interop.release import read_release

_log = logging.getLogger(__name__)
_SKEW = 300 * SECOND
"""How far ahead of ours the verifier's clock may be."""
_NEXT = "run `tidegate serve check` on the deployed digest"


@dataclass(frozen=True, slots=True)
class Deployment:
    """What is served, under which name, and who says that it is right."""

    model: str
    """The name that callers use; requests for another are refused."""
    digest: Digest
    """SHA-256 of what the model server loaded."""
    release: Path
    """File with the release: the verification summary with its proof of logging."""
    max_age: Micros = DAY
    """How old a release may be."""
    upstream_model: str = ""
    """The model server's own name for it; the same where empty."""

    @property
    def inner(self) -> str:
        """The name to ask the model server for."""
        return self.upstream_model or self.model


@dataclass(frozen=True, slots=True)
class Standing:
    """Whether the model may be served now."""

    verified: bool
    reason: str = ""
    """Why not: ``missing``, ``bad-signature``, ``unknown-key``, ``failed``, ``other-subject``,
    ``stale``, ``future`` and the other codes of a refused envelope."""


class Provenance:
    """Judges the deployment's release, again whenever time has passed."""

    def __init__(
        self,
        deployment: Deployment,
        trust: TrustRoot,
        clock: Clock,
        *,
        revocations: Sequence[Revocation] = (),
        every: float = 1.0,
    ) -> None:
        self._deployment = deployment
        self._trust = trust
        self._clock = clock
        self._revocations = tuple(revocations)
        self._every = every
        self._next = 0.0
        self._standing = Standing(verified=False, reason="unchecked")

    def standing(self) -> Standing:
        """Return whether the model may be served, to within a second."""
        now = monotonic()
        if now >= self._next:
            self._next = now + self._every
            self._standing = self._judge()
        return self._standing

    def check(self) -> None:
        """Verify the release now.

        Raises:
            VerificationError: It is missing, does not verify, is about another digest, says
                FAILED, or is too old; the slug tells which.
        """
        now = self._clock.now()
        release = read_release(
            Proved.parse(self._read()),
            self._trust,
            now=now,
            max_age=self._deployment.max_age,
            revocations=self._revocations,
        )
        if release.digest != self._deployment.digest:
            raise self._refuse("the release is about another digest", "other-subject")
        if release.time > now + _SKEW:
            raise self._refuse("the release is from the future", "future", iso(release.time))

    def _judge(self) -> Standing:
        try:
            self.check()
        except TidegateError as error:
            reason = error.slug or "unverified"
            if reason != self._standing.reason:
                _log.warning("the model is not served: %s", reason)
            return Standing(verified=False, reason=reason)
        return Standing(verified=True)

    def _read(self) -> bytes:
        try:
            with self._deployment.release.open("rb") as file:
                return file.read(MAX_BYTES + 1)
        except OSError as error:
            raise self._refuse("there is no release", "missing", error.strerror) from None

    def _refuse(self, problem: str, slug: str, cause: str | None = None) -> VerificationError:
        return VerificationError(
            problem,
            where=str(self._deployment.release),
            cause=cause,
            next_step=_NEXT,
            slug=slug,
        )
