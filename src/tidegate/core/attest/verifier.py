"""Verify an envelope against a trust root, and say exactly what failed.

Nothing of the payload is read before enough signatures verified, by keys that were trusted for
this, in their window of log time, not revoked at that log index, and in one of the wanted roles.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from tidegate.core.attest.envelope import Envelope, Signature, signed_by
from tidegate.core.attest.statement import Statement
from tidegate.core.attest.uris import PAYLOAD_TYPE
from tidegate.core.clock import Micros
from tidegate.core.errors import TidegateError, VerificationError
from tidegate.core.identity.refusals import refusal
from tidegate.core.identity.roles import Role
from tidegate.core.identity.trust import (
    Purpose,
    Revocation,
    TrustedKey,
    TrustRoot,
    check_not_revoked,
)


@dataclass(frozen=True, slots=True)
class VerifiedSigner:
    """Whose signature counts."""

    principal: str
    key_id: str
    roles: frozenset[Role]


@dataclass(frozen=True, slots=True)
class VerifiedStatement:
    """A statement, read from bytes whose signatures count."""

    statement: Statement
    signers: tuple[VerifiedSigner, ...]
    ignored: tuple[str, ...] = ()
    """What became of signatures that do not count, where the others were enough."""

    @property
    def principals(self) -> frozenset[str]:
        """Who signed."""
        return frozenset(signer.principal for signer in self.signers)

    @property
    def roles(self) -> frozenset[Role]:
        """All roles that the signers hold together."""
        return frozenset().union(*(signer.roles for signer in self.signers))


def verify_envelope(
    envelope: Envelope,
    trust_root: TrustRoot,
    *,
    at: Micros,
    index: int | None,
    revocations: Sequence[Revocation] = (),
    roles: Collection[Role] = (),
    threshold: int = 1,
) -> VerifiedStatement:
    """Verify signatures and read the statement.

    Args:
        envelope: What was received.
        trust_root: Who is trusted, for what and when.
        at: When it was logged; the moment that windows are judged by.
        index: Log index of its entry; ``None`` where it is in no log, and any revocation of a key
            counts.
        revocations: All that the log knows of.
        roles: A signer must hold one of them; empty where any trusted key will do.
        threshold: How many distinct principals must have signed.

    Raises:
        TrustError: Signatures verify, and their keys do not count: slug ``unknown-key``,
            ``wrong-purpose``, ``not-yet-valid``, ``expired``, ``revoked`` or ``wrong-role``; with
            several different reasons, or too few principals, ``threshold``.
        SignatureError: A signature does not verify (slug ``bad-signature``).
        VerificationError: The payload is no in-toto statement.
    """
    if threshold < 1:
        raise refusal("bad-threshold")
    if envelope.payload_type != PAYLOAD_TYPE:
        raise refusal("payload-type", cause=f"its type is {envelope.payload_type[:100]!r}")
    signers: dict[str, VerifiedSigner] = {}
    failures: list[VerificationError] = []
    message = envelope.message
    for number, signature in enumerate(envelope.signatures, 1):
        try:
            trusted = _made_by(signature, message, trust_root, number)
            trusted.check(at=at, purpose=Purpose.ATTEST)
            check_not_revoked(trusted.key.key_id, index, revocations)
            _check_role(trusted, roles)
        except VerificationError as error:
            failures.append(error)
        else:
            key_id = trusted.key.key_id
            signers[key_id] = VerifiedSigner(trusted.principal, key_id, trusted.roles)
    found = tuple(signers.values())
    if len({signer.principal for signer in found}) < threshold:
        raise _too_few(found, failures, threshold)
    ignored = tuple(str(error) for error in failures)
    return VerifiedStatement(Statement.parse(envelope.payload), found, ignored)


def _made_by(
    signature: Signature, message: bytes, trust_root: TrustRoot, number: int
) -> TrustedKey:
    # The key id is an unsigned hint. Where it is given, it must be of a key that we trust: trying
    # all keys for a name that we do not know would only turn "unknown key" into "bad signature".
    candidates = (
        (trust_root.entry(signature.key_id),)
        if signature.key_id
        else trust_root.keys_for(Purpose.ATTEST)
    )
    key = signed_by(signature, message, [trusted.key for trusted in candidates])
    if key is None:
        whose = f"key {signature.key_id[:64]} of {candidates[0].principal}"
        where = f"signature {number}, {whose if signature.key_id else 'which names no key'}"
        raise refusal("bad-signature", where)
    return trust_root.entry(key.key_id)


def _check_role(trusted: TrustedKey, roles: Collection[Role]) -> None:
    if roles and not trusted.roles & frozenset(roles):
        held = ", ".join(sorted(trusted.roles)) or "no role"
        cause = f"it holds {held}, and one of {', '.join(sorted(roles))} is wanted"
        raise refusal("wrong-role", f"key {trusted.key.key_id} of {trusted.principal}", cause)


def _too_few(
    found: Sequence[VerifiedSigner], failures: Sequence[VerificationError], threshold: int
) -> TidegateError:
    if not found and len({(type(error), error.slug) for error in failures}) == 1:
        return failures[0]
    who = ", ".join(sorted({signer.principal for signer in found})) or "nobody"
    told = "; ".join([f"{threshold} must have signed", *map(str, failures[:8])])
    return refusal("threshold", f"signed by {who}", told)
