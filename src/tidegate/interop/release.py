"""Releases and recalls: what admission reads, and nothing else.

A *release* is a verification summary (SLSA VSA v1) that says PASSED: these bytes may be served as
this resource. The registry gate gives it at promotion, the serve gate at each check. *Recalls* are
the other half: the digests and keys that no longer count at a log head, so that an air-gapped
cluster can be told of a quarantine with one small file.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tidegate.core.artifact.reference import resolve
from tidegate.core.attest.statement import Statement, Subject
from tidegate.core.attest.uris import RECALLS, VERIFICATION_SUMMARY
from tidegate.core.canonical import Json
from tidegate.core.clock import SECOND, Micros, iso, parse_iso
from tidegate.core.digest import Digest, sha256
from tidegate.core.errors import ProofError, VerificationError
from tidegate.core.identity.reading import Fields
from tidegate.core.identity.trust import Revocation, TrustRoot
from tidegate.core.stage import Stage
from tidegate.core.verify import VerifiedEntry
from tidegate.interop.proved import Proved
from tidegate.interop.standard import check_verification_summary

VERIFIERS: Final[Mapping[Stage, str]] = {
    Stage.REGISTRY: "urn:tidegate:verifier:registry:v1",
    Stage.SERVE: "urn:tidegate:verifier:serve:v1",
}
"""Who summarises, by the gate that verified."""
_MAX_RECALLED: Final = 100_000
_WHAT: Final = "recalls"
_NEVER: Final = Micros(0)
_AT_ONCE: Final = 900 * SECOND
"""How long after its signature a statement is logged at most, clocks that differ included."""


@dataclass(frozen=True, slots=True)
class Release:
    """Bytes that may be served as a resource."""

    name: str
    """What people call it: ``credit-model/prod``."""
    digest: Digest
    resource: str
    """The URI that its consumer uses."""
    index: int
    time: Micros
    """Log time."""
    signers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Recalls:
    """What no longer counts, as of a log index."""

    digests: frozenset[str]
    """Quarantined and revoked artifacts, ``sha256:…``."""
    revocations: tuple[Revocation, ...] = ()
    index: int = -1
    time: Micros = _NEVER

    def to_statement(self, workspace: str, *, now: Micros) -> Statement:
        """Return what is signed, with the moment of it."""
        predicate: dict[str, Json] = {
            "time": now,
            "digests": sorted(self.digests),
            "keys": [
                {"keyId": one.key_id, "fromIndex": one.from_index, "reason": one.reason}
                for one in self.revocations
            ],
        }
        # A statement needs a subject: the workspace, by its name's digest.
        subject = Subject.of(f"urn:tidegate:workspace:{workspace}", sha256(workspace.encode()))
        return Statement((subject,), RECALLS, predicate)


def read_release(
    proved: Proved,
    trust: TrustRoot,
    *,
    now: Micros,
    max_age: Micros | None = None,
    revocations: Sequence[Revocation] = (),
) -> Release:
    """Verify a release.

    Raises:
        VerificationError: A link is broken, it is no summary, or does not say PASSED.
    """
    stage = _stage(proved)
    verified = proved.verify(
        trust, stages=[stage], now=now, max_age=max_age, revocations=revocations
    )
    statement = _counts(verified, VERIFICATION_SUMMARY)
    check_verification_summary(statement.predicate)
    if statement.predicate["verificationResult"] != "PASSED":
        raise VerificationError(
            "the verification summary says FAILED",
            next_step="see why with `tidegate verify`, mend it, and release again",
            slug="failed",
        )
    _check_original(verified, parse_iso(str(statement.predicate["timeVerified"])))
    subject = statement.subjects[0]
    return Release(
        subject.name,
        Digest.parse(f"sha256:{subject.digests.get('sha256', '')}"),
        str(statement.predicate["resourceUri"]),
        verified.index,
        verified.time,
        tuple(sorted({signer.principal for signer in verified.signers})),
    )


def read_recalls(
    proved: Proved, trust: TrustRoot, *, now: Micros, revocations: Sequence[Revocation] = ()
) -> Recalls:
    """Verify recalls.

    Raises:
        VerificationError: A link is broken, or it is something else.
    """
    verified = proved.verify(trust, stages=[Stage.SERVE], now=now, revocations=revocations)
    fields = Fields(_counts(verified, RECALLS).predicate, _WHAT)
    _check_original(verified, Micros(fields.integer("time")))
    digests = fields.texts("digests", limit=_MAX_RECALLED)
    keys = [Fields(one, _WHAT) for one in fields.array("keys", limit=_MAX_RECALLED)]
    revoked = tuple(
        Revocation(
            key.text("keyId", limit=256),
            key.integer("fromIndex"),
            key.text("reason", limit=2_000, empty=True),
        )
        for key in keys
    )
    return Recalls(frozenset(digests), revoked, verified.index, verified.time)


def check_released(path: Path, found: Release, gone: Recalls) -> None:
    """Hash a model, and hold it against what was released and not recalled.

    Raises:
        ProofError: It is other bytes (slug ``other-bytes``), or was recalled (``recalled``).
        SubjectError: It can't be read.
    """
    digest = resolve(path, kind="model").digest
    if str(digest) in gone.digests:
        raise ProofError(
            "the model was recalled",
            where=str(path),
            cause=f"{digest.short} is quarantined or revoked since log {gone.index}",
            next_step="roll back to another release",
            slug="recalled",
        )
    if digest != found.digest:
        raise ProofError(
            "these are not the bytes that were released",
            where=str(path),
            cause=f"{found.digest.short} was released, {digest.short} is here",
            next_step="fetch the model again, or don't load it",
            slug="other-bytes",
        )


def predicate_type(proved: Proved) -> str:
    """Return what a file claims to be, before anything is verified.

    Raises:
        VerificationError: Its payload is no statement.
    """
    return Statement.parse(proved.bundle.envelope.payload).predicate_type


def _counts(verified: VerifiedEntry, wanted: str) -> Statement:
    """Return the statement where it is of the wanted kind; what a drill logged never counts."""
    statement = verified.statement
    if (verified.entry.kind, statement.predicate_type) != ("attestation", wanted):
        raise VerificationError(
            "the statement is of another kind",
            where=f"entry {verified.index}",
            cause=f"a {verified.entry.kind} of {statement.predicate_type}"[:200],
            slug="other-predicate",
        )
    return statement


def _check_original(verified: VerifiedEntry, said: Micros) -> None:
    """Refuse what was logged at another time than it was signed.

    An entry is not signed, its envelope is: who can write to the log's store could append an old
    word once more, and its place and time would be of today. The file in hand can't show that it
    was said before; the moment that was signed can.
    """
    if abs(verified.time - said) > _AT_ONCE:
        raise VerificationError(
            "the statement was logged at another time than it was signed",
            where=f"entry {verified.index}",
            cause=f"it was signed at {iso(said)}, and logged at {iso(verified.time)}",
            next_step="have it made anew: `tidegate serve check`, or `tidegate serve recalls`",
            slug="replayed",
        )


def _stage(proved: Proved) -> Stage:
    """Return the gate that the unverified payload names: its signers must have signed it."""
    claimed = Statement.parse(proved.bundle.envelope.payload).predicate.get("verifier")
    who = claimed.get("id") if isinstance(claimed, Mapping) else None
    for stage, verifier in VERIFIERS.items():
        if who == verifier:
            return stage
    raise VerificationError(
        "the statement is no release: no gate of ours verified", slug="other-verifier"
    )
