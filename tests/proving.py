"""Logged statements with proofs, made by hand: a log of one entry, for readers of such files."""

from tidegate.core.attest import envelope as dsse
from tidegate.core.attest.statement import Statement, Subject
from tidegate.core.attest.uris import PAYLOAD_TYPE, VERIFICATION_SUMMARY
from tidegate.core.clock import Micros, SystemClock
from tidegate.core.digest import Digest, sha256
from tidegate.core.identity.keys import PrivateKey, Scheme
from tidegate.core.identity.roles import Role
from tidegate.core.identity.trust import Purpose, TrustedKey, TrustRoot
from tidegate.core.ledger.checkpoint import Checkpoint
from tidegate.core.ledger.entry import Entry
from tidegate.core.ledger.note import ED25519, Note, NoteKey, NoteSigner
from tidegate.core.merkle import leaf_hash, path, root
from tidegate.core.stage import Outcome, Stage
from tidegate.core.verify import LoggedStatement
from tidegate.interop.proved import Proved
from tidegate.interop.release import VERIFIERS, Recalls
from tidegate.interop.standard import build_verification_summary

ORIGIN = "log.example/w1"
LOG_KEY = PrivateKey.generate(Scheme.ED25519)
OLGA = PrivateKey.generate(Scheme.ED25519)
"""An operator."""
ADA = PrivateKey.generate(Scheme.ED25519)
"""An auditor: her word releases nothing."""
STRANGER = PrivateKey.generate(Scheme.ED25519)
MODEL = sha256(b"the model")
TRUST = TrustRoot(
    "w1",
    1,
    keys=(
        TrustedKey(OLGA.verifier, "olga", frozenset({Role.OPERATOR})),
        TrustedKey(ADA.verifier, "ada", frozenset({Role.AUDITOR})),
        TrustedKey(LOG_KEY.verifier, "log", purpose=Purpose.LOG, name=ORIGIN),
    ),
    root_keys=(OLGA.verifier,),
)
_NAMES = {OLGA.verifier.key_id: "olga", ADA.verifier.key_id: "ada"}


def proved(
    statement: Statement,
    *,
    key: PrivateKey = OLGA,
    time: int | None = None,
    kind: str = "attestation",
    index: int = 0,
) -> Proved:
    """Return a statement, signed and logged as the last entry of a log of ``index + 1``."""
    envelope = dsse.sign(statement.to_bytes(), PAYLOAD_TYPE, [key])
    entry = Entry(
        kind,
        "w1",
        time=SystemClock().now() if time is None else time,
        actor=_NAMES.get(key.verifier.key_id, "stranger"),
        key_id=key.verifier.key_id,
        tool="test 1",
        subjects=tuple(
            f"sha256:{one.digests['sha256']}"
            for one in statement.subjects
            if "sha256" in one.digests
        ),
        envelope=str(envelope.digest),
        predicate_type=statement.predicate_type,
    ).to_bytes()
    leaves = [*[leaf_hash(b"another entry")] * index, leaf_hash(entry)]
    text = Checkpoint(ORIGIN, len(leaves), root(leaves)).text
    signer = NoteSigner(NoteKey(ORIGIN, ED25519, LOG_KEY.verifier.raw), LOG_KEY.sign)
    note = Note(text, (signer.sign_note(text),)).to_bytes()
    return Proved.of(
        LoggedStatement(index, entry, envelope.to_bytes(), path(leaves, index)), note, TRUST
    )


def release(
    *,
    digest: Digest = MODEL,
    resource: str = "s3://models/credit",
    outcome: Outcome = Outcome.ALLOW,
    time: int | None = None,
    key: PrivateKey = OLGA,
    kind: str = "attestation",
    predicate_type: str = VERIFICATION_SUMMARY,
    index: int = 0,
    said: int | None = None,
) -> bytes:
    """Return a release file; it was signed when it was logged, unless that is said otherwise."""
    signed = said if said is not None else time
    predicate = build_verification_summary(
        verifier=VERIFIERS[Stage.SERVE],
        time=Micros(SystemClock().now() if signed is None else signed),
        resource=resource,
        policy_uri="urn:tidegate:policy:default",
        policy=sha256(b"policy"),
        outcome=outcome,
    )
    statement = Statement((Subject.of("credit/prod", digest),), predicate_type, predicate)
    return proved(statement, key=key, time=time, kind=kind, index=index).to_bytes()


def recalls(
    found: Recalls,
    *,
    key: PrivateKey = OLGA,
    index: int = 0,
    said: int | None = None,
    kind: str = "attestation",
) -> bytes:
    """Return a recalls file."""
    statement = found.to_statement("w1", now=Micros(SystemClock().now() if said is None else said))
    return proved(statement, key=key, index=index, kind=kind).to_bytes()
