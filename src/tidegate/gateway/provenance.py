"""Which model stands behind the gateway, and who verified it: no summary, no service.

The deployment gate signs a verification summary (SLSA VSA v1) for the digest that it checked. The
gateway verifies that envelope against the trust root, now and whenever the file changes, and serves
only while it is PASSED, about the deployed digest, and fresh.

::

    provenance = Provenance(Deployment("credit-model", digest, path), trust_root, clock)
    provenance.check()  # raises with the reason; `standing()` tells it as a code
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from tidegate.core.attest.envelope import MAX_BYTES, Envelope
from tidegate.core.attest.statement import Statement
from tidegate.core.attest.uris import VERIFICATION_SUMMARY
from tidegate.core.attest.verifier import verify_envelope
from tidegate.core.clock import DAY, SECOND, Clock, Micros, iso, parse_iso
from tidegate.core.digest import Digest
from tidegate.core.errors import FreshnessError, VerificationError
from tidegate.core.identity.roles import SIGNERS
from tidegate.core.identity.trust import Revocation, TrustRoot
from tidegate.core.stage import Stage
from tidegate.interop.standard import check_verification_summary

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
    summary: Path
    """File with the verification summary, a DSSE envelope."""
    max_age: Micros = DAY
    """How old a summary may be."""
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
    """Judges the deployment's summary, again whenever its file changes or time has passed."""

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
        """Verify the summary now.

        Raises:
            VerificationError: It is missing, does not verify, is about another digest, says
                FAILED, or is too old; the slug tells which.
        """
        verified = self._verified(self._read())
        passed = verified.predicate["verificationResult"] == "PASSED"
        if verified.predicate_type != VERIFICATION_SUMMARY or not passed:
            raise self._refuse("the verification summary says FAILED", "failed")
        self._fresh(parse_iso(str(verified.predicate["timeVerified"])))

    def _judge(self) -> Standing:
        try:
            self.check()
        except VerificationError as error:
            reason = error.slug or "unverified"
            if reason != self._standing.reason:
                _log.warning("the model is not served: %s", reason)
            return Standing(verified=False, reason=reason)
        return Standing(verified=True)

    def _read(self) -> bytes:
        try:
            with self._deployment.summary.open("rb") as file:
                return file.read(MAX_BYTES + 1)
        except OSError as error:
            raise self._refuse(
                "there is no verification summary", "missing", error.strerror
            ) from None

    def _verified(self, data: bytes) -> Statement:
        statement = verify_envelope(
            Envelope.parse(data),
            self._trust,
            at=self._clock.now(),  # claimed times would let an expired key speak
            index=None,
            revocations=self._revocations,
            roles=SIGNERS[Stage.SERVE],
        ).statement
        if statement.predicate_type != VERIFICATION_SUMMARY:
            raise self._refuse("the envelope is no verification summary", "other-predicate")
        check_verification_summary(statement.predicate)
        if not statement.speaks_of(self._deployment.digest):
            raise self._refuse("the summary is about another digest", "other-subject")
        return statement

    def _fresh(self, verified: Micros) -> None:
        now = self._clock.now()
        if verified > now + _SKEW:
            raise self._refuse("the summary is from the future", "future", iso(verified))
        if now - verified > self._deployment.max_age:
            raise FreshnessError(
                "the verification summary is too old",
                where=str(self._deployment.summary),
                cause=f"verified at {iso(verified)}",
                next_step=_NEXT,
                slug="stale",
            )

    def _refuse(self, problem: str, slug: str, cause: str | None = None) -> VerificationError:
        return VerificationError(
            problem,
            where=str(self._deployment.summary),
            cause=cause,
            next_step=_NEXT,
            slug=slug,
        )
