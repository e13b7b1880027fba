"""Which policy may decide: the one that was signed last, in the log.

A policy is a file in a folder, and so is the setting that names it: whoever can write there could
have a gate decide by weaker rules. So a policy of one's own decides nothing until somebody who may
has signed it, and from the first signature on, the policy that was signed last decides alone: what
comes with Tidegate, or was in force before, must be signed to come back. A signature ends after a
year, so that somebody looks at the rules again.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from tidegate.app.ports import StatementsAt
from tidegate.core.attest.envelope import Envelope
from tidegate.core.canonical import Json
from tidegate.core.clock import DAY, Micros, iso
from tidegate.core.digest import Digest, sha256
from tidegate.core.errors import PolicyError, VerificationError
from tidegate.core.identity.roles import Role
from tidegate.core.policy.model import PolicyBundle
from tidegate.core.verify import LoggedStatement, Verification

SIGNERS = frozenset({Role.STEWARD, Role.OPERATOR})
"""Who may put a policy in force: who may also release what is in quarantine."""
MAX_AGE = Micros(365 * DAY)
PREFIX = "policy/"
"""With this the name of a signed policy begins, in the statement about it."""


@dataclass(frozen=True, slots=True)
class PolicySignature:
    """A principal's word for a bundle."""

    digest: str
    principal: str
    index: int
    time: int

    def to_json(self) -> dict[str, Json]:
        """Return all fields but the digest."""
        return {"principal": self.principal, "index": self.index, "time": iso(Micros(self.time))}


def policy_signatures(source: StatementsAt, judge: Verification) -> Iterator[PolicySignature]:
    """Yield the signatures of policies that count, oldest first, each once.

    Raises:
        VerificationError: The log or the store contradicts itself.
    """
    seen: set[Digest] = set()
    for index in source.places.test_results:
        logged = source.logged(index)
        if logged is None:
            continue
        found = _read(logged, judge, seen)
        if found is not None and index not in source.places.backdated:
            yield found


def _read(
    logged: LoggedStatement, judge: Verification, seen: set[Digest]
) -> PolicySignature | None:
    try:
        verified = judge.verify(logged)
        signed = sha256(Envelope.parse(logged.envelope).payload)
    except VerificationError:
        return None  # whoever can write to the store can append anything; it counts for nothing
    subject, signer = verified.statement.subjects[0], verified.signers[0]
    known = signed in seen
    seen.add(signed)
    passed = verified.statement.predicate.get("result") == "PASSED"
    if known or not passed or verified.entry.kind != "attestation":
        return None
    if not signer.roles & SIGNERS or not subject.name.startswith(PREFIX):
        return None
    digest = f"sha256:{subject.digests.get('sha256', '')}"
    return PolicySignature(digest, signer.principal, logged.index, verified.time)


def check_policy(
    bundle: PolicyBundle, signed: PolicySignature | None, now: Micros, *, ours: bool
) -> None:
    """Check that a policy may decide.

    Args:
        bundle: The policy.
        signed: The newest signature of any policy.
        now: The present.
        ours: Whether the policy comes with Tidegate.

    Raises:
        PolicyError: Nobody signed it (``unsigned-policy``), another one was signed later
            (``other-policy``), or the signature has ended (``policy-expired``).
    """
    if signed is None and ours:
        return
    cause, slug = None, ""
    if signed is None:
        cause, slug = "nobody signed it", "unsigned-policy"
    elif signed.digest != str(bundle.digest):
        cause, slug = f"{signed.digest[:19]} was signed last, at log {signed.index}", "other-policy"
    elif now - signed.time > MAX_AGE:
        cause, slug = f"it was signed at {iso(Micros(signed.time))}", "policy-expired"
    if cause is not None:
        raise PolicyError(
            "this policy decides nothing",
            where=bundle.label,
            cause=cause,
            next_step="look at it, then have a steward or operator sign it: `tidegate policy sign`",
            slug=slug,
        )
