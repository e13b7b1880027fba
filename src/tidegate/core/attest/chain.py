"""Signed trust roots: each version is signed by the root keys of the one before and its own.

Root keys of both versions must sign, each by its own threshold: those before allow the change,
those after prove that they can make the next one. The first version is signed by its own root
keys alone; what makes it trusted is its digest, which the caller has from elsewhere.
"""

from collections.abc import Sequence

from tidegate.core.attest import envelope as dsse
from tidegate.core.attest.envelope import Envelope
from tidegate.core.attest.statement import Statement, Subject
from tidegate.core.attest.uris import PAYLOAD_TYPE, TRUST
from tidegate.core.digest import Digest
from tidegate.core.errors import SignatureError
from tidegate.core.identity.refusals import refusal
from tidegate.core.identity.signer import Signer
from tidegate.core.identity.trust import TrustRoot

MAX_VERSIONS = 10_000


def sign_trust_root(trust_root: TrustRoot, signers: Sequence[Signer]) -> Envelope:
    """Sign a version; further signatures can be added with ``envelope.add_signature``.

    Raises:
        UsageError: There is no signer.
        AccessError: A key can't be used.
    """
    subject = Subject.of(f"trust-root/{trust_root.workspace}", trust_root.digest)
    statement = Statement((subject,), TRUST, trust_root.to_json())
    return dsse.sign(statement.to_bytes(), PAYLOAD_TYPE, signers)


def load_trust_root(envelopes: Sequence[Envelope], *, anchor: Digest | None) -> TrustRoot:
    """Verify a chain of versions from the first on, and return the last.

    Args:
        envelopes: All versions in order, without gaps; version 1 first.
        anchor: Digest of a version that is known to be right, usually the first. ``None`` trusts
            what is found, on first use; the caller should show and remember its digest.

    Raises:
        SignatureError: A version lacks signatures of its root keys, or of those before.
        TrustError: The chain has a gap, is of several workspaces, or does not hold the anchor.
        VerificationError: A version can't be read.
    """
    if not 1 <= len(envelopes) <= MAX_VERSIONS:
        raise refusal("bad-trust-chain", cause=f"there are {len(envelopes)} versions")
    last: TrustRoot | None = None
    anchored = anchor is None
    for signed in envelopes:
        last = _follow(last, signed)
        anchored = anchored or last.digest == anchor
    if last is None or not anchored:
        raise refusal("wrong-anchor", cause=f"no version has the digest {anchor}")
    return last


def next_trust_root(before: TrustRoot, signed: Envelope) -> TrustRoot:
    """Verify one version against the one before.

    Raises:
        SignatureError: Root keys of this version, or of the one before, have not signed.
        TrustError: It does not follow the one before.
        VerificationError: It can't be read.
    """
    return _follow(before, signed)


def _follow(before: TrustRoot | None, signed: Envelope) -> TrustRoot:
    trust_root = _claimed(signed)
    place = f"trust root {trust_root.workspace} version {trust_root.version}"
    wanted = (before.workspace, before.version + 1, before.digest) if before else None
    found = (trust_root.workspace, trust_root.version, trust_root.previous)
    if found != (wanted or (trust_root.workspace, 1, None)):
        raise refusal("bad-trust-chain", place)
    for whose, judge in (("version before", before), ("version itself", trust_root)):
        if judge is None:
            continue
        try:
            dsse.verify(signed, judge.root_keys, threshold=judge.root_threshold)
        except SignatureError as error:
            cause = f"of those of the {whose}, {error.cause}"
            raise refusal("unsigned-trust-root", place, cause) from None
    return trust_root


def _claimed(signed: Envelope) -> TrustRoot:
    # Read before its signatures are checked, as the first version names its own root keys. The
    # parser is bounded, and nothing of it is used unless the signatures then verify.
    statement = Statement.parse(signed.payload)
    if signed.payload_type != PAYLOAD_TYPE or statement.predicate_type != TRUST:
        raise refusal("predicate-type", statement.predicate_type[:200])
    trust_root = TrustRoot.from_json(statement.predicate)
    if not statement.speaks_of(trust_root.digest):
        raise refusal("bad-trust-chain", cause="its statement is about another one")
    return trust_root
